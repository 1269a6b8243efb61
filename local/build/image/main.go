// Command image makes image archives (OCI layout in a tar) for containerd.
//
//	image build NAME OUT.tar PROGRAM
//	image pull [-answer 4s] [-limit 10m] NAME OUT.tar
//
// build packs one static program into an otherwise empty image; the same
// program gives the same digest. pull fetches a published image, digest kept;
// it ends with status 3 when the registry does not answer in time, 4 when it
// answers that there is no such image for us.
package main

import (
	"archive/tar"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
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
)

var platform = v1.Platform{OS: "linux", Architecture: runtime.GOARCH}

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	answer := flags.Duration("answer", 4*time.Second, "how long the registry may take to answer")
	limit := flags.Duration("limit", 10*time.Minute, "how long the whole pull may take")
	_ = flags.Parse(os.Args[2:])
	args := flags.Args()

	var err error
	switch {
	case os.Args[1] == "build" && len(args) == 3:
		err = build(args[0], args[1], args[2])
	case os.Args[1] == "pull" && len(args) == 2:
		err = pull(args[0], args[1], *answer, *limit)
	default:
		usage()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(status(err))
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: image build NAME OUT.tar PROGRAM | image pull [-answer 4s] [-limit 10m] NAME OUT.tar")
	os.Exit(statusUsage)
}

// status tells a registry that says no from one that says nothing.
func status(err error) int {
	var registry *transport.Error
	var connection *noAnswer
	switch {
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

func build(image, out, program string) error {
	built, err := fromProgram(program)
	if err != nil {
		return err
	}
	return write(built, image, out)
}

func pull(image, out string, answer, limit time.Duration) error {
	ref, err := name.ParseReference(image)
	if err != nil {
		return err
	}
	found, err := probe(ref, answer)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	// By the digest just seen, so that a tag moved meanwhile makes no mixture.
	published, err := remote.Image(ref.Context().Digest(found.Digest.String()), options(ctx)...)
	if err != nil {
		return &noAnswer{err}
	}
	return write(published, image, out)
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

// write lays an image out in a tar under the full name that containerd is to
// know it by.
func write(image v1.Image, named, out string) error {
	folder, err := os.MkdirTemp(filepath.Dir(out), ".image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	annotations := map[string]string{"io.containerd.image.name": named}
	err = path.AppendImage(image, layout.WithAnnotations(annotations), layout.WithPlatform(platform))
	if err != nil {
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
