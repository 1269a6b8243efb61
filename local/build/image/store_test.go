package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func imageFor(os, architecture string) v1.Image {
	image := must(random.Image(256, 2))
	config := must(image.ConfigFile()).DeepCopy()
	config.OS, config.Architecture = os, architecture
	return must(mutate.ConfigFile(image, config))
}

func ours() v1.Image { return imageFor(platform.OS, platform.Architecture) }

func newStore(t *testing.T) *store {
	t.Helper()
	return must(openStore(filepath.Join(t.TempDir(), "store")))
}

// archived is the image in an archive as this program writes them.
func archived(t *testing.T, image v1.Image, named string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := write(image, named, file); err != nil {
		t.Fatal(err)
	}
	return file
}

func blobCount(s *store) int { return len(must(os.ReadDir(filepath.Join(s.root, "blobs", "sha256")))) }

// pulled is the digest that containerd would see for a reference.
func pulled(t *testing.T, s *store, registry, repository, reference string) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	url := fmt.Sprintf("/v2/%s/manifests/%s?ns=%s", repository, reference, registry)
	newMirror(s).ServeHTTP(recorder, httptest.NewRequest("HEAD", url, nil))
	if recorder.Code != 200 {
		return fmt.Sprint(recorder.Code)
	}
	return recorder.Header().Get("Docker-Content-Digest")
}

func TestAnImageIsServedByTagAndDigest(t *testing.T) {
	s, image := newStore(t), ours()
	names := must(s.add(archived(t, image, "example.org/a/b:1"), ""))
	if fmt.Sprint(names) != "[example.org/a/b:1]" {
		t.Error(names)
	}
	digest := must(image.Digest()).String()
	for _, reference := range []string{"1", digest} {
		if found := pulled(t, s, "example.org", "a/b", reference); found != digest {
			t.Errorf("%s: %s", reference, found)
		}
	}
	for _, other := range [][2]string{{"docker.io", "a/b"}, {"example.org", "a"}, {"example.org", "a/b/c"}} {
		if found := pulled(t, s, other[0], other[1], "1"); found != "404" {
			t.Errorf("%v: %s", other, found)
		}
	}
}

func TestEqualNamesOfTwoRegistriesAreTwoImages(t *testing.T) {
	s := newStore(t)
	digests := map[string]string{}
	for _, registry := range []string{"docker.io", "127.0.0.1:5000"} {
		image := ours()
		must(s.add(archived(t, image, registry+"/a/b:1"), ""))
		digests[registry] = must(image.Digest()).String()
	}
	for registry, digest := range digests {
		if found := pulled(t, s, registry, "a/b", "1"); found != digest {
			t.Errorf("%s: %s", registry, found)
		}
	}
}

