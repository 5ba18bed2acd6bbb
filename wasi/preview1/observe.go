package preview1

import (
	gopath "path"
	"sort"
	"strings"
)

// Observed is what a guest has looked at of what it was given, for whoever wants
// to know on what its state depends. The zero value is ready.
type Observed struct {
	// Args and Env are set when the guest has read its arguments and its
	// environment.
	Args, Env bool
	// Random is set when it has drawn randomness, and Device when it has opened
	// one of the devices that give any.
	Random, Device bool

	dirs    map[string]struct{}
	sought  map[string]struct{}
	written string
}

// maxObserved bounds the names that are remembered.
const maxObserved = 1 << 16

// Dirs lists the folders that were opened, and those of the files that were, as the guest names them,
// in order.
func (o *Observed) Dirs() []string {
	list := make([]string, 0, len(o.dirs))
	for d := range o.dirs {
		list = append(list, d)
	}
	sort.Strings(list)
	return list
}

// Sought lists, in order, what was looked for beyond the folders of Dirs: files
// that were not there, and files of which it was asked what they are.
func (o *Observed) Sought() []string {
	list := make([]string, 0, len(o.sought))
	for p := range o.sought {
		if _, known := o.dirs[gopath.Dir(p)]; !known {
			list = append(list, p)
		}
	}
	sort.Strings(list)
	return list
}

// Full tells whether more was looked at than is remembered.
func (o *Observed) Full() bool { return len(o.dirs)+len(o.sought) >= maxObserved }

// Written is a file or folder that was opened for writing, made, changed or
// removed, "" when there was none.
func (o *Observed) Written() string { return o.written }

// seen notes what was looked for. A folder that is there is nothing to note:
// those who look into it open it.
func (o *Observed) seen(dir *directory, path string) {
	if o == nil || o.Full() {
		return
	}
	if o.sought == nil {
		o.sought = map[string]struct{}{}
	}
	o.sought[gopath.Join("/", dir.name, path)] = struct{}{}
}

// changes notes what is made, changed or removed.
func (o *Observed) changes(dir *directory, path string) {
	if o.written == "" {
		o.written = gopath.Join("/", dir.name, path)
	}
}

// opened notes a file.
func (o *Observed) opened(parent *directory, path string, d *descriptor, writes bool) {
	full := gopath.Join("/", parent.name, path)
	folder := gopath.Dir(full)
	if f, ok := d.object.(*regular); ok && f.kind == typeCharacterDevice {
		switch full {
		case "/dev/null", "/dev/zero", "/dev/full":
		default:
			o.Device = true
		}
	}
	if child, ok := d.object.(*directory); ok {
		child.name = full // for what is opened beneath
		folder = full
	}
	if o.Full() {
		return
	}
	if o.dirs == nil {
		o.dirs = map[string]struct{}{}
	}
	o.dirs[folder] = struct{}{}
	if writes && o.written == "" && !strings.HasPrefix(full, "/dev/") {
		o.written = full
	}
}

// Extra says what is open beside the standard streams and the descriptors that
// the guest began with: "" when there is nothing, else what and how many. One
// that stands in the place of those counts, too.
func (h *Host) Extra() string {
	n, what := 0, ""
	for i, d := range h.fds.entries {
		if d == nil || i < len(h.began) && d == h.began[i] {
			continue
		}
		n++
		what = describe(d.object)
	}
	switch n {
	case 0:
		return ""
	case 1:
		return what
	}
	return what + " and others"
}

func describe(o object) string {
	switch o := o.(type) {
	case *regular:
		return "a file"
	case *directory:
		if o.name != "" {
			return "the folder " + o.name
		}
		return "a folder"
	}
	return "a stream or connection"
}
