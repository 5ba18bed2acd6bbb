package layer

import "strings"

// Validate checks what every reader of an index relies on: the order, clean
// paths, sane sizes and digests, no entry below something that is no directory,
// hard links to files.
func (x *Index) Validate() error {
	lim := DefaultLimits()
	// leaf is the last entry that can have nothing below it. In sort order
	// "a-b" stands between "a" and "a/b", so what was seen is kept in a stack.
	var leaves []string
	for i := range x.Entries {
		e := &x.Entries[i]
		if i > 0 {
			prev := &x.Entries[i-1]
			if !Less(prev, e) || prev.Path == e.Path && prev.Kind > Opaque {
				return refuse(e.Path, ErrUnordered, "")
			}
		}
		if err := e.validate(lim); err != nil {
			return err
		}
		for len(leaves) > 0 && !strings.HasPrefix(e.Path, leaves[len(leaves)-1]) {
			leaves = leaves[:len(leaves)-1]
		}
		for _, leaf := range leaves {
			if strings.HasPrefix(e.Path, leaf) && len(e.Path) > len(leaf) && e.Path[len(leaf)] == '/' {
				return refuse(e.Path, ErrParent, "%q is no directory", leaf)
			}
		}
		if e.Kind == File || e.Kind == Symlink {
			leaves = append(leaves, e.Path)
		}
	}
	return x.validateLinks()
}

// validate checks one entry by itself.
func (e *Entry) validate(lim Limits) error {
	if err := checkPath(e.Path, lim); err != nil {
		return err
	}
	if e.Mode > 0o1777 || uint64(e.UID) >= 1<<32 || uint64(e.GID) >= 1<<32 {
		return refuse(e.Path, ErrFormat, "mode %o, owner %d:%d", e.Mode, e.UID, e.GID)
	}
	if m, _, err := readMark(e.Path); err != nil || m != plain {
		return refuse(e.Path, ErrName, "it is the name of a whiteout")
	}
	switch e.Kind {
	case Whiteout, File, Symlink:
		if e.Path == "" {
			return refuse("", ErrName, "the root is a directory")
		}
	case Opaque, Dir:
	default:
		return refuse(e.Path, ErrType, "%v", e.Kind)
	}
	if e.Kind == Symlink && (e.Target == "" || len(e.Target) >= lim.PathLen || strings.IndexByte(e.Target, 0) >= 0) {
		return refuse(e.Path, ErrName, "link target %q", clip(e.Target))
	}
	if e.Kind != File && e.Link != "" {
		return refuse(e.Path, ErrLink, "a %s with a hard link", e.Kind)
	}
	return e.validateContent()
}

func (e *Entry) validateContent() error {
	c := e.Content
	switch {
	case e.Kind != File || e.Link != "":
		if c != (Ref{}) {
			return refuse(e.Path, ErrFormat, "content of its own")
		}
	case e.Size < 0 || c.Size != e.Size || c.Offset < 0 || c.Offset+c.Size < c.Offset:
		return refuse(e.Path, ErrFormat, "size %d, content of %d bytes at %d", e.Size, c.Size, c.Offset)
	case e.Size > 0 && !validDigest(c.Digest):
		return refuse(e.Path, ErrFormat, "digest %q", clip(c.Digest))
	}
	return nil
}

const digestPrefix = "sha256:"

func validDigest(s string) bool {
	if len(s) != len(digestPrefix)+64 || s[:len(digestPrefix)] != digestPrefix {
		return false
	}
	for _, c := range []byte(s[len(digestPrefix):]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// validateLinks checks that hard links within the layer point to a file, not to
// another link.
func (x *Index) validateLinks() error {
	for i := range x.Entries {
		e := &x.Entries[i]
		if e.Link == "" {
			continue
		}
		if err := checkPath(e.Link, DefaultLimits()); err != nil || e.Link == e.Path || e.Link == "" {
			return refuse(e.Path, ErrLink, "%q", clip(e.Link))
		}
		t := x.Lookup(e.Link)
		if t != nil && (t.Kind != File || t.Link != "") {
			return refuse(e.Path, ErrLink, "%q is no file", clip(e.Link))
		}
		if t != nil {
			continue
		}
		// A link to a layer below; nothing of this layer may stand in the way.
		for dir, _ := split(e.Link); dir != ""; dir, _ = split(dir) {
			if t := x.Lookup(dir); t != nil && t.Kind != Dir {
				return refuse(e.Path, ErrLink, "%q is a %s", clip(dir), t.Kind)
			}
		}
	}
	return nil
}
