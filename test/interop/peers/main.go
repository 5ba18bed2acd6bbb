// Command peers is what other programs think of Wherry's images, for the
// interop tests: oras-go moves them, the image-spec's JSON schemas judge them.
// It is a module of its own so that none of this becomes a dependency.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/image-spec/schema"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 4 && args[0] == "pull":
		return pull(ctx, args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "schema":
		return judge(args[1], args[2])
	case len(args) == 4 && args[0] == "copy":
		return copyImage(ctx, args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "attach":
		return attach(ctx, args[1], args[2])
	case len(args) == 3 && args[0] == "referrers":
		return referrers(ctx, args[1], args[2])
	}
	return fmt.Errorf("usage: peers pull REPOSITORY TAG FOLDER | peers schema MEDIATYPE FILE | peers copy FROM TAG TO | peers attach REPOSITORY TAG | peers referrers REPOSITORY TAG")
}

// pull copies all that a tag refers to into an image layout and prints the digest.
func pull(ctx context.Context, repository, tag, folder string) error {
	src, err := remote.NewRepository(repository)
	if err != nil {
		return err
	}
	src.PlainHTTP = true
	dst, err := oci.New(folder)
	if err != nil {
		return err
	}
	d, err := oras.Copy(ctx, src, tag, dst, tag, oras.DefaultCopyOptions)
	if err != nil {
		return err
	}
	fmt.Println(d.Digest)
	return nil
}

func judge(mediaType, file string) error {
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		return err
	}
	defer f.Close()
	return schema.Validator(mediaType).Validate(f)
}