func TestAWholeImageCanBePulled(t *testing.T) {
	s, image := newStore(t), ours()
	must(s.add(archived(t, image, "docker.io/a/b:1"), ""))
	server := httptest.NewServer(newMirror(s))
	defer server.Close()
	ref := must(name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/docker.io/a/b:1"))
	layers := must(must(remote.Image(ref)).Layers())
	if len(layers) != 2 {
		t.Fatal(layers)
	}
	for _, layer := range layers {
		content := must(layer.Compressed())
		must(io.Copy(io.Discard, content)) // checks the digest
	}
	if err := remote.Write(ref, ours()); err == nil {
		t.Error("a registry that is only read took an image")
	}
}

func TestATagMovesAndWhatNothingRefersToIsRemoved(t *testing.T) {
	s, first, second := newStore(t), ours(), ours()
	must(s.add(archived(t, first, "docker.io/a/b:1"), ""))
	count := blobCount(s)
	must(s.add(archived(t, second, "docker.io/a/b:1"), ""))
	if found := pulled(t, s, "docker.io", "a/b", "1"); found != must(second.Digest()).String() {
		t.Error(found)
	}
	if found := pulled(t, s, "docker.io", "a/b", must(first.Digest()).String()); found != "404" {
		t.Error(found)
	}
	if found := blobCount(s); found != count {
		t.Errorf("%d blobs, not %d", found, count)
	}
	if err := s.forget("docker.io/a/b:1"); err != nil || blobCount(s) != 0 {
		t.Errorf("%v, %d blobs", err, blobCount(s))
	}
}

func TestAnArchiveAsDockerSavesIt(t *testing.T) {
	s, image := newStore(t), ours()
	file := filepath.Join(t.TempDir(), "saved.tar")
	saved := map[name.Tag]v1.Image{must(name.NewTag("web:1.4")): image, must(name.NewTag("a/other:2")): ours()}
	if err := tarball.MultiWriteToFile(file, saved); err != nil {
		t.Fatal(err)
	}
	names := must(s.add(file, ""))
	if joined := strings.Join(names, " "); !strings.Contains(joined, "docker.io/library/web:1.4") ||
		!strings.Contains(joined, "docker.io/a/other:2") {
		t.Error(names)
	}
	must(s.add(file, "docker.io/a/other:2"))
	if _, err := s.add(file, "docker.io/a/third:3"); err == nil || !strings.Contains(err.Error(), "none of its 2 images is named docker.io/a/third:3: it has ") {
		t.Error(err)
	}
	config := must(image.ConfigName()).String()
	if found := pulled(t, s, "docker.io", "library/web", "1.4"); found == "404" || found == config {
		t.Error(found)
	}
}

func TestTheOnlyImageOfAnArchiveTakesTheNameAskedFor(t *testing.T) {
	s := newStore(t)
	names := must(s.add(archived(t, ours(), "docker.io/a/b:1"), "example.org/mine:2"))
	if fmt.Sprint(names) != "[example.org/mine:2]" {
		t.Error(names)
	}
}

func TestANameWithADigestIsGivenToTheImageOfThatDigestAlone(t *testing.T) {
	s, image, other := newStore(t), ours(), ours()
	digest := must(image.Digest()).String()
	named := "example.org/mine@" + digest
	names := must(s.add(archived(t, image, "docker.io/a/b:1"), named))
	if fmt.Sprint(names) != "["+named+"]" || pulled(t, s, "example.org", "mine", digest) != digest {
		t.Error(names)
	}
	wrong := "example.org/mine@" + must(other.Digest()).String()
	_, err := s.add(archived(t, image, "docker.io/a/b:1"), wrong)
	if err == nil || !strings.Contains(err.Error(), "none of its images has the digest of the name "+wrong+": it has "+digest) {
		t.Error(err)
	}
	if len(must(s.index()).Manifests) != 1 {
		t.Error("what was refused was stored")
	}
}

func TestADigestInAnIndexNamesItsImage(t *testing.T) {
	image := ours()
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &platform}})
	file := filepath.Join(t.TempDir(), "index.tar")
	err := writeLayout(file, func(path layout.Path) error { return path.AppendIndex(index) })
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	for _, digest := range []string{must(index.Digest()).String(), must(image.Digest()).String()} {
		must(s.add(file, "example.org/mine@"+digest))
		if found := pulled(t, s, "example.org", "mine", digest); found != digest {
			t.Error(found)
		}
	}
}

func TestADamagedIndexHoldsNothingAndIsMendedByTheNextImage(t *testing.T) {
	s, image := newStore(t), ours()
	must(s.add(archived(t, image, "docker.io/a/b:1"), ""))
	path := filepath.Join(s.root, "index.json")
	for _, content := range []string{"", `{"schemaVersion": 2, "manif`} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if found := pulled(t, s, "docker.io", "a/b", "1"); found != "404" {
			t.Error(found)
		}
		must(s.add(archived(t, image, "docker.io/a/b:2"), ""))
		if found := pulled(t, s, "docker.io", "a/b", "2"); found != must(image.Digest()).String() {
			t.Error(found)
		}
	}
}

