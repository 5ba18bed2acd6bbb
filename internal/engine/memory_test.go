package engine

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"unsafe"
)

func TestMemoryStaysInPlace(t *testing.T) {
	e := newEngine(t, Config{})
	m := load(t, e, wat(t, `(module
	  (memory (export "memory") 1)
	  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
	  (func (export "sum") (result i64) (i64.add (i64.load (i32.const 0)) (i64.load (i32.const 1000000)))))`))
	i := instance(t, e, m, InstanceConfig{})
	if i.mem.reserved == nil {
		t.Skip("SKIPPED: no address space can be reserved on this system")
	}
	b, _ := i.Memory().Read(0, 8)
	b[0] = 40
	base, size := unsafe.SliceData(b), uint64(1)
	for _, delta := range []uint64{1, 0, 30, 1000, 1} {
		got, err := i.Call(t.Context(), "grow", delta)
		if err != nil || got[0] != size {
			t.Fatalf("grow by %d: got %v, %v, want %d", delta, got, err, size)
		}
		size += delta
		if i.PeakMemory() != size*pageSize || i.Memory().Size() != size*pageSize {
			t.Fatalf("%d pages: peak %d, size %d", size, i.PeakMemory(), i.Memory().Size())
		}
		now, ok := i.Memory().Read(0, uint32(size*pageSize-1))
		if !ok || unsafe.SliceData(now) != base || now[0] != 40 {
			t.Fatal("the memory has moved")
		}
	}
	if !i.Memory().WriteUint64Le(1000000, 2) {
		t.Fatal("cannot write to grown memory")
	}
	if got, err := i.Call(t.Context(), "sum"); err != nil || got[0] != 42 {
		t.Fatal(got, err)
	}
}

// TestMemoryWhole takes all the memory there can be and touches its end.
func TestMemoryWhole(t *testing.T) {
	if math.MaxInt < maxPages*pageSize {
		t.Skip("SKIPPED: 4 GiB do not fit the address space")
	}
	got, err := run(t, `(module
	  (memory (export "memory") 1)
	  (func (export "run") (param i32) (result i32)
	    (if (i32.ne (memory.grow (i32.const 65535)) (i32.const -1)) (then unreachable))
	    (drop (memory.grow (i32.const 65534)))
	    (i32.store8 (i32.const 0xfffeffff) (i32.const 7))
	    (i32.add (i32.load8_u (i32.const 0xfffeffff)) (memory.grow (i32.const 1)))))`, InstanceConfig{}, 0)
	if err != nil || int32(got[0]) != 6 {
		t.Fatal(got, err)
	}
	var limit *LimitError
	if _, err := run(t, `(module (memory 65536))`, InstanceConfig{}); !errors.As(err, &limit) {
		t.Error("starts with 4 GiB:", err)
	}
}

func TestMemoryLimit(t *testing.T) {
	e := newEngine(t, Config{})
	m := load(t, e, wat(t, `(module
	  (memory (export "memory") 2 20)
	  (func (export "run") (param i32) (result i32) (memory.grow (local.get 0))))`))
	for _, c := range []struct {
		limit uint64
		grow  uint64
		want  int32
	}{
		{0, 18, 2}, {0, 19, -1},
		{10 * pageSize, 8, 2}, {10 * pageSize, 9, -1}, {10*pageSize + 1, 9, -1},
		{2 * pageSize, 0, 2}, {2 * pageSize, 1, -1},
		{1 << 40, 18, 2}, {1 << 40, 19, -1},
	} {
		i := instance(t, e, m, InstanceConfig{MemoryLimit: c.limit})
		if got, err := i.Call(t.Context(), "run", c.grow); err != nil || int32(got[0]) != c.want {
			t.Errorf("limit %d, grow by %d: got %v, %v, want %d", c.limit, c.grow, got, err, c.want)
		}
	}
	var limit *LimitError
	if _, err := e.Instantiate(t.Context(), m, InstanceConfig{MemoryLimit: 2*pageSize - 1}); !errors.As(err, &limit) || limit.Want != 2*pageSize {
		t.Error("starts below its minimum:", err)
	}
}

type quota struct {
	left    atomic.Int64
	refused uint64
}

func (q *quota) Refused(n uint64) { q.refused += n }

func (q *quota) Grow(n uint64) bool {
	if q.left.Add(-int64(n)) < 0 {
		q.left.Add(int64(n))
		return false
	}
	return true
}

func (q *quota) Release(n uint64) { q.left.Add(int64(n)) }

