//go:build portability

package portability

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// wine returns the Windows binary as Wine runs it, with a prefix and a home of
// the test's own.
func wine(t *testing.T) (p dock.Program, drive string) {
	t.Helper()
	loader := dock.Find(t, "wine")
	prefix := filepath.Join(t.TempDir(), "prefix")
	env := []string{
		"WINEPREFIX=" + prefix, "WINEARCH=win64", "WINEDEBUG=-all", "DISPLAY=",
		"WINEDLLOVERRIDES=mscoree,mshtml,winemenubuilder.exe=", // no dialogs that offer to install things
	}
	boot := dock.Program{Command: []string{loader}, Env: env, Limit: 3 * time.Minute}
	t.Cleanup(func() {
		// A server per prefix stays for a while; its folder is about to go.
		server := exec.Command("wineserver", "-k")
		if _, err := exec.LookPath("wineserver"); err != nil {
			server = exec.Command("/usr/lib/wine/wineserver64", "-k")
		}
		server.Env = append(os.Environ(), env...)
		_ = server.Run()
	})
	boot.Must(t, "", "wineboot", "-i")
	drive = filepath.Join(prefix, "drive_c")
	stub := filepath.Join(drive, "windows", "system32", "bcryptprimitives.dll")
	gcc := dock.Find(t, "x86_64-w64-mingw32-gcc")
	cmd := exec.CommandContext(t.Context(), gcc, "-O2", "-shared", "-o", stub, filepath.Join("testdata", "prng.c"), "-ladvapi32")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compile prng.c: %v\n%s", err, out)
	}
	return dock.Program{
		Command: []string{loader, dock.Build(t, "windows", "amd64")},
		Env:     append(env, `WHERRY_HOME=C:\wherry`),
		Dir:     drive,
		Limit:   15 * time.Minute,
	}, drive
}

// windowsPath is a path of this machine as Wine shows it.
func windowsPath(path string) string { return "Z:" + strings.ReplaceAll(path, "/", `\`) }

func TestWindows(t *testing.T) {
	here := dock.Native(t, filepath.Join(t.TempDir(), "home"))
	there, drive := wine(t)
	if got := platform(t, there); got != "windows/amd64" {
		t.Fatalf("the binary says that it is for %s", got)
	}
	host := dock.Registry(t)
	archive := filepath.Join(t.TempDir(), "plain.tar")

	t.Run("deterministic", func(t *testing.T) { deterministic(t, here, there, windowsPath) })
	t.Run("conformance", func(t *testing.T) { conformance(t, there) })
	t.Run("build", func(t *testing.T) {
		dir := plainContext(t)
		here.Must(t, "", "build", "-q", "-t", "plain:1", dir)
		there.Must(t, "", "build", "-q", "-t", "plain:1", windowsPath(dir))
		want, got := indexDigest(t, here, "plain:1"), indexDigest(t, there, "plain:1")
		t.Logf("linux %s, windows %s", want, got)
		if got != want {
			t.Errorf("Windows built %s, Linux %s: %s", got, want, difference(t, here, there))
		}
		same(t, "run plain:1", there.Must(t, "", "run", "plain:1"), here.Must(t, "", "run", "plain:1"))
		same(t, "history", there.Must(t, "", "history", "--no-trunc", "plain:1"), here.Must(t, "", "history", "--no-trunc", "plain:1"))
		here.Must(t, "", "save", "-o", archive, "plain:1")
		there.Must(t, "", "save", "-o", `C:\plain.tar`, "plain:1")
		sameFile(t, filepath.Join(drive, "plain.tar"), archive)
	})
	t.Run("listing", func(t *testing.T) {
		list := []string{"run", "--entrypoint", "sh", "plain:1", "-c", "ls -l /app /app/data /app/deep /usr/bin && readlink /app/deep/link && cat /app/greeting"}
		same(t, "ls", there.Must(t, "", list...), here.Must(t, "", list...))
	})
	t.Run("paths", func(t *testing.T) {
		write(t, filepath.Join(drive, "work", "in", "Verse.txt"), verse)
		dock.Guest(t, filepath.Join(dock.Root(t), "examples/wordcount"), filepath.Join(drive, "work", "wordcount.wasm"))
		want := "      4 merrily\n      3 row\n"
		at := there
		at.Dir = filepath.Join(drive, "work")
		for _, program := range []string{`.\wordcount.wasm`, `C:\work\wordcount.wasm`, `\work\wordcount.wasm`, "./wordcount.wasm"} {
			same(t, program, at.Must(t, verse, "run", program, "-n", "2"), want)
		}
		for _, mount := range []string{`C:\work\in:/data:ro`, `.\in:/data`, "type=bind,source=C:\\work\\in,target=/data,readonly"} {
			flag := "-v"
			if strings.HasPrefix(mount, "type=") {
				flag = "--mount"
			}
			same(t, mount, at.Must(t, "", "run", flag, mount, "plain:1", "-n", "2", "/data/Verse.txt"), want)
		}
	})
	t.Run("mounts", func(t *testing.T) {
		sh := func(flags, script string) dock.Result {
			return there.Run(t, "", append(strings.Fields("run "+flags+" --entrypoint sh plain:1 -c"), script)...)
		}
		if r := sh(`-v C:\work\in:/data`, "cp /data/Verse.txt /data/copy && mkdir /data/new && mv /data/copy /data/new/moved && rm /data/Verse.txt && ls -R /data"); r.Code != 0 {
			t.Errorf("exit code %d: %s%s", r.Code, r.Out, r.Err)
		}
		if got, err := os.ReadFile(filepath.Join(drive, "work", "in", "new", "moved")); err != nil || string(got) != verse {
			t.Errorf("the mount holds %q, %v", got, err)
		}
		if r := sh(`-v C:\work\in:/data:ro`, "echo no > /data/new/moved"); r.Code == 0 {
			t.Error("a read-only mount was written")
		}
		if got, _ := os.ReadFile(filepath.Join(drive, "work", "in", "new", "moved")); string(got) != verse {
			t.Errorf("a read-only mount now holds %q", got)
		}
	})
	t.Run("containers", func(t *testing.T) { containers(t, there) })
	t.Run("pull wordcount", func(t *testing.T) {
		name := push(t, here, host, "wordcount")
		want := here.Must(t, verse, "run", "-i", name)
		there.Must(t, "", "pull", "-q", name)
		if got, want := indexDigest(t, there, name), indexDigest(t, here, name); got != want {
			t.Errorf("pulled %s, pushed %s", got, want)
		}
		same(t, "wordcount", there.Must(t, verse, "run", "-i", name), want)
		there.Must(t, "", "rmi", name)
	})
	t.Run("load", func(t *testing.T) {
		there.Must(t, "", "rmi", "-f", "plain:1")
		there.Must(t, "", "load", "-i", windowsPath(archive))
		same(t, "loaded", there.Must(t, "", "run", "plain:1"), here.Must(t, "", "run", "plain:1"))
	})
	t.Run("pull iris", func(t *testing.T) {
		name, done := pushIris(t, here, host)
		defer done()
		iris(t, here, there, name)
		traceback := []string{"run", "--entrypoint", "python", name, "-c", "import sys; print(sys.platform); sys.exit(3)"}
		if r := there.Run(t, "", traceback...); r.Code != 3 || r.Out != "wasi\n" {
			t.Errorf("python: exit code %d, %q, %s", r.Code, r.Out, r.Err)
		}
	})
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