func TestAPublishedIndexKeepsItsDigest(t *testing.T) {
	published := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer published.Close()
	image := ours()
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: imageFor("plan9", "mips"), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "plan9", Architecture: "mips"}}},
		mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &platform}})
	named := strings.TrimPrefix(published.URL, "http://") + "/a/b:1"
	if err := remote.WriteIndex(must(name.ParseReference(named)), index); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pulled.tar")
	if err := pull(named, file, 1e10, 1e11); err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	must(s.add(file, named))
	host, _, _ := strings.Cut(named, "/")
	digest := must(index.Digest()).String()
	for _, reference := range []string{"1", digest} {
		if found := pulled(t, s, host, "a/b", reference); found != digest {
			t.Errorf("%s: %s", reference, found)
		}
	}
	own := must(image.Digest()).String()
	if found := pulled(t, s, host, "a/b", own); found != own {
		t.Error(found)
	}
}

func TestAPublishedImageForAnotherPlatformCannotBeHad(t *testing.T) {
	published := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer published.Close()
	named := strings.TrimPrefix(published.URL, "http://") + "/a/b:1"
	if err := remote.Write(must(name.ParseReference(named)), imageFor("linux", "mips")); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	err := pull(named, filepath.Join(folder, "pulled.tar"), 1e10, 1e11)
	if err == nil || !strings.HasPrefix(err.Error(), "its image is for linux/mips, this machine is linux/") {
		t.Fatal(err)
	}
	if found := status(err); found != statusForeign {
		t.Errorf("status %d", found)
	}
	if left := must(os.ReadDir(folder)); len(left) != 0 {
		t.Error(left)
	}
}

func TestAPublishedIndexForOtherPlatformsCannotBeHad(t *testing.T) {
	published := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer published.Close()
	named := strings.TrimPrefix(published.URL, "http://") + "/a/b:1"
	index := v1.ImageIndex(empty.Index)
	for _, architecture := range []string{"mips", "s390x"} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        imageFor("linux", architecture),
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	if err := remote.WriteIndex(must(name.ParseReference(named)), index); err != nil {
		t.Fatal(err)
	}
	err := pull(named, filepath.Join(t.TempDir(), "pulled.tar"), 1e10, 1e11)
	if err == nil || !strings.HasPrefix(err.Error(), "its image is for linux/mips, linux/s390x, this machine is linux/") {
		t.Fatal(err)
	}
	if found := status(err); found != statusForeign {
		t.Errorf("status %d", found)
	}
}

func TestWhatIsNoImageForUsIsOneLineAndLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "text")
	os.WriteFile(text, []byte(strings.Repeat("text", 1000)), 0o600)
	damaged := archived(t, ours(), "docker.io/a/b:1")
	content := must(os.ReadFile(damaged))
	if err := os.WriteFile(damaged, bytes.Replace(content, []byte("rootfs"), []byte("rootFS"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	// It ends within a blob: between two files it would only lack some.
	short := filepath.Join(folder, "short.tar")
	if err := os.WriteFile(short, content[:bytes.Index(content, []byte("rootfs"))], 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(folder, "other.tar")
	file := must(os.Create(other))
	writer := tar.NewWriter(file)
	writer.WriteHeader(&tar.Header{Name: "etc/passwd", Mode: 0o600})
	writer.Close()
	file.Close()
	for archive, said := range map[string]string{
		text:    "it is no image archive",
		damaged: "it is damaged: a blob is sha256:",
		short:   "unexpected EOF",
		other:   "it has neither index.json nor manifest.json",
		archived(t, imageFor("linux", "mips"), "docker.io/a/b:1"): "its image is for linux/mips, this machine is linux/",
		filepath.Join(folder, "missing"):                          "no such file or directory",
	} {
		s := newStore(t)
		_, err := s.add(archive, "docker.io/a/b:1")
		if err == nil || !strings.Contains(err.Error(), said) || !strings.HasPrefix(err.Error(), archive+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", archive, err)
		}
		if blobCount(s) != 0 {
			t.Errorf("%s left %d blobs", archive, blobCount(s))
		}
		if left, _ := filepath.Glob(filepath.Join(s.root, ".incoming*")); len(left) != 0 {
			t.Error(left)
		}
	}
}
