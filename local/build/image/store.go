package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nameKey is the annotation under which containerd and Docker keep an image's
// full name in an OCI layout.
const nameKey = "io.containerd.image.name"

// store is a folder of images: an OCI layout whose index.json names each image
// in full. Readers need no lock, since every file in it is renamed into place.
type store struct{ root string }

func openStore(root string) (*store, error) {
	if err := os.MkdirAll(filepath.Join(root, "blobs", "sha256"), 0o755); err != nil {
		return nil, err
	}
	return &store{root: root}, nil
}

// lock keeps two writers apart; the kernel releases it when the process ends.
func (s *store) lock() (func(), error) {
	file, err := os.OpenFile(filepath.Join(s.root, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() { file.Close() }, nil
}

// add brings the images of an archive into the store, or the one that is to
// have the name `as`; it returns their names.
func (s *store) add(archive, as string) ([]string, error) {
	unlock, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	s.sweep()
	incoming, err := os.MkdirTemp(s.root, incomingPrefix)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(incoming)
	found, err := unpack(archive, incoming)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", archive, err)
	}
	chosen, err := choose(incoming, found, as)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", archive, err)
	}
	for _, descriptor := range chosen {
		if err := runnable(incoming, descriptor); err != nil {
			return nil, fmt.Errorf("%s: %w", archive, err)
		}
	}
	if err := s.adopt(incoming); err != nil {
		return nil, err
	}
	return s.enter(chosen)
}

const incomingPrefix = ".incoming-"

// sweep removes what writers left that were killed.
func (s *store) sweep() {
	left, _ := filepath.Glob(filepath.Join(s.root, incomingPrefix+"*"))
	for _, folder := range left {
		os.RemoveAll(folder)
	}
}

// choose picks the unpacked archive's descriptors to store, each with its full name.
func choose(root string, found []v1.Descriptor, as string) ([]v1.Descriptor, error) {
	if as == "" {
		for _, descriptor := range found {
			if descriptor.Annotations[nameKey] == "" {
				return nil, errors.New("an image in it has no name: give one")
			}
		}
		return found, nil
	}
	if _, digest, ok := strings.Cut(as, "@"); ok {
		return chooseDigest(root, found, as, digest)
	}
	var names []string
	for _, descriptor := range found {
		if descriptor.Annotations[nameKey] == as {
			return []v1.Descriptor{descriptor}, nil
		}
		names = append(names, descriptor.Annotations[nameKey])
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("none of its %d images is named %s: it has %s", len(found), as, strings.Join(names, ", "))
	}
	found[0].Annotations = map[string]string{nameKey: as}
	return found, nil
}

// chooseDigest picks the image that has the digest in its name `as`: one of the
// archive's, or one of an index in it.
func chooseDigest(root string, found []v1.Descriptor, as, digest string) ([]v1.Descriptor, error) {
	candidates := slices.Clone(found)
	for _, descriptor := range found {
		candidates = append(candidates, childrenOf(root, descriptor)...)
	}
	var others []string
	for _, candidate := range candidates {
		if !candidate.MediaType.IsIndex() && !candidate.MediaType.IsImage() {
			continue
		}
		if candidate.Digest.String() == digest {
			candidate.Annotations = map[string]string{nameKey: as}
			return []v1.Descriptor{candidate}, nil
		}
		others = append(others, candidate.Digest.String())
	}
	return nil, fmt.Errorf("none of its images has the digest of the name %s: it has %s"+
		" (`docker save` keeps no digests: use a tag)", as, strings.Join(others, ", "))
}

// adopt moves blobs into the store.
func (s *store) adopt(incoming string) error {
	blobs, err := filepath.Glob(filepath.Join(incoming, "blobs", "sha256", "*"))
	if err != nil {
		return err
	}
	for _, blob := range blobs {
		if err := flush(blob); err != nil {
			return err
		}
		if err := os.Rename(blob, filepath.Join(s.root, "blobs", "sha256", filepath.Base(blob))); err != nil {
			return err
		}
	}
	return nil
}

// enter writes descriptors into the index, in place of older ones of their
// names, and removes what nothing refers to any more.
func (s *store) enter(descriptors []v1.Descriptor) ([]string, error) {
	index, err := s.index()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, descriptor := range descriptors {
		named := descriptor.Annotations[nameKey]
		names = append(names, named)
		index.Manifests = slices.DeleteFunc(index.Manifests, func(old v1.Descriptor) bool {
			return old.Annotations[nameKey] == named
		})
		index.Manifests = append(index.Manifests, descriptor)
	}
	return names, s.write(index)
}

// forget removes an image by its full name; it need not be there.
func (s *store) forget(named string) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	index, err := s.index()
	if err != nil {
		return err
	}
	index.Manifests = slices.DeleteFunc(index.Manifests, func(old v1.Descriptor) bool {
		return old.Annotations[nameKey] == named
	})
	return s.write(index)
}

