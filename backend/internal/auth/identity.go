package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// serviceAccount splits the user name of a ServiceAccount.
func serviceAccount(user string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(user, "system:serviceaccount:")
	if !ok {
		return "", "", false
	}
	namespace, name, ok = strings.Cut(rest, ":")
	return namespace, name, ok && namespace != "" && name != "" && !strings.Contains(name, ":")
}

// fingerprint tells identities apart by all that the API server judges by.
func (i Identity) fingerprint() [sha256.Size]byte {
	h := sha256.New()
	write := func(parts ...string) {
		_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(parts))))
		for _, part := range parts {
			_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(part))))
			_, _ = h.Write([]byte(part))
		}
	}
	write(i.Name, i.UID)
	write(i.Groups...)
	for _, name := range slices.Sorted(maps.Keys(i.Extra)) {
		write(name)
		write(i.Extra[name]...)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
