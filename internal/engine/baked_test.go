package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
)

// bakeParts fills a folder with a module in parts and a whole one, and returns their keys.
func bakeParts(t *testing.T, dir string, parts, whole []byte) (keys []string) {
	t.Helper()
	e := newEngine(t, Config{CacheDir: tempDir(t)})
	p := newSplitParts(t, parts)
	m := loadParts(t, e, parts, p, prepare.PrimaryOptions{})
	if _, err := instance(t, e, m, InstanceConfig{}).Call(t.Context(), "run", 5); err != nil {
		t.Fatal(err)
	}
	load(t, e, whole)
	list, err := e.Cached()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		keys = append(keys, c.Key)
	}
	for range 2 { // the second time everything is there
		if err := e.Bake(dir, keys); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// fromBaked runs both modules and tells how many groups were made, and whether the whole module was.
func fromBaked(t *testing.T, c Config, parts, whole []byte) (groups int32, made bool) {
	t.Helper()
	e := newEngine(t, c)
	p := newSplitParts(t, parts)
	i := instance(t, e, loadParts(t, e, parts, p, prepare.PrimaryOptions{}), InstanceConfig{})
	if got, err := i.Call(t.Context(), "run", 5); err != nil || got[0] != 12 {
		t.Fatalf("run: %v, %v", got, err)
	}
	m, err := e.Load(t.Context(), keyOf(whole), func(context.Context) (Artifact, error) {
		made = true
		return strip(t, whole), nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Close(t.Context())
	return p.made.Load(), made
}

// TestBaked checks that what was baked is used without a cache, beside an empty one, and beside one that can only be
// read, that nothing of it is changed, and that what is damaged in it is made anew.
func TestBaked(t *testing.T) {
	parts, whole := wat(t, inParts), wat(t, `(module (func (export "f")))`)
	dir, own := tempDir(t), tempDir(t)
	keys := bakeParts(t, dir, parts, whole)
	before := listing(t, dir)
	for name, c := range map[string]Config{
		"alone": {BakedDir: dir}, "beside an empty cache": {BakedDir: dir, CacheDir: own},
		"beside no cache": {BakedDir: dir, CacheDir: own},
	} {
		if groups, made := fromBaked(t, c, parts, whole); groups != 0 || made {
			t.Errorf("%s: %d groups were made, the whole module %v", name, groups, made)
		}
	}
	if after := listing(t, dir); after != before {
		t.Errorf("the folder was changed:\n%s\n%s", before, after)
	}
	for _, key := range keys {
		file := filepath.Join(dir, "entries", key, entryFile)
		if err := os.WriteFile(file, []byte("damaged"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before = listing(t, dir)
	if groups, made := fromBaked(t, Config{BakedDir: dir}, parts, whole); groups != 3 || !made {
		t.Errorf("damaged: %d groups were made, the whole module %v", groups, made)
	}
	if after := listing(t, dir); after != before {
		t.Errorf("the damaged folder was changed:\n%s\n%s", before, after)
	}
	bakeParts(t, dir, parts, whole)
	if groups, made := fromBaked(t, Config{BakedDir: dir}, parts, whole); groups != 0 || made {
		t.Errorf("baked again: %d groups were made, the whole module %v", groups, made)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, st os.FileInfo, err error) error {
		if err == nil {
			b.WriteString(path + " " + st.Mode().String() + " " + st.ModTime().String() + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestReadOnlyCache checks that a cache that can only be read is used, without a word and without a change.
func TestReadOnlyCache(t *testing.T) {
	parts, whole := wat(t, inParts), wat(t, `(module (func (export "f")))`)
	dir := tempDir(t)
	bakeParts(t, dir, parts, whole)
	e := newEngine(t, Config{})
	var err error
	if e.cache, err = readOnlyCache(dir, errNoWrite); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	p := newSplitParts(t, parts)
	i := instance(t, e, loadParts(t, e, parts, p, prepare.PrimaryOptions{}), InstanceConfig{})
	if got, err := i.Call(t.Context(), "run", 5); err != nil || got[0] != 12 || p.made.Load() != 0 {
		t.Fatalf("run: %v, %v; %d groups were made", got, err, p.made.Load())
	}
	other := wat(t, `(module (func (export "g")))`)
	m, err := e.Load(t.Context(), keyOf(other), func(context.Context) (Artifact, error) { return strip(t, other), nil }, nil)
	if err != nil || !errors.Is(m.Stats().CacheErr, errReadOnly) {
		t.Fatal(m, err)
	}
	m.Close(t.Context())
	if _, err := e.Keep(t.Context(), keyOf(other[1:]), nil, nil); err == nil {
		t.Error("something was kept in a cache that can only be read")
	}
	if after := listing(t, dir); after != before {
		t.Errorf("the folder was changed:\n%s\n%s", before, after)
	}
}

// TestBakedTrust checks that no code is run that somebody else could have written.
func TestBakedTrust(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("who may write a file is not in its mode on Windows")
	}
	parts, whole := wat(t, inParts), wat(t, `(module (func (export "f")))`)
	for name, c := range map[string]struct {
		do      func(dir, entry string) error
		refused bool // the folder, and not an entry
	}{
		"folder for all":      {func(dir, _ string) error { return os.Chmod(dir, 0o777) }, true},
		"entries for a group": {func(dir, _ string) error { return os.Chmod(filepath.Join(dir, "entries"), 0o775) }, true},
		"entries elsewhere": {func(dir, _ string) error {
			to := dir + ".moved"
			return errors.Join(os.Rename(filepath.Join(dir, "entries"), to), os.Symlink(to, filepath.Join(dir, "entries")))
		}, true},
		"entry for all": {func(_, entry string) error { return os.Chmod(entry, 0o777) }, false},
		"code for all":  {func(_, entry string) error { return os.Chmod(nativeFile(t, entry), 0o666) }, false},
		"code elsewhere": {func(_, entry string) error {
			code := nativeFile(t, entry)
			return errors.Join(os.Rename(code, entry+".code"), os.Symlink(entry+".code", code))
		}, false},
		"foreign entry": {func(_, entry string) error {
			if os.Geteuid() != 0 {
				return os.Chmod(entry, 0o777) // only root can give files away
			}
			return os.Chown(entry, 12345, 0)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tempDir(t)
			bakeParts(t, dir, parts, whole)
			if err := c.do(dir, filepath.Join(dir, "entries", keyOf(whole))); err != nil {
				t.Fatal(err)
			}
			e, err := New(t.Context(), Config{BakedDir: dir})
			if c.refused {
				if err == nil || !strings.Contains(err.Error(), "machine code is run from it") {
					t.Fatalf("it is trusted: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			e.Close(t.Context())
			if groups, made := fromBaked(t, Config{BakedDir: dir}, parts, whole); groups != 0 || !made {
				t.Errorf("%d groups were made, the whole module %v", groups, made)
			}
		})
	}
	for _, dir := range []string{filepath.Join(tempDir(t), "nothing"), tempDir(t)} {
		if _, err := New(t.Context(), Config{BakedDir: dir}); err == nil {
			t.Errorf("%s was opened", dir)
		}
	}
}