// index is what the store holds; a new store holds nothing, nor does one whose
// index is damaged.
func (s *store) index() (*v1.IndexManifest, error) {
	nothing := &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	path := filepath.Join(s.root, "index.json")
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nothing, nil
	}
	if err != nil {
		return nil, err
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(content))
	if err != nil {
		log.Printf("%s is damaged, so the images in it have to be brought again: %v", path, err)
		return nothing, nil
	}
	return index, nil
}

func (s *store) write(index *v1.IndexManifest) error {
	if err := s.replace("oci-layout", []byte(`{"imageLayoutVersion": "1.0.0"}`)); err != nil {
		return err
	}
	content, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	if err := s.replace("index.json", content); err != nil {
		return err
	}
	return s.prune(index)
}

func (s *store) replace(file string, content []byte) error {
	path := filepath.Join(s.root, file)
	if err := os.WriteFile(path+".part", content, 0o644); err != nil {
		return err
	}
	if err := flush(path + ".part"); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

// flush brings a file's content to the disk, so that a crash of the machine
// after a rename does not leave the new name with half of it.
func flush(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// prune removes blobs that no image has.
func (s *store) prune(index *v1.IndexManifest) error {
	kept := map[string]bool{}
	for _, descriptor := range index.Manifests {
		for _, hash := range blobsOf(s.root, descriptor) {
			kept[hash.Hex] = true
		}
	}
	blobs, err := os.ReadDir(filepath.Join(s.root, "blobs", "sha256"))
	if err != nil {
		return err
	}
	for _, blob := range blobs {
		if !kept[blob.Name()] {
			if err := os.Remove(filepath.Join(s.root, "blobs", "sha256", blob.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// blobsOf are the blobs that a manifest leads to, itself first, there or not.
// An index need not have all of its images: those for other platforms are not
// fetched.
func blobsOf(root string, descriptor v1.Descriptor) []v1.Hash {
	found := []v1.Hash{descriptor.Digest}
	for _, child := range childrenOf(root, descriptor) {
		found = append(found, blobsOf(root, child)...)
	}
	return found
}

// childrenOf are what a manifest refers to: an index's manifests, an image's
// configuration and layers; none for a manifest that is not there.
func childrenOf(root string, descriptor v1.Descriptor) []v1.Descriptor {
	if !descriptor.MediaType.IsIndex() && !descriptor.MediaType.IsImage() {
		return nil
	}
	content, err := layout.Path(root).Bytes(descriptor.Digest)
	if err != nil {
		return nil
	}
	var manifest struct {
		Manifests []v1.Descriptor `json:"manifests"`
		Config    *v1.Descriptor  `json:"config"`
		Layers    []v1.Descriptor `json:"layers"`
	}
	if json.Unmarshal(content, &manifest) != nil {
		return nil
	}
	children := append(manifest.Manifests, manifest.Layers...)
	if manifest.Config != nil {
		children = append(children, *manifest.Config)
	}
	return children
}

// runnable tells why a descriptor is no image that this machine can run.
func runnable(root string, descriptor v1.Descriptor) error {
	if descriptor.MediaType.IsIndex() {
		return indexRunnable(root, descriptor)
	}
	for _, hash := range blobsOf(root, descriptor) {
		if _, err := os.Stat(filepath.Join(root, "blobs", hash.Algorithm, hash.Hex)); err != nil {
			return fmt.Errorf("it is incomplete: %s is missing", hash)
		}
	}
	config, err := configOf(root, descriptor)
	if err != nil {
		return err
	}
	return forThisMachine(config)
}

func configOf(root string, image v1.Descriptor) (*v1.ConfigFile, error) {
	content, err := layout.Path(root).Bytes(image.Digest)
	if err != nil {
		return nil, err
	}
	manifest, err := v1.ParseManifest(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	file, err := layout.Path(root).Blob(manifest.Config.Digest)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return v1.ParseConfigFile(file)
}

func indexRunnable(root string, index v1.Descriptor) error {
	var reasons []error
	for _, child := range childrenOf(root, index) {
		err := runnable(root, child)
		if err == nil {
			return nil
		}
		reasons = append(reasons, err)
	}
	if len(reasons) == 1 {
		return reasons[0]
	}
	return fmt.Errorf("none of its images is for this machine, %s", platform)
}

// fullName is an image's name as containerd has it, with registry and tag.
func fullName(short string) (string, error) {
	ref, err := name.ParseReference(short)
	if err != nil {
		return "", err
	}
	return strings.Replace(ref.Name(), name.DefaultRegistry+"/", "docker.io/", 1), nil
}