func TestQuota(t *testing.T) {
	e := newEngine(t, Config{})
	m := load(t, e, wat(t, `(module
	  (memory (export "memory") 2)
	  (func (export "run") (param i32) (result i32) (memory.grow (local.get 0))))`))
	q := &quota{}
	q.left.Store(6 * pageSize)
	a, b := instance(t, e, m, InstanceConfig{Quota: q}), instance(t, e, m, InstanceConfig{Quota: q})
	if _, err := e.Instantiate(t.Context(), m, InstanceConfig{Quota: q}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Instantiate(t.Context(), m, InstanceConfig{Quota: q}); !errors.Is(err, errNoMemory) {
		t.Error("a fourth instance:", err)
	}
	if got, _ := a.Call(t.Context(), "run", 1); int32(got[0]) != -1 {
		t.Error("grows beyond the quota")
	}
	b.Close(t.Context())
	b.Close(t.Context())
	if q.left.Load() != 2*pageSize {
		t.Errorf("%d left after Close", q.left.Load())
	}
	if got, _ := a.Call(t.Context(), "run", 2); int32(got[0]) != 2 {
		t.Error("does not grow into what was given back")
	}
}

func TestTableLimit(t *testing.T) {
	e := newEngine(t, Config{})
	m := load(t, e, wat(t, `(module (table 100 funcref) (table 50 externref))`))
	var limit *LimitError
	if _, err := e.Instantiate(t.Context(), m, InstanceConfig{TableLimit: 149}); !errors.As(err, &limit) || limit.Want != 150 {
		t.Error(err)
	}
	instance(t, e, m, InstanceConfig{TableLimit: 150})
}

func TestSharedMemory(t *testing.T) {
	e := newEngine(t, Config{})
	bin := wat(t, `(module (memory 1 2 shared))`)
	_, err := e.Load(t.Context(), keyOf(bin), func(context.Context) (Artifact, error) { return Artifact{Wasm: bin}, nil }, nil)
	var invalid *InvalidModuleError
	if !errors.As(err, &invalid) {
		t.Error(err)
	}
}

func TestMemoryAccess(t *testing.T) {
	e := newEngine(t, Config{})
	i := instance(t, e, load(t, e, wat(t, `(module (memory 1))`)), InstanceConfig{})
	m := i.Memory()
	const last = pageSize - 1
	for _, c := range []struct {
		name string
		ok   bool
		got  bool
	}{
		{"write 8 at end", true, m.WriteUint64Le(last-7, 0x1122334455667788)},
		{"write 8 over end", false, m.WriteUint64Le(last-6, 0)},
		{"write 4", true, m.WriteUint32Le(0, 0xa1b2c3d4)},
		{"write 2", true, m.WriteUint16Le(4, 0xe5f6)},
		{"write 1", true, m.WriteUint8(6, 0x77)},
		{"write 1 over end", false, m.WriteUint8(last+1, 0)},
		{"write none at end", true, m.Write(last+1, nil)},
		{"write none over end", false, m.Write(last+2, nil)},
		{"write bytes over end", false, m.Write(last, []byte("ab"))},
		{"write string", true, m.WriteString(7, "xyz")},
		{"write string over end", false, m.WriteString(math.MaxUint32, "xyz")},
	} {
		if c.got != c.ok {
			t.Errorf("%s: %v", c.name, c.got)
		}
	}
	if v, ok := m.ReadUint64Le(0); !ok || v != 0x7877e5f6a1b2c3d4 {
		t.Errorf("read 8: %x", v)
	}
	if v, ok := m.ReadUint32Le(last - 3); !ok || v != 0x11223344 {
		t.Errorf("read 4: %x", v)
	}
	if v, ok := m.ReadUint16Le(last - 1); !ok || v != 0x1122 {
		t.Errorf("read 2: %x", v)
	}
	if v, ok := m.ReadUint8(last); !ok || v != 0x11 {
		t.Errorf("read 1: %x", v)
	}
	if _, ok := m.Read(math.MaxUint32, math.MaxUint32); ok {
		t.Error("read past everything")
	}
	if b, ok := m.Read(0, 4); !ok || cap(b) != 4 {
		t.Error("a view can be extended")
	}
	i.Close(t.Context())
	if _, ok := m.Read(0, 1); ok || m.Size() != 0 || m.WriteUint8(0, 1) {
		t.Error("memory can be reached after Close")
	}
	if n := (Memory{}).Size(); n != 0 {
		t.Error("the zero Memory has bytes")
	}
}

// TestMemoryOnHeap is the memory of systems where no address space can be reserved.
func TestMemoryOnHeap(t *testing.T) {
	l := &linear{max: 10 * pageSize}
	for _, size := range []uint64{1, 2, 3, 9, 10} {
		b := l.Reallocate(size * pageSize)
		if uint64(len(b)) != size*pageSize || b[len(b)-1] != 0 {
			t.Fatalf("%d pages: %d bytes", size, len(b))
		}
		if size > 1 && b[0] != 5 {
			t.Fatal("lost its contents")
		}
		b[0] = 5
	}
	if l.Reallocate(11*pageSize) != nil {
		t.Error("grows beyond its limit")
	}
	l.release()
	l.release()
}
