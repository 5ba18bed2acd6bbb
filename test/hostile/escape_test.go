package hostile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	wherry "github.com/wherry-run/wherry/runtime"
)

// The rest of the errnos, for rows about files.
const (
	eisdir = 31
	eloop  = 32
	emlink = 34
	erofs  = 69
	exdev  = 75
)

const secret = "the host's secret"

// reach is what a guest does: one operation of testdata/reach.c. The folder
// mount of the host is at /m, and holds
//
//	f, d/f             files
//	abs, up, slash     links to the secret outside, or to its folder
//	out, root, proc    links to folders of the host
//	loop, deep         links without an end
type reach struct {
	op, a, b string
	ro, rw   []uint32 // the errnos that are right on each kind of mount; 0 is success
}

var (
	ok   = []uint32{0}
	none = []uint32{enoent}
	// A link or path that would lead out is no path at all, or not the guest's.
	barred = []uint32{enoent, enotcapable, eperm, enotdir, eloop, einval}
	still  = []uint32{erofs, enotcapable, enoent, eperm, enotdir, eloop}
)

var reaches = []reach{
	// Reading through links of the host.
	{"read", "/m/f", "", ok, ok},
	{"read", "/m/abs", "", none, none},
	{"read", "/m/up", "", barred, barred},
	{"read", "/m/out/secret", "", none, none},
	{"read", "/m/slash/secret", "", none, none},
	{"read", "/m/slash/", "", barred, barred},
	{"read", "/m/abs/", "", barred, barred},
	{"read", "/m/root/HOST/secret", "", none, none},
	{"read", "/m/proc/HOST/secret", "", none, none},
	{"read", "/m/loop", "", []uint32{eloop}, []uint32{eloop}},
	{"read", "/m/deep0", "", []uint32{eloop}, []uint32{eloop}},
	{"read", "/m/pipe", "", ok, ok}, // the program's own standard input
	{"read-nofollow", "/m/abs", "", []uint32{eloop}, []uint32{eloop}},
	{"read-nofollow", "/m/abs/", "", barred, barred},
	{"read-dir", "/m/abs", "", barred, barred},
	{"read-dir", "/m/out/", "", barred, barred},
	{"stat", "/m/abs", "", none, none},
	{"stat", "/m/out/", "", none, none},
	{"lstat", "/m/out/secret", "", none, none},
	{"lstat", "/m/abs", "", ok, ok},
	{"list", "/m/out", "", none, none},
	{"list", "/m/up/..", "", barred, barred},
	{"list", "/m/root", "", ok, ok}, // the guest's own root
	// Reading by names.
	{"read", "/m/../../../../HOST/secret", "", barred, barred},
	{"read", "/../HOST/secret", "", barred, barred},
	{"read", "HOST/secret", "", none, none},
	{"read", "/m/d/../../HOST/secret", "", barred, barred},
	{"read", "/m/out/../secret", "", barred, barred},
	{"read", "//m//d//..//f", "", ok, ok},
	{"read", "/m/f/", "", []uint32{enotdir}, []uint32{enotdir}},
	{"read", "/m/f/..", "", []uint32{enotdir}, []uint32{enotdir}},
	{"read", "/m/f/../../HOST/secret", "", barred, barred},
	{"read", "/proc/self/environ", "", none, none},
	{"read", "/dev/fd/0", "", barred, barred},
	{"read", "/m/" + strings.Repeat("../", 300) + "HOST/secret", "", barred, barred},
	{"read", "/m/\\..\\..\\HOST\\secret", "", none, none},
	{"dir-up", "/m/d", "../../secret", barred, barred},
	{"dir-up", "/m/d", "/HOST/secret", barred, barred},
	{"dir-up", "/m/d", "../abs", barred, barred},
	// Writing through links of the host.
	{"write", "/m/abs", "", still, barred},
	{"update", "/m/up", "", still, barred},
	{"append", "/m/out/secret", "", still, barred},
	{"trunc", "/m/abs", "", still, barred},
	{"trunc", "/m/up", "", still, barred},
	{"trunc-read", "/m/up", "", still, barred},
	{"create", "/m/out/new", "", still, barred},
	{"create", "/m/dangling", "", still, barred},
	{"create-new", "/m/dangling", "", append([]uint32{eexist}, still...), []uint32{eexist}},
	{"mkdir", "/m/out/new", "", still, barred},
	{"mkdir", "/m/dangling/", "", append([]uint32{eexist}, still...), append([]uint32{eexist}, barred...)},
	{"rmdir", "/m/out/", "", still, barred},
	{"rmdir", "/m/out/d", "", still, barred},
	{"unlink", "/m/out/secret", "", still, barred},
	{"unlink", "/m/slash/secret", "", still, barred},
	{"unlink", "/m/up/", "", still, barred},
	{"utimes", "/m/abs", "", still, barred},
	{"rename", "/m/out/secret", "/m/stolen", still, barred},
	{"rename", "/m/f", "/m/out/f", still, barred},
	{"link", "/m/out/secret", "/m/stolen", still, barred},
	{"link-follow", "/m/abs", "/m/stolen", still, barred},
	{"link", "/m/f", "/m/out/f", still, barred},
	{"symlink", "x", "/m/out/x", still, barred},
	{"readlink", "/m/out/secret", "", none, none},
	// Links that the guest makes.
	{"symlink-read", "/HOST/secret", "/m/new", still, barred},
	{"symlink-read", "../outside/secret", "/m/new", still, barred},
	{"symlink-read", "../../../../../../HOST/secret", "/m/d/new", still, barred},
	{"symlink-read", "/HOST/", "/m/new/", still, barred},
	{"symlink-write", "../outside/secret", "/m/new", still, barred},
	{"symlink-write", "../outside/created", "/m/new", still, barred},
	{"symlink-write", "/HOST/created", "/m/new", still, barred},
	{"link-read", "/m/abs", "/m/new", still, barred},
	{"rename-read", "/m/up", "/m/d/up", still, barred},
	{"swap-read", "/m/d", "/m/e", still, barred},
	// From one mount to another.
	{"rename", "/m/f", "/f", []uint32{exdev, erofs}, []uint32{exdev}},
	{"rename", "/m/d", "/d", []uint32{exdev, erofs}, []uint32{exdev}},
	{"link", "/m/f", "/f", []uint32{exdev, erofs}, []uint32{exdev}},
	{"link-read", "/m/f", "/tmp/f", []uint32{exdev, erofs}, []uint32{exdev}},
	{"rename", "/m", "/n", []uint32{exdev, erofs, 10}, []uint32{exdev, 10}},
	{"rmdir", "/m", "", []uint32{10, erofs, 55}, []uint32{10, 55}},
	{"unlink", "/m", "", []uint32{10, erofs, eisdir, eperm}, []uint32{10, eisdir, eperm}},
	// Writing where reading alone is allowed.
	{"write", "/m/f", "", still, ok},
	{"update", "/m/f", "", still, ok},
	{"append", "/m/f", "", still, ok},
	{"trunc", "/m/f", "", still, ok},
	{"trunc-read", "/m/f", "", still, []uint32{0, einval, enotcapable}},
	{"truncate", "/m/f", "", []uint32{einval, erofs, ebadf, enotcapable}, []uint32{einval, ebadf, enotcapable, 0}},
	{"allocate", "/m/f", "", []uint32{einval, erofs, ebadf, enotcapable}, []uint32{einval, ebadf, enotcapable, 0}},
	{"futimens", "/m/f", "", append([]uint32{ebadf}, still...), ok},
	{"create", "/m/new", "", still, ok},
	{"create-new", "/m/new", "", still, ok},
	{"create-read", "/m/new", "", still, ok},
	{"mkdir", "/m/new", "", still, ok},
	{"rmdir", "/m/empty", "", still, ok},
	{"unlink", "/m/f", "", still, ok},
	{"rename", "/m/f", "/m/g", still, ok},
	{"link", "/m/f", "/m/g", still, ok},
	{"symlink", "f", "/m/g", still, ok},
	{"utimes", "/m/f", "", still, ok},
	{"rename", "/etc", "/m/etc", []uint32{exdev, erofs, enoent}, []uint32{exdev, enoent}},
}

