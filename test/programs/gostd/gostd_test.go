// Package gostd runs the tests that Go has of its own standard library inside
// the sandbox, and on Wasmtime in the same run: what passes there passes here,
// and each test that fails has a reason.
package gostd

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// peer is the other host of this run.
const peer = "wasmtime==50.0.1"

// few are the packages of an ordinary run: those that ask most of the host.
var few = []string{"bufio", "io/fs", "os", "sort"}

// all are those of a run with WHERRY_GOSTD=all.
var all = []string{
	"archive/tar", "archive/zip", "bufio", "bytes", "compress/bzip2", "compress/flate", "compress/gzip", "compress/zlib",
	"container/heap", "container/list", "context", "crypto/aes", "crypto/cipher", "crypto/ecdsa", "crypto/ed25519",
	"crypto/hmac", "crypto/md5", "crypto/rand", "crypto/rsa", "crypto/sha1", "crypto/sha256", "crypto/sha512", "crypto/tls",
	"crypto/x509", "database/sql", "encoding/base64", "encoding/binary", "encoding/csv", "encoding/gob", "encoding/hex",
	"encoding/json", "encoding/xml", "errors", "flag", "fmt", "hash/crc32", "html/template", "image/png", "io", "io/fs",
	"io/ioutil", "log", "log/slog", "maps", "math", "math/big", "math/bits", "math/cmplx", "math/rand", "mime", "net",
	"net/http", "net/netip", "net/url", "os", "path", "path/filepath", "reflect", "regexp", "slices", "sort", "strconv",
	"strings", "sync", "sync/atomic", "text/tabwriter", "text/template", "time", "unicode", "unicode/utf8",
}

// looked are files of the machine that a few tests read; without them they skip.
var looked = []string{"/etc/hosts", "/proc/sys/fs"}

// packages are the packages that this run tests: WHERRY_GOSTD may be "all", or
// names them.
func packages() []string {
	switch v := os.Getenv("WHERRY_GOSTD"); v {
	case "":
		return few
	case "all":
		return all
	default:
		return strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
	}
}

func TestStandardLibrary(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("NOT TESTED: the command for go test -exec needs a shell")
	}
	hosts := []host{sandbox(t), wasmtime(t)}
	for _, pkg := range packages() {
		t.Run(pkg, func(t *testing.T) {
			t.Parallel()
			var got []report
			for _, h := range hosts {
				got = append(got, h.test(t, pkg))
			}
			hosts[0].again(t, pkg, got[0], got[1])
			t.Logf("%-16s wherry %s, wasmtime %s", pkg, got[0], got[1])
			judge(t, pkg, got[0], got[1])
		})
	}
}

// judge holds one run against the other, and failures against their reasons.
func judge(t *testing.T, pkg string, ours, theirs report) {
	for _, name := range slices.Sorted(maps.Keys(theirs.tests)) {
		if mine := ours.tests[name]; theirs.tests[name] == "pass" && mine != "pass" && worse[pkg][name] == "" {
			t.Errorf("%s passes on wasmtime, and here it is %q:\n%s", name, mine, ours.output[name])
		}
	}
	reasons := known[pkg]
	used := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(ours.tests)) {
		if ours.tests[name] != "fail" {
			continue
		}
		reason := ""
		for prefix, why := range reasons {
			if name == prefix || strings.HasPrefix(name, prefix+"/") {
				reason, used[prefix] = why, true
			}
		}
		if reason == "" && worse[pkg][name] == "" {
			t.Errorf("%s fails (on wasmtime: %s), and nobody said why:\n%s", name, theirs.tests[name], ours.output[name])
		}
	}
	for name := range reasons {
		if !used[name] {
			t.Errorf("%s does not fail any more: take its reason away", name)
		}
	}
	if theirs.count("pass") == 0 {
		t.Errorf("no test passed on wasmtime:\n%s", theirs.output[""])
	}
	if ours.count("pass") == 0 {
		t.Errorf("no test passed:\n%s", ours.output[""])
	}
}

// A host is one way to run the tests of a package.
type host struct {
	exec  func(t *testing.T) (command string, compiling func() time.Duration)
	extra []string
}

// sandbox is the command that docs/programs.md gives, with the standard library
// mounted for its test data.
func sandbox(t *testing.T) host {
	home := filepath.Join(t.TempDir(), "home")
	wherry := dock.Build(t, runtime.GOOS, runtime.GOARCH)
	return host{extra: []string{"WHERRY_HOME=" + home}, exec: func(t *testing.T) (string, func() time.Duration) {
		work, goroot := t.TempDir(), goEnv(t, "GOROOT")
		stats := filepath.Join(t.TempDir(), "stats")
		mounts := fmt.Sprintf("-v %s:%s -v %s:/tmp", goroot, goroot, work)
		for _, path := range looked {
			if _, err := os.Stat(path); err == nil {
				mounts += fmt.Sprintf(" -v %s:%s:ro", path, path)
			}
		}
		line := fmt.Sprintf("exec %s run --stats=json %s -w $PWD $0 $@ 2>%s", wherry, mounts, stats)
		return "sh -c '" + line + "'", func() time.Duration { return compiling(t, stats) }
	}}
}

// wasmtime is the command of Go's own script for it.
func wasmtime(t *testing.T) host {
	python, _ := dock.Packages(t, peer)
	runner, err := filepath.Abs(filepath.Join("testdata", "peer.py"))
	if err != nil {
		t.Fatal(err)
	}
	return host{extra: python.Env, exec: func(t *testing.T) (string, func() time.Duration) {
		stats := filepath.Join(t.TempDir(), "stats")
		line := fmt.Sprintf("TMPDIR=%s exec %s %s %s $0 $@", t.TempDir(), python.Command[0], runner, stats)
		return "sh -c '" + line + "'", func() time.Duration { return compiling(t, stats) }
	}}
}
