package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// unpack lays the images of an archive out in a folder, whose blobs are then
// what their digests say, and returns their descriptors. Archives are OCI
// layouts in a tar, which `docker save` writes since Docker 25, or its older
// form.
func unpack(archive, folder string) ([]v1.Descriptor, error) {
	file, err := os.Open(archive)
	if err != nil {
		return nil, errors.Unwrap(err) // without the path, which the caller adds
	}
	defer file.Close()
	if err := os.MkdirAll(filepath.Join(folder, "blobs", "sha256"), 0o755); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	entries := tar.NewReader(file)
	for {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("it is no image archive: %w", err)
		}
		if err := unpackEntry(entry, entries, folder, files); err != nil {
			return nil, err
		}
	}
	switch {
	case files["index.json"] != nil:
		return describe(files["index.json"])
	case files["manifest.json"] != nil:
		return unpackDocker(archive, folder)
	}
	return nil, errors.New("it is no image archive: it has neither index.json nor manifest.json")
}

func unpackEntry(entry *tar.Header, content io.Reader, folder string, files map[string][]byte) error {
	if entry.Typeflag != tar.TypeReg {
		return nil
	}
	switch where, file := path.Split(path.Clean(entry.Name)); {
	case where == "" && (file == "index.json" || file == "manifest.json"):
		text, err := io.ReadAll(content)
		files[file] = text
		return err
	case where == "blobs/sha256/":
		return unpackBlob(content, folder, file)
	}
	return nil
}

func unpackBlob(content io.Reader, folder, digest string) error {
	file, err := os.Create(filepath.Join(folder, "blobs", "sha256", digest))
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(file, sum), content); err != nil {
		return fmt.Errorf("it ends too soon: %w", err)
	}
	if found := hex.EncodeToString(sum.Sum(nil)); found != digest {
		return fmt.Errorf("it is damaged: a blob is sha256:%s, not sha256:%s", found, digest)
	}
	return file.Close()
}

// describe reads the images of an index.json, each named in full if it is
// named at all.
func describe(index []byte) ([]v1.Descriptor, error) {
	manifest, err := v1.ParseIndexManifest(bytes.NewReader(index))
	if err != nil {
		return nil, fmt.Errorf("its index.json: %w", err)
	}
	if len(manifest.Manifests) == 0 {
		return nil, errors.New("it holds no image")
	}
	for i, descriptor := range manifest.Manifests {
		named := descriptor.Annotations[nameKey]
		manifest.Manifests[i].Annotations = map[string]string{nameKey: named}
		if named != "" && !strings.Contains(named, "@") {
			if full, err := fullName(named); err == nil {
				manifest.Manifests[i].Annotations[nameKey] = full
			}
		}
	}
	return manifest.Manifests, nil
}

// unpackDocker lays out an archive of the form that Docker had before OCI's.
func unpackDocker(archive, folder string) ([]v1.Descriptor, error) {
	opener := func() (io.ReadCloser, error) { return os.Open(archive) }
	manifest, err := tarball.LoadManifest(opener)
	if err != nil {
		return nil, fmt.Errorf("its manifest.json: %w", err)
	}
	out, err := layout.Write(folder, empty.Index)
	if err != nil {
		return nil, err
	}
	for _, image := range manifest {
		// An image without a tag can be found only when it is the archive's only one.
		tags := image.RepoTags
		if len(tags) == 0 && len(manifest) == 1 {
			tags = []string{""}
		}
		for _, tag := range tags {
			if err := appendDocker(out, opener, tag); err != nil {
				return nil, err
			}
		}
	}
	index, err := os.ReadFile(filepath.Join(folder, "index.json"))
	if err != nil {
		return nil, err
	}
	return describe(index)
}

func appendDocker(out layout.Path, opener tarball.Opener, tag string) error {
	var wanted *name.Tag
	annotations := map[string]string{}
	if tag != "" {
		parsed, err := name.NewTag(tag)
		if err != nil {
			return err
		}
		wanted = &parsed
		annotations[nameKey] = tag
	}
	image, err := tarball.Image(opener, wanted)
	if err != nil {
		return err
	}
	return out.AppendImage(image, layout.WithAnnotations(annotations))
}
