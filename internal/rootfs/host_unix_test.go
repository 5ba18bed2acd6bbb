//go:build linux || darwin

package rootfs_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
)

func TestHostLinksStayInside(t *testing.T) {
	outside, host := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	for path, data := range map[string]string{secret: "secret", filepath.Join(host, "f"): "f"} {
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	links := map[string]string{
		"abs": secret, "dir": outside, "up": "../" + filepath.Base(outside) + "/secret", "slash": outside + "/",
		"root": "/", "proc": "/proc/self/root" + secret,
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(host, name)); err != nil {
			t.Fatal(err)
		}
	}
	var c layer.Memory
	guest := strings.TrimPrefix(secret, "/")
	tree := newTree(t, rootfs.Options{Layers: []rootfs.Layer{lay(t, &c, guest+"=the guest's own")}, Mounts: []rootfs.Mount{{Target: "m", Host: host}}})
	// An absolute link means a path of the container, as in every container.
	if got := read(t, tree, "m/abs"); got != "the guest's own" {
		t.Errorf("absolute link: %q", got)
	}
	for _, p := range []string{"m/up", "m/proc", "m/dir/../secret2"} {
		if got := read(t, tree, p); got != rootfs.ENOENT.Error() {
			t.Errorf("%s: %q", p, got)
		}
	}
	write(t, tree, "m/dir/new", "x")
	if err := tree.Unlink(tree.Root(), "m/slash/secret"); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(secret); string(b) != "secret" {
		t.Errorf("the host's file: %q, %v", b, err)
	}
	if list, _ := os.ReadDir(outside); len(list) != 1 {
		t.Errorf("%d files outside", len(list))
	}
}

func TestHostPipesAreNotOpened(t *testing.T) {
	host := t.TempDir()
	pipe := filepath.Join(host, "pipe")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	tree := newTree(t, rootfs.Options{Mounts: []rootfs.Mount{{Target: "m", Host: host}}})
	done := make(chan error, 2)
	go func() {
		done <- openErr(tree, "m/pipe", rootfs.How{Read: true})
		done <- openErr(tree, "m/pipe", rootfs.How{Write: true})
	}()
	for range 2 {
		select {
		case err := <-done:
			if err != rootfs.ENOTSUP {
				t.Errorf("%v", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("opening a pipe waits for its other end")
		}
	}
	st, err := tree.Stat(tree.Root(), "m/pipe", false)
	if err != nil || st.Kind != rootfs.KindOther {
		t.Errorf("%+v, %v", st, err)
	}
	if err := tree.Unlink(tree.Root(), "m/pipe"); err != nil {
		t.Error(err)
	}
}

// Another process of the host puts links in the place of directories and files
// all the time. Nothing outside may be seen or touched.
func TestHostRaces(t *testing.T) {
	outside, host := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(host, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{filepath.Join(outside, "f"), filepath.Join(host, "real", "f")} {
		if err := os.WriteFile(p, []byte("host"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(host, "real", "f"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	tree := newTree(t, rootfs.Options{Mounts: []rootfs.Mount{{Target: "m", Host: host}}})
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		x, tmp := filepath.Join(host, "x"), filepath.Join(host, "tmp")
		for {
			select {
			case <-stop:
				return
			default:
			}
			os.Symlink(outside, tmp)
			os.Rename(tmp, x)
			os.Remove(x)
			os.Rename(filepath.Join(host, "real"), x)
			os.Rename(x, filepath.Join(host, "real"))
		}
	}()
	for range 3000 {
		if f, err := tree.Open(tree.Root(), "m/x/f", rootfs.How{Read: true, Write: true, Create: true, Mode: 0o644}); err == nil {
			p := make([]byte, 4)
			f.ReadAt(p, 0)
			if string(p) == "host" {
				t.Fatal("a file outside was read")
			}
			f.WriteAt([]byte("mine"), 0)
			f.Close()
		}
		tree.Unlink(tree.Root(), "m/x/g")
		tree.Mkdir(tree.Root(), "m/x/d", 0o755)
		tree.Rmdir(tree.Root(), "m/x/d")
	}
	close(stop)
	<-done
	if b, _ := os.ReadFile(filepath.Join(outside, "f")); string(b) != "host" {
		t.Errorf("file outside holds %q", b)
	}
	if list, _ := os.ReadDir(outside); len(list) != 1 {
		t.Errorf("%d files outside", len(list))
	}
}
