package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Binaries are the programs a cluster is made of, and Files the folder of
// third-party definitions the setup script keeps beside them.
type Binaries struct {
	Kubernetes string // its servers, CoreDNS and kubectl: the first argument says which
	Etcd       string
	Cache      string // folder the setup script fills
}

// Find locates what tests/cluster/setup.sh prepared. Its error says how to
// prepare it.
func Find() (Binaries, error) {
	root, err := RepositoryRoot()
	if err != nil {
		return Binaries{}, err
	}
	cache, err := cacheDirectory()
	if err != nil {
		return Binaries{}, err
	}
	key, err := serversKey(filepath.Join(root, "tests", "cluster", "servers"))
	if err != nil {
		return Binaries{}, err
	}
	found := Binaries{Kubernetes: filepath.Join(cache, "kubernetes-"+key), Cache: cache}
	if found.Etcd, err = findEtcd(cache); err != nil {
		return Binaries{}, err
	}
	for _, path := range []string{found.Kubernetes, found.Etcd} {
		if _, err := os.Stat(path); err != nil {
			return Binaries{}, fmt.Errorf("the cluster tests need %s, which is not there: run `make setup-cluster` first", path)
		}
	}
	return found, nil
}

// RepositoryRoot is the folder of the module that the working directory is in.
func RepositoryRoot() (string, error) {
	directory, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(directory, "tests", "cluster", "setup.sh")); err == nil {
			return directory, nil
		}
		parent := filepath.Dir(directory)
		if parent == directory {
			return "", fmt.Errorf("find the repository: no folder above the working directory holds tests/cluster/setup.sh")
		}
		directory = parent
	}
}

func cacheDirectory() (string, error) {
	if cache := os.Getenv("PODFLAME_CACHE"); cache != "" {
		return filepath.Join(cache, "cluster"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the cache (set PODFLAME_CACHE): %w", err)
	}
	return filepath.Join(home, ".cache", "podflame", "cluster"), nil
}

// serversKey must stay equal to the key in setup.sh.
func serversKey(source string) (string, error) {
	hash := sha256.New()
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		content, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", fmt.Errorf("compute the key of the servers: %w", err)
		}
		hash.Write(content)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

func findEtcd(cache string) (string, error) {
	if cached := filepath.Join(cache, "etcd", "usr", "bin", "etcd"); isFile(cached) {
		return cached, nil
	}
	path, err := exec.LookPath("etcd")
	if err != nil {
		return "", fmt.Errorf("the cluster tests need etcd, which is neither in %s nor in PATH: run `make setup-cluster` first", cache)
	}
	return path, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
