package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/podflame/podflame/manifests/images/archive"
)

// pull reads a base; the registry's manifests and layers are fetched as they
// are needed. A base is named by digest, so that it does not change by itself.
func pull(reference, architecture string) (v1.Image, error) {
	digest, err := name.NewDigest(reference)
	if err != nil {
		return nil, fmt.Errorf("base %s: %w", reference, err)
	}
	image, err := remote.Image(digest,
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithPlatform(v1.Platform{OS: "linux", Architecture: architecture}))
	if err != nil {
		return nil, fmt.Errorf("pull base %s for %s: %w", reference, architecture, err)
	}
	return image, nil
}

// push uploads images under their names.
func push(images []archive.Named) error {
	for _, image := range images {
		tag, err := name.NewTag(image.Reference)
		if err != nil {
			return fmt.Errorf("push %s: %w", image.Reference, err)
		}
		if err := remote.Write(tag, image.Image, remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
			return fmt.Errorf("push %s: %w", image.Reference, err)
		}
		fmt.Println("images: pushed", image.Reference)
	}
	return nil
}

func perArchitecture(reference, architecture string) string { return reference + "-" + architecture }

// pushIndexes makes one tag of each program out of those of its architectures.
func pushIndexes(prefix, tag string) error {
	for _, program := range programNames {
		reference, err := name.NewTag(prefix + program + ":" + tag)
		if err != nil {
			return fmt.Errorf("push the index of %s: %w", program, err)
		}
		index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
		for _, architecture := range []string{"amd64", "arm64"} {
			part, err := name.NewTag(perArchitecture(reference.Name(), architecture))
			if err != nil {
				return fmt.Errorf("push the index of %s: %w", program, err)
			}
			image, err := remote.Image(part, remote.WithAuthFromKeychain(authn.DefaultKeychain))
			if err != nil {
				return fmt.Errorf("read %s, which must be pushed first: %w", part, err)
			}
			index = mutate.AppendManifests(index, mutate.IndexAddendum{
				Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
			})
		}
		if err := remote.WriteIndex(reference, index, remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
			return fmt.Errorf("push the index %s: %w", reference, err)
		}
		digest, err := index.Digest()
		if err != nil {
			return fmt.Errorf("read the digest of %s: %w", reference, err)
		}
		fmt.Printf("%s@%s\n", reference.Context(), digest)
	}
	return nil
}

func (s settings) write(images []archive.Named) error {
	if err := os.MkdirAll(filepath.Dir(s.output), 0o750); err != nil {
		return fmt.Errorf("make the folder of the archive: %w", err)
	}
	if err := archive.Write(s.output, images...); err != nil {
		return err
	}
	info, err := os.Stat(s.output)
	if err != nil {
		return err
	}
	for _, image := range images {
		fmt.Println("images:", image.Reference)
	}
	fmt.Printf("images: %s, %d MiB, for %s\n", s.output, info.Size()>>20, s.architecture)
	return nil
}
