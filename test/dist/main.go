// Command dist makes what a release consists of: for every target an archive
// with the binary and a Python wheel that carries it as the console script
// `wherry`, and the checksums of all. The same commit and the same Go give the
// same bytes.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wherry-run/wherry/internal/version"
)

// A target is one platform and what others call it.
type target struct {
	os, arch string
	// wheel is the platform tag of its wheel. A static binary needs no C
	// library, so that one wheel serves glibc and musl; Go 1.26 asks for
	// macOS 12.
	wheel string
}

func (t target) String() string { return t.os + "/" + t.arch }

// program is the file name of the binary.
func (t target) program() string { return t.file("wherry") }

// companion is that of the program that loads native libraries. It is linked against
// the C library, so wheels, which serve every one, do not have it.
func (t target) companion() string { return t.file("wherry-native") }

func (t target) file(name string) string {
	if t.os == "windows" {
		return name + ".exe"
	}
	return name
}

var targets = []target{
	{"linux", "amd64", "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64"},
	{"linux", "arm64", "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64"},
	{"darwin", "amd64", "macosx_12_0_x86_64"},
	{"darwin", "arm64", "macosx_12_0_arm64"},
	{"windows", "amd64", "win_amd64"},
	{"windows", "arm64", "win_arm64"},
}

// epoch is the time of every file in every archive: the first that a zip can
// express.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	out := flag.String("o", "dist", "folder to write to; what is in it of an earlier run is replaced")
	only := flag.String("targets", "", "targets to make, OS/ARCH,... (default all)")
	root := flag.String("C", ".", "folder of the repository")
	flag.Parse()
	if err := run(ctx, *root, *out, *only, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, out, only string, report io.Writer) error {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		return err
	}
	license, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if err := removeOld(out); err != nil {
		return err
	}
	var sums strings.Builder
	for _, t := range chosen {
		program, err := build(ctx, root, t, "./cmd/wherry")
		if err != nil {
			return fmt.Errorf("build %s: %w", t, err)
		}
		companion, err := build(ctx, root, t, "./cmd/wherry-native")
		if err != nil {
			return fmt.Errorf("build the companion for %s: %w", t, err)
		}
		r := release{version: version.Release, target: t, program: program, companion: companion, readme: readme, license: license}
		for _, make := range []func(release) (string, []byte, error){archive, wheel} {
			name, data, err := make(r)
			if err != nil {
				return fmt.Errorf("pack %s: %w", t, err)
			}
			if err := os.WriteFile(filepath.Join(out, name), data, 0o644); err != nil {
				return err
			}
			fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), name)
			fmt.Fprintf(report, "%9d %s\n", len(data), name)
		}
	}
	return os.WriteFile(filepath.Join(out, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

// release is what goes into the archives of one target.
type release struct {
	version            string
	target             target
	program, companion []byte
	readme, license    []byte
}

func choose(only string) ([]target, error) {
	if only == "" {
		return targets, nil
	}
	var chosen []target
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(targets, func(t target) bool { return t.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("no such target: %s", name)
		}
		chosen = append(chosen, targets[i])
	}
	return chosen, nil
}

// removeOld removes what an earlier run wrote, and nothing else.
func removeOld(dir string) error {
	for _, pattern := range []string{"wherry-*.tar.gz", "wherry-*.zip", "wherry-*.whl", "SHA256SUMS"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// build compiles a program for a target.
func build(ctx context.Context, root string, t target, pkg string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "wherry-dist-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, t.program())
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=")
	var talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &talk, &talk
	if err := cmd.Run(); err != nil {
		return nil, errors.Join(err, errors.New(talk.String()))
	}
	return os.ReadFile(file)
}
