// Package source fetches what an ADD names by URL: files by HTTP, and packages by
// package URL with the client of their own language, so that the index, proxy and
// credentials that a user has set for it hold.
package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/wherry-run/wherry/internal/pattern"
	"github.com/wherry-run/wherry/packager"
)

// Client fetches. It is safe for concurrent use.
type Client struct {
	// Env is the environment that the languages' clients get.
	Env []string
	// Temp is where files lie until they are read; empty is the system's.
	Temp string
}

var _ packager.Fetcher = (*Client)(nil)

// New gives the languages' clients the environment of this process.
func New() *Client { return &Client{Env: os.Environ()} }

// Error is a source that cannot be fetched: what, why, what to type.
type Error struct {
	URL    string
	Why    string
	Advice string
}

func (e *Error) Error() string {
	return strings.TrimRight(fmt.Sprintf("fetch %s: %s\n%s", e.URL, e.Why, e.Advice), "\n")
}

// ChecksumError is a file that is not the one that was asked for.
type ChecksumError struct{ URL, Want, Got string }

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("fetch %s: its checksum is %s, the recipe says %s\nif you trust what is there now, write --checksum=%s", e.URL, e.Got, e.Want, e.Got)
}

// maxFile bounds what is fetched.
const maxFile = 64 << 30

// Fetch downloads one file and checks it.
func (c *Client) Fetch(ctx context.Context, r packager.FetchRequest) (*packager.Fetched, error) {
	if r.Checksum.Algorithm() != "sha256" || r.Checksum.Validate() != nil {
		return nil, &Error{r.URL, "the checksum is not sha256", "write --checksum=sha256:<64 hex digits>"}
	}
	if r.Stderr == nil {
		r.Stderr = io.Discard
	}
	dir, err := os.MkdirTemp(c.Temp, "wherry-fetch-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for downloads: %w", err)
	}
	name, err := c.download(ctx, r, dir)
	if err == nil {
		var got *packager.Fetched
		if got, err = open(r, dir, name); err == nil {
			return got, nil
		}
	}
	_ = os.RemoveAll(dir)
	return nil, err
}

// download puts the file into dir and gives its path.
func (c *Client) download(ctx context.Context, r packager.FetchRequest, dir string) (string, error) {
	if !strings.HasPrefix(r.URL, "pkg:") {
		return c.http(ctx, r, dir)
	}
	p, err := packageurl.FromString(r.URL)
	if err != nil {
		return "", &Error{r.URL, err.Error(), "the form is pkg:pypi/NAME@VERSION?file=NAME.whl"}
	}
	if !plain.MatchString(p.Name) || !plain.MatchString(p.Version) {
		return "", &Error{r.URL, "it needs a name and an exact version", "the form is pkg:" + p.Type + "/NAME@VERSION"}
	}
	switch p.Type {
	case "pypi":
		return c.pypi(ctx, r, p, dir)
	case "npm":
		return c.npm(ctx, r, p, dir)
	case "golang":
		return c.golang(ctx, r, p, dir)
	}
	return "", &Error{r.URL, "packages of type " + p.Type + " are not fetched", "possible are pkg:pypi, pkg:npm, pkg:golang, https://"}
}

// plain keeps names and versions from being taken for options.
var plain = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9._+!~-]*$`)

// open checks the file and opens it; closing it removes dir.
func open(r packager.FetchRequest, dir, name string) (*packager.Fetched, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, maxFile+1))
	if err == nil && n > maxFile {
		err = &Error{r.URL, "the file is too large", ""}
	}
	if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); err == nil && got != string(r.Checksum) {
		err = &ChecksumError{r.URL, string(r.Checksum), got}
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &packager.Fetched{Name: filepath.Base(name), Data: &temporary{f, dir}}, nil
}

// temporary is a file whose folder goes when it is closed.
type temporary struct {
	*os.File
	dir string
}

func (t *temporary) Close() error { return errors.Join(t.File.Close(), os.RemoveAll(t.dir)) }
