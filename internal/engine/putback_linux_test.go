package engine

import (
	"bytes"
	"crypto/rand"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// mapped makes a memory over which a file of random bytes is mapped.
func mapped(t *testing.T, size uint64) (*linear, *os.File, []byte) {
	t.Helper()
	content := make([]byte, size)
	_, _ = rand.Read(content)
	clear(content[size/2 : size/2+pageSize])
	name := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	l, err := newLinear(size, size, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.release)
	if ok, err := l.restore(f); err != nil || !ok {
		t.Fatal(ok, err)
	}
	return l, f, content
}

// TestPutBack checks that what was written to a mapped image is undone, and that
// the file never sees it.
func TestPutBack(t *testing.T) {
	l, f, content := mapped(t, 4<<20)
	source, err := openSource(f, len(l.buf))
	if err != nil {
		t.Fatal(err)
	}
	defer closeSource(source)
	if !putBack(l.buf, source, &l.own) {
		t.Skip("NOT TESTED: this kernel (before 6.7) does not tell which pages were written to")
	}
	r := mrand.New(mrand.NewPCG(1, 2))
	for round := range 20 {
		l.own.used()
		for range 100 {
			l.buf[r.IntN(len(l.buf))]++
		}
		l.buf[0], l.buf[len(l.buf)-1] = byte(round), byte(round)
		if bytes.Equal(l.buf, content) {
			t.Fatal("nothing was written")
		}
		if !putBack(l.buf, source, &l.own) || !bytes.Equal(l.buf, content) {
			t.Fatalf("round %d: it is not what it was", round)
		}
	}
	if now, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(now, content) {
		t.Errorf("the file has changed: %v", err)
	}
}

// TestPutBackMuch checks that a memory of which much was written to is left to be
// mapped anew.
func TestPutBackMuch(t *testing.T) {
	l, f, content := mapped(t, putBackMost+16*pageSize)
	source, err := openSource(f, len(l.buf))
	if err != nil {
		t.Fatal(err)
	}
	defer closeSource(source)
	for i := 0; i < len(l.buf); i += 4096 {
		l.buf[i]++
	}
	if putBack(l.buf, source, &l.own) {
		t.Error("all of it was put back")
	}
	if ok, err := l.restore(f); err != nil || !ok || !bytes.Equal(l.buf, content) {
		t.Errorf("mapped anew: %v, %v", ok, err)
	}
}

// TestSources checks that an image is mapped once for all who read from it, and
// another one by itself.
func TestSources(t *testing.T) {
	var s sources
	defer s.close()
	of := func(l *linear, f *os.File) []byte {
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return s.of(f, st, len(l.buf))
	}
	l, f, content := mapped(t, 1<<20)
	a, b := of(l, f), of(l, f)
	if !bytes.Equal(a, content) || &a[0] != &b[0] || len(s.list) != 1 {
		t.Errorf("mapped %d times", len(s.list))
	}
	m, g, other := mapped(t, 1<<20)
	if c := of(m, g); !bytes.Equal(c, other) || len(s.list) != 2 {
		t.Errorf("another image: mapped %d times", len(s.list))
	}
	for range maxSources {
		l, f, _ := mapped(t, 1<<18)
		of(l, f)
	}
	if len(s.list) != maxSources {
		t.Errorf("mapped %d images", len(s.list))
	}
	if of(m, g) == nil {
		t.Error("one that was mapped is not any more")
	}
}

// TestWatched checks that nothing is overlooked of what was written to a memory,
// whether it was watched or not.
func TestWatched(t *testing.T) {
	l, f, content := mapped(t, 4<<20)
	i := &Instance{mem: l, code: &code{}}
	defer i.code.sources.close()
	if !i.putBack(f) {
		t.Skip("NOT TESTED: this kernel (before 6.7) does not tell which pages were written to")
	}
	r := mrand.New(mrand.NewPCG(3, 4))
	write := func() error {
		i.Memory().WriteString(r.Uint32N(4<<20), "x")
		return nil
	}
	quiet := 0
	for round := range 300 {
		if round%3 > 0 {
			if err := i.Watched(write); err != nil {
				t.Fatal(err)
			}
		}
		if round%3 < 2 && round < 100 {
			_ = write()
		}
		if !l.own.stale {
			quiet++
		}
		if !i.putBack(f) || !bytes.Equal(l.buf, content) {
			t.Fatalf("round %d: it is not what it was", round)
		}
	}
	if quiet == 0 {
		t.Error("the kernel was asked every time")
	}
}

// TestRemember checks that of an image the pages of the most calls are kept, unless
// there are too many.
func TestRemember(t *testing.T) {
	l, f, _ := mapped(t, rememberMost+16*pageSize)
	i := &Instance{mem: l, code: &code{}}
	defer i.code.sources.close()
	if _, ok := scan(l.buf, nil); !ok {
		t.Skip("NOT TESTED: this kernel (before 6.7) does not tell which pages were written to")
	}
	m := &Image{File: f, Size: uint64(len(l.buf))}
	pages := func() (n uint64) {
		list, _ := i.code.sources.first(l.from)
		for _, x := range list {
			n += (x.end - x.off) / 4096
		}
		return n
	}
	write := func(n int) {
		for at := range n {
			l.buf[at*4096]++
		}
	}
	for _, tt := range []struct {
		write, calls int
		want         uint64
	}{{3, 1, 3}, {5, 1, 3}, {5, 2, 5}, {7, 1, 5}, {rememberMost/4096 + 1, 3, 5}, {2, 3, 5}} {
		write(tt.write)
		if i.Remember(m, tt.calls); pages() != tt.want {
			t.Errorf("after %d pages and %d calls: %d pages", tt.write, tt.calls, pages())
		}
		if !i.putBack(f) {
			t.Fatal("not put back")
		}
		if _, err := l.restore(f); err != nil {
			t.Fatal(err)
		}
	}
}
