package preview1

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/wasi"
)

// fakeMemory is a guest's memory without a guest.
type fakeMemory []byte

func (m fakeMemory) Read(off, n uint32) ([]byte, bool) {
	if uint64(off)+uint64(n) > uint64(len(m)) {
		return nil, false
	}
	return m[off : uint64(off)+uint64(n) : uint64(off)+uint64(n)], true
}

// fakeGuest calls the host's functions as a guest would, with a memory whose
// lower half it hands out piece by piece.
type fakeGuest struct {
	testing.TB
	h      *Host
	layout *layout
	ctx    context.Context
	mem    fakeMemory
	next   uint32
	unwind error
}

const testMemory = 1 << 20

var testStart = time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC)

// newGuest is a guest with an empty tree in memory as descriptor 3, or after its
// listeners.
func newGuest(t testing.TB, change func(*Config)) *fakeGuest {
	t.Helper()
	tree, err := rootfs.New(rootfs.Options{Now: func() time.Time { return testStart }, MaxBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Tree: tree, Preopens: []Preopen{{GuestPath: "/", Node: tree.Root()}}, Random: wasi.SeededRandom(nil)}
	if change != nil {
		change(&c)
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close host: %v", err)
		}
		if err := tree.Close(); err != nil {
			t.Errorf("close tree: %v", err)
		}
	})
	return &fakeGuest{TB: t, h: h, layout: snapshot1, ctx: t.Context(), mem: make(fakeMemory, testMemory), next: 16}
}

func functionNamed(t testing.TB, name string) *function {
	for _, f := range functions() {
		if f.name == name {
			return &f
		}
	}
	t.Fatalf("no function %s", name)
	return nil
}

// call calls a function; numbers of any type are its arguments.
func (g *fakeGuest) call(name string, args ...any) errno {
	g.Helper()
	f := functionNamed(g, name)
	if len(args) != len(f.params) {
		g.Fatalf("%s takes %d arguments, not %d", name, len(f.params), len(args))
	}
	stack := make([]uint64, len(args)+1)
	for i, a := range args {
		stack[i] = number(g, a)
		if f.params[i] == 'i' {
			stack[i] = uint64(uint32(stack[i]))
		}
	}
	e, unwind := g.h.run(g.ctx, g.layout, f, g.mem, stack)
	g.unwind = unwind
	return e
}

func number(t testing.TB, a any) uint64 {
	switch v := a.(type) {
	case int:
		return uint64(v)
	case uint32:
		return uint64(v)
	case uint64:
		return v
	case int64:
		return uint64(v)
	case rights:
		return uint64(v)
	case fdFlags:
		return uint64(v)
	}
	t.Fatalf("argument of type %T", a)
	return 0
}

// ok calls a function that must succeed.
func (g *fakeGuest) ok(name string, args ...any) {
	g.Helper()
	g.want(esuccess, name, args...)
}

// want calls a function that must give one result.
func (g *fakeGuest) want(e errno, name string, args ...any) {
	g.Helper()
	if got := g.call(name, args...); got != e || g.unwind != nil {
		g.Fatalf("%s%v = %d (unwound: %v), want %d", name, args, got, g.unwind, e)
	}
}

// alloc gives n bytes of memory.
func (g *fakeGuest) alloc(n int) uint32 {
	g.Helper()
	at := (g.next + 7) &^ 7
	g.next = at + uint32(n)
	if g.next > testMemory/2 {
		g.Fatal("the test's memory is used up")
	}
	return at
}

func (g *fakeGuest) put(s string) uint32 {
	g.Helper()
	at := g.alloc(len(s))
	copy(g.mem[at:], s)
	return at
}

func (g *fakeGuest) u32(at uint32) uint32 { return le.Uint32(g.mem[at:]) }
func (g *fakeGuest) u64(at uint32) uint64 { return le.Uint64(g.mem[at:]) }

// iovec is a list of one buffer.
func (g *fakeGuest) iovec(at, n uint32) uint32 {
	g.Helper()
	list := g.alloc(8)
	le.PutUint32(g.mem[list:], at)
	le.PutUint32(g.mem[list+4:], n)
	return list
}

// open opens a path of descriptor 3 with rights.
func (g *fakeGuest) open(path string, oflags uint32, base rights) uint32 {
	g.Helper()
	out := g.alloc(4)
	g.ok("path_open", 3+len(g.h.config.Listeners), lookupSymlinkFollow, g.put(path), len(path), oflags, base, allRights, 0, out)
	return g.u32(out)
}

// write writes s to a descriptor.
func (g *fakeGuest) write(fd any, s string) {
	g.Helper()
	out := g.alloc(4)
	g.ok("fd_write", fd, g.iovec(g.put(s), uint32(len(s))), 1, out)
	if n := g.u32(out); n != uint32(len(s)) {
		g.Fatalf("wrote %d of %d bytes", n, len(s))
	}
}

// read reads up to n bytes from a descriptor.
func (g *fakeGuest) read(fd any, n int) string {
	g.Helper()
	out, buf := g.alloc(4), g.alloc(n)
	g.ok("fd_read", fd, g.iovec(buf, uint32(n)), 1, out)
	return string(g.mem[buf : buf+g.u32(out)])
}

// fdstat is what the host says of a descriptor.
func (g *fakeGuest) fdstat(fd any) (t fileType, flags fdFlags, base, inheriting rights) {
	g.Helper()
	at := g.alloc(sizeFdstat)
	g.ok("fd_fdstat_get", fd, at)
	return fileType(g.mem[at]), fdFlags(le.Uint16(g.mem[at+2:])), rights(g.u64(at + 8)), rights(g.u64(at + 16))
}

// pipe is an input that gives nothing until it is written to.
func pipe(t testing.TB) (*wasi.Input, *io.PipeWriter) {
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	return wasi.NewInput(r), w
}