// TestReach runs every reach on a mount that may be written and on one that may
// not. Nothing outside of the mount changes or shows, and nothing at all in a
// mount that is read-only.
func TestReach(t *testing.T) {
	guest := compile(t, "reach.c")
	rt := newRuntime(t)
	var names []string
	for _, r := range reaches {
		for _, mode := range []string{"ro", "rw"} {
			want := map[string][]uint32{"ro": r.ro, "rw": r.rw}[mode]
			name := fmt.Sprintf("%s %.60q %q %s", r.op, r.a, r.b, mode)
			names = append(names, name)
			t.Run(name, func(t *testing.T) {
				base := host(t)
				outside := filepath.Join(base, "outside")
				mount := filepath.Join(base, "mount")
				before, inside := snapshot(t, outside), snapshot(t, mount)
				inGuest := func(p string) string {
					return strings.ReplaceAll(p, "HOST", strings.Trim(filepath.ToSlash(outside), "/"))
				}
				var out bytes.Buffer
				var err error
				within(t, usual, func() {
					err = run(t.Context(), rt, guest, wherry.Spec{
						Limits: strict, Stdout: &out,
						Args:   []string{r.op, inGuest(r.a), inGuest(r.b)},
						Mounts: []wherry.Mount{{Source: mount, Target: "/m", ReadOnly: mode == "ro"}},
					})
				})
				if why := exitsWith(want...)(err); why != "" {
					t.Errorf("ended with %v; want %s", err, why)
				}
				if strings.Contains(out.String(), secret) {
					t.Error("the guest read the secret")
				}
				if strings.Contains(out.String(), filepath.Base(base)) && r.op != "readlink" {
					t.Errorf("the guest was told a path of the host: %q", out.String())
				}
				if now := snapshot(t, outside); now != before {
					t.Errorf("the host outside of the mount was\n%s\nand is\n%s", before, now)
				}
				if now := snapshot(t, mount); mode == "ro" && now != inside {
					t.Errorf("the read-only mount was\n%s\nand is\n%s", inside, now)
				}
			})
		}
	}
	corpus(t, "reaches", names)
}

