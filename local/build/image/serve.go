package main

import (
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// mirror serves a store to containerd in the place of every registry. It keeps
// nothing in memory, so that what is added to the store is there at once. It
// only reads.
type mirror struct {
	store *store
	rest  http.Handler // all but manifests: blobs, the protocol's version, errors
}

func newMirror(s *store) *mirror {
	blobs := registry.NewDiskBlobHandler(filepath.Join(s.root, "blobs"))
	return &mirror{store: s, rest: registry.New(registry.WithBlobHandler(blobs))}
}

// serve answers until it is killed.
func serve(root, address string) error {
	opened, err := openStore(root)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	log.SetOutput(os.Stderr)
	log.Printf("serving %s on %s", root, address)
	return http.Serve(listener, newMirror(opened))
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "this registry is only read: `make image` adds an image", http.StatusMethodNotAllowed)
		return
	}
	repository, reference, isManifest := manifestPath(r)
	if !isManifest {
		m.rest.ServeHTTP(w, r)
		return
	}
	descriptor, err := m.find(repository, reference)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if descriptor == nil {
		// In the form in which containerd shows it to people.
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not among the node's images"}]}`))
		return
	}
	m.manifest(w, *descriptor)
}

// manifestPath splits /v2/<name>/manifests/<reference>?ns=<registry>. The
// mirrored registry is containerd's to tell: equal names of two registries are
// two images.
func manifestPath(r *http.Request) (repository, reference string, ok bool) {
	named, isAPI := strings.CutPrefix(r.URL.Path, "/v2/")
	at := strings.LastIndex(named, "/manifests/")
	if !isAPI || at < 0 {
		return "", "", false
	}
	repository, reference = named[:at], named[at+len("/manifests/"):]
	if registry := r.URL.Query().Get("ns"); registry != "" {
		repository = registry + "/" + repository
	}
	return repository, reference, true
}

// find looks for a manifest of a repository by tag or digest; nil if there is none.
func (m *mirror) find(repository, reference string) (*v1.Descriptor, error) {
	index, err := m.store.index()
	if err != nil {
		return nil, err
	}
	for _, image := range index.Manifests {
		named := image.Annotations[nameKey]
		if named == repository+":"+reference {
			return &image, nil
		}
		if !strings.HasPrefix(named, repository+":") && !strings.HasPrefix(named, repository+"@") {
			continue
		}
		for _, candidate := range append(childrenOf(m.store.root, image), image) {
			manifest := candidate.MediaType.IsIndex() || candidate.MediaType.IsImage()
			if manifest && candidate.Digest.String() == reference {
				return &candidate, nil
			}
		}
	}
	return nil, nil
}

func (m *mirror) manifest(w http.ResponseWriter, descriptor v1.Descriptor) {
	content, err := layout.Path(m.store.root).Bytes(descriptor.Digest)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	header := w.Header()
	header.Set("Content-Type", string(descriptor.MediaType))
	header.Set("Content-Length", strconv.Itoa(len(content)))
	header.Set("Docker-Content-Digest", descriptor.Digest.String())
	_, _ = w.Write(content) // net/http leaves the body of a HEAD out
}
