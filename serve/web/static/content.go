package static

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"strconv"

	"github.com/klauspost/compress/gzip"
)

const (
	// maxCopied bounds files that are kept in memory as copies.
	maxCopied = 128 << 10
	// What is packed while it is served: smaller files do not become smaller, larger
	// ones should come packed.
	leastPacked, mostPacked = 1 << 10, 8 << 20
)

// load gives the content of a file of the site, open.
func (s *Site) load(name string, info fs.FileInfo) (*content, error) {
	at := "/" + s.tree.at(name)
	if !s.frozen {
		return s.loadNow(at, info)
	}
	return s.kept.get(at, func() (*content, error) { return s.open(at, info) })
}

// loadNow is load where files change: what is kept of one is of its size and time. A
// file of the image has its digest for a name.
func (s *Site) loadNow(at string, info fs.FileInfo) (*content, error) {
	key := at + "\x00" + strconv.FormatInt(info.Size(), 36) + "\x00" + strconv.FormatInt(info.ModTime().UnixNano(), 36)
	if info.Size() > maxCopied {
		c, err := s.open(at, info)
		if err == nil {
			c.gone, c.users = true, 1
		}
		return c, err
	}
	return s.kept.get(key, func() (*content, error) { return s.open(at, info) })
}

// open reads a small file, and keeps a large one open.
func (s *Site) open(at string, info fs.FileInfo) (*content, error) {
	f, err := s.files.Open(at)
	if err != nil {
		return nil, err
	}
	c := &content{size: f.Size(), file: f}
	if name, ok := f.Stored(); ok {
		c.etag = tag(name)
	} else {
		c.etag = tag(fmt.Sprint(at, f.Size(), info.ModTime().UnixNano()))
	}
	if c.size <= maxCopied {
		defer f.Close()
		c.file, c.data, c.held = nil, make([]byte, c.size), c.size
		if _, err := f.ReadAt(c.data, 0); err != nil && err != io.EOF {
			return nil, fmt.Errorf("read %s: %w", at, err)
		}
		return c, nil
	}
	if b, ok := f.Bytes(); ok {
		c.data = b
	}
	return c, nil
}

// tag is the entity tag of what a name stands for.
func tag(name string) string {
	sum := sha256.Sum256([]byte(name))
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`
}

// tagAs is the entity tag of the same in an encoding: RFC 9110, 8.8.3.3.
func tagAs(etag, encoding string) string { return etag[:len(etag)-1] + "-" + encoding + `"` }

// packed gives a content with gzip, made when it is not there; nil when that is not
// worth it.
func (s *Site) packed(c *content) *content {
	if c.data == nil || c.size < leastPacked || c.size > mostPacked {
		return nil
	}
	p, err := s.kept.get("gzip"+c.key+c.etag, func() (*content, error) {
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, 6)
		if err != nil {
			return nil, err
		}
		if _, err := z.Write(c.data); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		if int64(b.Len()) > c.size-c.size/16 { // remember that it is of no use
			return &content{etag: c.etag, held: 64}, nil
		}
		data := bytes.Clone(b.Bytes())
		return &content{etag: tagAs(c.etag, "gzip"), size: int64(len(data)), data: data, held: int64(len(data))}, nil
	})
	if err != nil {
		return nil
	}
	if p.data == nil {
		s.kept.release(p)
		return nil
	}
	return p
}
