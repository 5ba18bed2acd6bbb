package runtime

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// maxLooked bounds the places that a snapshot remembers.
const maxLooked = 4096

// looked lists where the program looked while it loaded: the folders that it
// opened, or files in them, and files that it asked about, which are often those
// that are not there. Each is listed by all names that lead to it.
func (r *recorder) looked() []string {
	var list []string
	for _, p := range slices.Concat(r.observed.Dirs(), r.observed.Sought(), r.files) {
		list = append(list, places(r.session.container.tree, p)...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// places are the names that have to do with where a path leads: the path, the
// symbolic links on its way, and at last its end without any.
func places(t *rootfs.Tree, full string) []string {
	list := []string{full}
	at, rest, links := "/", strings.Split(full, "/"), 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		next := path.Join(at, name) // "", "." and "..", too
		target, err := t.Readlink(t.Root(), relative(next))
		if name == "" || name == "." || name == ".." || err != nil {
			at = next
			continue
		}
		if links++; links > rootfs.MaxLinks {
			break
		}
		list = append(list, next)
		if path.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return append(list, at)
}

// covered tells whether a mount changes something in a place that a program
// looked at, by any name of it.
func (c *Container) covered(m Mount, looked []string) bool {
	for _, target := range places(c.tree, path.Clean(m.Target)) {
		for _, p := range looked {
			if path.Dir(target) == p || strings.HasPrefix(p+"/", strings.TrimSuffix(target, "/")+"/") {
				return true
			}
		}
	}
	return false
}

// drawn says why there can be no snapshot of a program for the randomness that
// it drew while it loaded, which all runs would share. What draws again after a
// restore may have drawn: a program of ProtocolTurn says whether it does, and of
// others it is seen in the first run that is rehearsed.
func (r *recorder) drawn(protocol string) string {
	switch o := r.observed; {
	case r.renews || !o.Random && !o.Device:
	case protocol == oci.ProtocolTurn && o.Device:
		return r.x.path + " reads a device of random numbers while it loads (SQLite does when it draws any), and all runs would share them: " +
			"do it later, or once more in on_restore()"
	case protocol == oci.ProtocolWizer, protocol == oci.ProtocolDriver:
		r.draws = true
	}
	return ""
}

// redrawn refuses the snapshot of a program that drew randomness while it loaded
// and none in its first run after that.
func (r *recorder) redrawn(run *preview1.Observed) bool {
	if !r.draws || run.Random || run.Device {
		return true
	}
	r.out.Snapshot, r.out.Memory = nil, nil
	r.out.Refused = r.x.path + " draws randomness while it loads, and all runs would share it: do it later, or once more in wizer.resume"
	return false
}

// printed says why there can be no snapshot of a program for what it printed
// while it loaded: it prints that again after a restore, or nobody would.
func (r *recorder) printed() string {
	if n := r.shown.Load(); n > r.repeats {
		return fmt.Sprintf("%s prints %d bytes while it loads that no run from a snapshot would print again", r.x.path, n-r.repeats)
	}
	return ""
}
