package hostile

import (
	"io"
	"time"

	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/runtime"
)

// forever is a loop without an end, with something to do in it.
func forever(parts ...any) []byte {
	return code(wasm.OpLoop, []byte{empty}, code(parts...), wasm.OpBr, 0, []byte{end})
}

// endless are modules that never end by themselves: they are stopped by fuel
// when they compute, by the clock when they wait.
func endless() []row {
	spin := command(forever()).module()
	inStart := command()
	inStart.funcs = append(inStart.funcs, function{code: forever()})
	inStart.start = new(uint32(1))
	reactor := command(forever())
	reactor.exports[1].Name = "_initialize"
	reactor.exports = append(reactor.exports, wasm.Export{Name: "run", Kind: wasm.ExternFunc})
	reactorRun := command(forever())
	reactorRun.exports[1].Name = "run"
	indirect := command(forever(i32(0), []byte{0x11, 0, 0}))
	indirect.funcs = append(indirect.funcs, function{})
	indirect.tables = []wasm.TableType{{Elem: wasm.FuncRef, Size: wasm.Size{Min: 1}}}
	indirect.elems = []byte{1, 0, 0x41, 0, end, 1, 1}
	tail := command([]byte{0x12, 0}) // return_call of itself
	mutual := command([]byte{0x12, 1})
	mutual.funcs = append(mutual.funcs, function{code: []byte{0x12, 0}})

	big := &wasm.MemoryType{Size: wasm.Size{Min: 512}} // 32 MiB
	fill := command(forever(i32(0), i32(0), i32(32*mib), wasm.OpMemoryFill, []byte{0}))
	fill.memory = big
	copies := command(forever(i32(0), i32(1), i32(32*mib-1), wasm.OpMemoryCopy, []byte{0, 0}))
	copies.memory = big

	clock := []hostFunc{wasip1("clock_time_get", "iIi"), wasip1("sched_yield", ""), wasip1("fd_write", "iiii"), wasip1("fd_read", "iiii"), wasip1("poll_oneoff", "iiii"), wasip1("random_get", "ii")}
	drop := wasm.OpDrop
	// iovec at 0: 64 KiB from 0
	vector := code(i32(0), i32(0), wasm.OpI32Store, []byte{2, 0}, i32(4), i32(65536), wasm.OpI32Store, []byte{2, 0})
	write := code(i32(1), i32(0), i32(1), i32(8), wasm.OpCall, 2, drop)
	read := code(i32(0), i32(0), i32(1), i32(8), wasm.OpCall, 3, drop)
	// A subscription at 64: the clock of tag 0 at +8, its id at +16, its timeout at +24.
	sleep := func(ns int64) []byte {
		return code(i32(80), i32(1), wasm.OpI32Store, []byte{2, 0}, i32(88), i64(ns), wasm.OpI64Store, []byte{3, 0},
			i32(64), i32(256), i32(1), i32(512), wasm.OpCall, 4, drop)
	}
	short := runtime.Limits{Timeout: 100 * time.Millisecond}
	manyFuel := runtime.Limits{Timeout: 100 * time.Millisecond, Fuel: 1 << 60}
	pipe := func(s *runtime.Spec) { // nobody writes to it
		r, _ := io.Pipe()
		s.Stdin = r
	}
	fullPipe := func(s *runtime.Spec) { // nobody reads from it
		_, w := io.Pipe()
		s.Stdout = w
	}
	return []row{
		{name: "empty loop", module: spin, want: exceeds("fuel")},
		{name: "empty loop, by the clock", module: spin, want: exceeds("wall time"), limits: manyFuel},
		{name: "loop in the start function", module: inStart.module(), want: exceeds("fuel")},
		{name: "loop in the start function, by the clock", module: inStart.module(), want: exceeds("wall time"), limits: manyFuel},
		{name: "loop in _initialize", module: reactor.module(), want: exceeds("fuel")},
		{name: "loop in run", module: reactorRun.module(), want: exceeds("fuel")},
		{name: "loop of indirect calls", module: indirect.module(), want: exceeds("fuel")},
		{name: "tail calls of itself", module: tail.module(), want: exceeds("fuel")},
		{name: "two tail calls", module: mutual.module(), want: exceeds("fuel")},
		{name: "memory.fill without end", module: fill.module(), want: exceeds("fuel")},
		{name: "memory.fill, by the clock", module: fill.module(), want: exceeds("wall time"), limits: manyFuel},
		{name: "memory.copy without end", module: copies.module(), want: exceeds("fuel")},
		{name: "asks the clock without end", module: calls(clock, forever(i32(0), i64(0), i32(8), wasm.OpCall, 0, drop)).module(), want: exceeds("fuel")},
		{name: "yields without end", module: calls(clock, forever(wasm.OpCall, 1, drop)).module(), want: exceeds("wall time"), limits: manyFuel},
		{name: "writes without end", module: calls(clock, vector, forever(write)).module(), want: exceeds("wall time"), limits: manyFuel},
		{name: "reads an empty input without end", module: calls(clock, vector, forever(read)).module(), want: exceeds("wall time"), limits: manyFuel},
		{name: "random numbers without end", module: calls(clock, forever(i32(0), i32(65536), wasm.OpCall, 5, drop)).module(), want: exceeds("wall time"), limits: manyFuel},
		{name: "waits for input that never comes", module: calls(clock, vector, read).module(), want: exceeds("wall time"), limits: short, spec: pipe},
		{name: "waits for a reader that never comes", module: calls(clock, vector, write).module(), want: exceeds("wall time"), limits: short, spec: fullPipe},
		{name: "sleeps for an hour", module: calls(clock, sleep(3600e9)).module(), want: exceeds("wall time"), limits: short},
		{name: "sleeps for 2^63-1 ns", module: calls(clock, sleep(1<<63-1)).module(), want: exceeds("wall time"), limits: short},
		{name: "sleeps for 2^64-1 ns", module: calls(clock, sleep(-1)).module(), want: exceeds("wall time"), limits: short},
		{name: "sleeps without end, a little each time", module: calls(clock, forever(sleep(1))).module(), want: exceeds("wall time"), limits: manyFuel},
	}
}