// host makes the folders that a reach meets.
func host(t *testing.T) string {
	t.Helper()
	base := t.TempDir()
	outside, mount := filepath.Join(base, "outside"), filepath.Join(base, "mount")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"outside/d", "mount/d", "mount/empty"} {
		must(os.MkdirAll(filepath.Join(base, d), 0o755))
	}
	must(os.WriteFile(filepath.Join(outside, "secret"), []byte(secret), 0o644))
	must(os.WriteFile(filepath.Join(outside, "d", "secret"), []byte(secret), 0o644))
	must(os.WriteFile(filepath.Join(mount, "f"), []byte("f"), 0o644))
	must(os.WriteFile(filepath.Join(mount, "d", "f"), []byte("f"), 0o644))
	links := map[string]string{
		"abs": filepath.Join(outside, "secret"), "up": "../outside/secret", "out": outside, "slash": outside + "/",
		"root": "/", "proc": "/proc/self/root", "loop": "loop", "dangling": filepath.Join(outside, "created"),
		"pipe": "/dev/stdin",
	}
	for i := range 50 {
		links[fmt.Sprint("deep", i)] = fmt.Sprint("deep", i+1)
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(mount, name)); err != nil {
			if runtime.GOOS == "windows" && os.Getenv("CI") != "true" {
				t.Skipf("SKIPPED: this user may not make symbolic links: %v", err)
			}
			t.Fatal(err)
		}
	}
	return base
}

// snapshot describes all that is below dir.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		fmt.Fprintf(&b, "%s %v %v", rel, info.Mode(), info.ModTime().UnixNano())
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %q", data)
		case info.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(p)
			b.WriteString(" -> " + target)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// compile builds a guest of testdata with clang.
func compile(t *testing.T, source string) []byte {
	t.Helper()
	if _, err := exec.LookPath("clang"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI has no clang")
		}
		t.Skip("SKIPPED: no clang to build the guest with")
	}
	out := filepath.Join(t.TempDir(), "guest.wasm")
	text, err := exec.Command("clang", "--target=wasm32-wasi", "-O1", "-o", out, filepath.Join("testdata", source)).CombinedOutput()
	if err != nil {
		t.Fatal(errors.Join(err, errors.New(string(text))))
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
