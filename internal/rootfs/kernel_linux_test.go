package rootfs_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wherry-run/wherry/internal/rootfs"
)

// The errors of openat2, as this package says them. EXDEV is how the kernel
// names a path that leads out.
var kernelErrno = map[unix.Errno]error{
	0: nil, unix.ENOENT: rootfs.ENOENT, unix.ENOTDIR: rootfs.ENOTDIR, unix.ELOOP: rootfs.ELOOP,
	unix.EXDEV: rootfs.ENOTCAPABLE, unix.ENAMETOOLONG: rootfs.ENAMETOOLONG, unix.EISDIR: rootfs.EISDIR,
	unix.EEXIST: rootfs.EEXIST, unix.EINVAL: rootfs.EINVAL, unix.ENOTEMPTY: rootfs.ENOTEMPTY, unix.EBUSY: rootfs.EBUSY,
}

// TestAgainstKernel builds random trees of directories, files and links, twice:
// in a tree of ours and in a real directory. Every path has to lead to the same
// place, or to the same error, as openat2 says it does: beneath a directory
// with RESOLVE_BENEATH, and at the root with RESOLVE_IN_ROOT.
func TestAgainstKernel(t *testing.T) {
	if fd, err := unix.Openat2(unix.AT_FDCWD, ".", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC}); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no openat2 here, and CI has to have it: ", err)
		}
		t.Skip("no openat2 here: ", err)
	} else {
		unix.Close(fd)
	}
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 2))
		dir := t.TempDir()
		mounted := newTree(t, rootfs.Options{Mounts: []rootfs.Mount{{Target: "m", Host: dir}}})
		tree := newTree(t, rootfs.Options{})
		plant(t, r, tree, dir)
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Mkdir(tree.Root(), "marker", 0o755); err != nil {
			t.Fatal(err)
		}
		for range 400 {
			path, follow := wildPath(r), r.IntN(2) == 0
			in, errIn := kernel(fd, path, follow, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
			if !climbs(tree, path) {
				same(t, seed, "at the root", path, in, errIn, tree, tree.Root(), follow, dir)
			}
			out, errOut := kernel(fd, path, follow, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS)
			same(t, seed, "on the mount", path, out, errOut, mounted, at(t, mounted, "m"), follow, dir)
		}
		unix.Close(fd)
	}
}

// climbs tells whether the caller's own path leaves the root, which we refuse
// and a root directory does not.
func climbs(tree *rootfs.Tree, path string) bool {
	if strings.HasPrefix(path, "/") {
		return true
	}
	_, err := tree.Stat(tree.Root(), path, true)
	_, lerr := tree.Stat(tree.Root(), path, false)
	return strings.Contains(path, "..") && (err == rootfs.ENOTCAPABLE || lerr == rootfs.ENOTCAPABLE)
}

// plant makes the same random things in both places.
func plant(t *testing.T, r *rand.Rand, tree *rootfs.Tree, dir string) {
	t.Helper()
	for n := range 30 {
		p := randomPath(r)
		host := filepath.Join(dir, p)
		if fi, err := os.Lstat(filepath.Dir(host)); err != nil || !fi.IsDir() || throughLink(dir, p) {
			continue
		}
		var want, got error
		switch r.IntN(5) {
		case 0, 1:
			want, got = os.Mkdir(host, 0o755), tree.Mkdir(tree.Root(), p, 0o755)
		case 2:
			// The content tells which file it is.
			f, err := os.OpenFile(host, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
			if want = err; err == nil {
				fmt.Fprint(f, n)
				f.Close()
			}
			g, err := tree.Open(tree.Root(), p, rootfs.How{Write: true, Create: true, Excl: true})
			if got = err; err == nil {
				g.WriteAt(fmt.Append(nil, n), 0)
				g.Close()
			}
		default:
			target := wildPath(r)
			want, got = os.Symlink(target, host), tree.Symlink(target, tree.Root(), p)
		}
		if (want == nil) != (got == nil) {
			t.Fatalf("planting %q: kernel %v, tree %v", p, want, got)
		}
	}
}

func throughLink(dir, p string) bool {
	real, err := filepath.EvalSymlinks(filepath.Dir(filepath.Join(dir, p)))
	return err != nil || real != filepath.Dir(filepath.Join(dir, p))
}

// wildPath has dots, slashes and names, few enough to meet.
func wildPath(r *rand.Rand) string {
	var b strings.Builder
	if r.IntN(12) == 0 {
		b.WriteByte('/')
	}
	for k := range 1 + r.IntN(5) {
		if k > 0 {
			b.WriteString([]string{"/", "/", "/", "//"}[r.IntN(4)])
		}
		b.WriteString([]string{"a", "b", "c", "d", "e", "..", ".."[:1+r.IntN(2)], "a", "b"}[r.IntN(9)])
	}
	if r.IntN(5) == 0 {
		b.WriteByte('/')
	}
	return b.String()
}

// kernel resolves and returns the path it came to, inside the directory.
func kernel(fd int, path string, follow bool, resolve uint64) (string, error) {
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolve}
	if !follow {
		how.Flags |= unix.O_NOFOLLOW
	}
	got, err := unix.Openat2(fd, path, how)
	// A name with ".." is refused so while anything on the machine is renamed or
	// mounted (openat2(2), EAGAIN): the one who asks is to ask again.
	for tries := 0; err == unix.EAGAIN && tries < 10_000; tries++ {
		got, err = unix.Openat2(fd, path, how)
	}
	if err != nil {
		var e unix.Errno
		errors.As(err, &e)
		return "", e
	}
	defer unix.Close(got)
	name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", got))
	return name, err
}

