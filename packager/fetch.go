package packager

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager/recipe"
)

// addOnce does an ADD of one URL, or remembers what it gave: the checksum says
// that it gives the same.
func (b *builder) addOnce(ctx context.Context, s *state, step recipe.Step, c *copier, url string, a *instructions.AddCommand) (bool, error) {
	k := newKey("add")
	k.add(s.digest(), s.dir(), url, a.DestPath, a.Checksum, a.Chmod, a.Chown, strconv.FormatInt(b.Epoch.Unix(), 10))
	k.list(a.ExcludePatterns)
	if c.unpack != nil {
		k.add("unpack", c.unpack.Prefix)
	}
	key := k.sum()
	parts, err := b.recall(ctx, key)
	if err != nil {
		return false, err
	}
	cached := parts != nil
	if !cached {
		if err := b.fetch(ctx, s, c, url, a); err != nil {
			return false, err
		}
		p, err := b.newPart(ctx, c.entries())
		if err != nil {
			return false, err
		}
		parts = []part{p}
		if err := b.remember(ctx, key, stepRecord{Indexes: []string{p.digest}}); err != nil {
			return false, err
		}
	}
	s.pushAll(parts, step.Code, b.Epoch)
	return cached, nil
}

// fetch gets the file of a URL into a plan.
func (b *builder) fetch(ctx context.Context, s *state, c *copier, url string, a *instructions.AddCommand) error {
	checksum, err := oci.ParseDigest(a.Checksum)
	if err != nil {
		return fmt.Errorf("--checksum=%s: %w", a.Checksum, err)
	}
	if b.Fetcher == nil {
		return errors.New("this build may not fetch")
	}
	dest, isDir, err := c.destination(s, a.DestPath)
	if err != nil {
		return err
	}
	got, err := b.Fetcher.Fetch(ctx, FetchRequest{URL: url, Checksum: checksum, Stderr: b.Stderr})
	if err != nil {
		return err
	}
	defer got.Data.Close()
	if c.unpack != nil {
		return c.unpackInto(ctx, got.Name, got.Data, *c.unpack, dest)
	}
	n, err := b.storeFile(ctx, got.Data)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", url, err)
	}
	name := got.Name
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	if isDir && (name == "" || name == "." || name == "..") {
		return fmt.Errorf("%s: names no file; write the file's name as destination", url)
	}
	return c.put(fileDest(dest, name, isDir), n)
}
