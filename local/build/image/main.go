// Command image makes image archives (OCI layout in a tar), and keeps and
// serves the images of the local node.
//
//	image build NAME OUT.tar PROGRAM
//	image pull [-answer 4s] [-limit 10m] NAME OUT.tar
//	image store [-as NAME] STORE ARCHIVE.tar
//	image forget STORE NAME
//	image serve STORE ADDRESS
//
// build packs one static program into an otherwise empty image; the same
// program gives the same digest. pull fetches a published image, digest kept;
// it ends with status 3 when the registry does not answer in time, 4 when it
// answers that there is no such image for us, 5 when its image is for another
// platform. store brings an archive's images
// into a folder, forget removes one by its full name, and serve is the
// registry from which the node's containerds pull them.
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

const (
	statusUsage    = 2
	statusNoAnswer = 3
	statusRefused  = 4
	statusForeign  = 5
)

var platform = v1.Platform{OS: "linux", Architecture: runtime.GOARCH}

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	answer := flags.Duration("answer", 4*time.Second, "how long the registry may take to answer")
	limit := flags.Duration("limit", 10*time.Minute, "how long the whole pull may take")
	as := flags.String("as", "", "the full name that the archive's image is stored by")
	_ = flags.Parse(os.Args[2:])
	args := flags.Args()

	var err error
	switch {
	case os.Args[1] == "build" && len(args) == 3:
		err = build(args[0], args[1], args[2])
	case os.Args[1] == "pull" && len(args) == 2:
		err = pull(args[0], args[1], *answer, *limit)
	case os.Args[1] == "store" && len(args) == 2:
		err = storeArchive(args[0], args[1], *as)
	case os.Args[1] == "forget" && len(args) == 2:
		err = forget(args[0], args[1])
	case os.Args[1] == "serve" && len(args) == 2:
		err = serve(args[0], args[1])
	default:
		usage()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(status(err))
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: image build NAME OUT.tar PROGRAM | pull [-answer 4s] [-limit 10m] NAME OUT.tar |"+
		" store [-as NAME] STORE ARCHIVE.tar | forget STORE NAME | serve STORE ADDRESS")
	os.Exit(statusUsage)
}

// status tells a registry that says no from one that says nothing.
func status(err error) int {
	var registry *transport.Error
	var foreign *foreignImage
	var connection *noAnswer
	switch {
	case errors.As(err, &foreign):
		return statusForeign
	case errors.As(err, &registry):
		return statusRefused
	case errors.As(err, &connection):
		return statusNoAnswer
	}
	return 1
}

type noAnswer struct{ err error }

func (e *noAnswer) Error() string { return e.err.Error() }
func (e *noAnswer) Unwrap() error { return e.err }

// foreignImage is an image, or an index of some, for other platforms than this machine's.
type foreignImage struct{ platforms []string }

func (e *foreignImage) Error() string {
	return fmt.Sprintf("its image is for %s, this machine is %s", strings.Join(e.platforms, ", "), platform)
}

func forThisMachine(config *v1.ConfigFile) error {
	if config.OS != platform.OS || config.Architecture != platform.Architecture {
		return &foreignImage{[]string{config.OS + "/" + config.Architecture}}
	}
	return nil
}

// hasOurs goes by the platforms that an index names, as the choice of its image does.
func hasOurs(index []byte) error {
	manifest, err := v1.ParseIndexManifest(bytes.NewReader(index))
	if err != nil {
		return err
	}
	var others []string
	for _, child := range manifest.Manifests {
		if child.Platform == nil || child.Platform.Satisfies(platform) {
			return nil
		}
		others = append(others, child.Platform.String())
	}
	return &foreignImage{others}
}

func build(image, out, program string) error {
	built, err := fromProgram(program)
	if err != nil {
		return err
	}
	return write(built, image, out)
}

// storeArchive prints the names of what it stored, one a line.
func storeArchive(root, archive, as string) error {
	opened, err := openStore(root)
	if err != nil {
		return err
	}
	names, err := opened.add(archive, as)
	for _, stored := range names {
		fmt.Println(stored)
	}
	return err
}

func forget(root, named string) error {
	opened, err := openStore(root)
	if err != nil {
		return err
	}
	return opened.forget(named)
}

func pull(image, out string, answer, limit time.Duration) error {
	ref, err := name.ParseReference(image)
	if err != nil {
		return err
	}
	probed, err := probe(ref, answer)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	// By the digest just seen, so that a tag moved meanwhile makes no mixture.
	published, err := remote.Get(ref.Context().Digest(probed.Digest.String()), options(ctx)...)
	if err != nil {
		return &noAnswer{err}
	}
	if published.MediaType.IsIndex() {
		if err := hasOurs(published.Manifest); err != nil {
			return err
		}
	}
	forUs, err := published.Image()
	if err != nil {
		return &noAnswer{err}
	}
	config, err := forUs.ConfigFile()
	if err != nil {
		return &noAnswer{err}
	}
	// A platform is chosen from an index only: an image outside of one comes whatever it is for.
	if err := forThisMachine(config); err != nil {
		return err
	}
	return writePublished(forUs, published, image, out)
}

// probe asks the registry whether it has the image.
func probe(ref name.Reference, answer time.Duration) (*v1.Descriptor, error) {
	ctx, cancel := context.WithTimeout(context.Background(), answer)
	defer cancel()
	found, err := remote.Head(ref, options(ctx)...)
	if err != nil {
		return nil, &noAnswer{err}
	}
	return found, nil
}

// Without retries: a registry that does not answer at once is given up.
func options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithPlatform(platform),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}),
	}
}

// write lays an image out in a tar under the full name that it is to be known by.
func write(image v1.Image, named, out string) error {
	return writeLayout(out, func(path layout.Path) error {
		annotations := map[string]string{nameKey: named}
		return path.AppendImage(image, layout.WithAnnotations(annotations), layout.WithPlatform(platform))
	})
}

// writePublished does so with an image of a registry. Where that is one of
// several in an index, the name stays the index's, whose digest is the one
// that people know; the images for other platforms are left out.
func writePublished(forUs v1.Image, published *remote.Descriptor, named, out string) error {
	if !published.MediaType.IsIndex() {
		return write(forUs, named, out)
	}
	return writeLayout(out, func(path layout.Path) error {
		if err := path.WriteImage(forUs); err != nil {
			return err
		}
		if err := path.WriteBlob(published.Digest, io.NopCloser(bytes.NewReader(published.Manifest))); err != nil {
			return err
		}
		descriptor := published.Descriptor
		descriptor.Annotations = map[string]string{nameKey: named}
		return path.AppendDescriptor(descriptor)
	})
}

func writeLayout(out string, fill func(layout.Path) error) error {
	folder, err := os.MkdirTemp(filepath.Dir(out), ".image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	if err := fill(path); err != nil {
		return &noAnswer{err} // a pull reads its layers here
	}
	return pack(folder, out)
}

// pack makes the tar at once or not at all.
func pack(folder, out string) error {
	file, err := os.Create(out + ".part")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	archive := tar.NewWriter(file)
	if err := archive.AddFS(os.DirFS(folder)); err != nil {
		return err
	}
	if err := errors.Join(archive.Close(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), out)
}