func same(t *testing.T, seed int, where, path, want string, werr error, tree *rootfs.Tree, n *rootfs.Node, follow bool, dir string) {
	t.Helper()
	var e unix.Errno
	errors.As(werr, &e)
	expect, known := kernelErrno[e]
	if !known {
		t.Fatalf("seed %d: unknown kernel error %v", seed, werr)
	}
	st, err := tree.Stat(n, path, follow)
	if err != expect {
		// The kernel counts links that we have not come to yet when both a loop
		// and a way out are on the path; either refusal is right.
		if (err == rootfs.ELOOP || err == rootfs.ENOTCAPABLE) && (expect == rootfs.ELOOP || expect == rootfs.ENOTCAPABLE) {
			return
		}
		t.Fatalf("seed %d, %s: %q (follow %v): kernel %v, tree %v", seed, where, path, follow, werr, err)
	}
	if err != nil {
		return
	}
	rel, rerr := filepath.Rel(dir, want)
	if rerr != nil {
		t.Fatal(rerr)
	}
	there, err := tree.Stat(n, filepath.ToSlash(rel), false)
	if err != nil || there.Ino != st.Ino || there.Kind != st.Kind {
		t.Fatalf("seed %d, %s: %q (follow %v): kernel comes to %q, tree to another file (%v)", seed, where, path, follow, rel, err)
	}
}

// TestOperationsAgainstKernel does the same random things to a tree of ours and
// through a mount to a real directory: the errors and the outcome are the same.
func TestOperationsAgainstKernel(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 3))
		host := newTree(t, rootfs.Options{ReadOnly: true, Mounts: []rootfs.Mount{{Target: "m", Host: t.TempDir()}}})
		mem := newTree(t, rootfs.Options{ReadOnly: true, Mounts: []rootfs.Mount{{Target: "m"}}})
		for k := range 60 {
			seed2 := r.Uint64()
			a := mutateAt(rand.New(rand.NewPCG(seed2, 4)), host, at(t, host, "m"))
			b := mutateAt(rand.New(rand.NewPCG(seed2, 4)), mem, at(t, mem, "m"))
			if a != b {
				t.Fatalf("seed %d, step %d: kernel %s, tree %s", seed, k, a, b)
			}
		}
	}
}

// mutateAt does one random thing and says what came of it.
func mutateAt(r *rand.Rand, tree *rootfs.Tree, n *rootfs.Node) string {
	p, q := slashPath(r), slashPath(r)
	var what string
	var err error
	switch r.IntN(9) {
	case 0, 1:
		what, err = "mkdir "+p, tree.Mkdir(n, p, 0o700)
	case 2:
		what, err = "unlink "+p, tree.Unlink(n, p)
	case 3:
		what, err = "rmdir "+p, tree.Rmdir(n, p)
	case 4, 5:
		what, err = "rename "+p+" "+q, tree.Rename(n, p, n, q)
	case 6:
		follow := r.IntN(2) == 0
		what, err = "link "+p+" "+q, tree.Link(n, p, follow, n, q)
	case 7:
		what, err = "symlink "+q+" "+p, tree.Symlink(q, n, p)
		if err == rootfs.EPERM {
			err = nil
		}
	default:
		how := rootfs.How{Write: true, Create: r.IntN(2) == 0, Excl: r.IntN(4) == 0, Trunc: r.IntN(2) == 0, NoFollow: r.IntN(4) == 0, Mode: 0o644}
		var f *rootfs.File
		f, err = tree.Open(n, p, how)
		if err == nil {
			f.Append([]byte("x"))
			st, _ := f.Stat()
			what = fmt.Sprint(st.Size, st.Nlink)
			f.Close()
		}
		what = fmt.Sprintf("open %s %+v: %s", p, how, what)
	}
	return fmt.Sprintf("%s: %v", what, err)
}

func slashPath(r *rand.Rand) string {
	p := randomPath(r)
	if r.IntN(6) == 0 {
		p += "/"
	}
	return p
}
