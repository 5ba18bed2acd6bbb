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

	dirs    map[string]struct{}
	written string
}

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

// Written is a file that was opened for writing or made, "" when there was none.
func (o *Observed) Written() string { return o.written }

// opened notes a file.
func (o *Observed) opened(parent *directory, path string, d *descriptor, writes bool) {
	full := gopath.Join("/", parent.name, path)
	folder := gopath.Dir(full)
	if child, ok := d.object.(*directory); ok {
		child.name = full // for what is opened beneath
		folder = full
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
// the guest began with: "" when there is nothing, else what and how many.
func (h *Host) Extra() string {
	n, what := 0, ""
	for i, d := range h.fds.entries {
		if d == nil || i < h.initial {
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
