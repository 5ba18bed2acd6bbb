package hostile

import (
	"bytes"

	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/runtime"
)

// greedy are modules that take more of the machine than they were given:
// memory, tables, stack, descriptors, disk.
func greedy() []row {
	pages := func(min uint32) guest {
		g := command()
		g.memory = &wasm.MemoryType{Size: wasm.Size{Min: min}}
		return g
	}
	// grows as long as it is let, then exits with the number of pages.
	grow := func(step int64, touch ...any) guest {
		return calls([]hostFunc{wasip1("proc_exit", "i")},
			wasm.OpLoop, []byte{empty}, i32(step), wasm.OpMemoryGrow, []byte{0}, i32(-1), wasm.OpI32Ne,
			wasm.OpIf, []byte{empty}, code(touch...), wasm.OpBr, 1, []byte{end}, []byte{end},
			wasm.OpMemorySize, []byte{0}, wasm.OpCall, 0)
	}
	touch := code(wasm.OpMemorySize, []byte{0}, i32(65536), wasm.OpI32Mul, i32(65536), wasm.OpI32Sub, i32(1), wasm.OpI32Store, []byte{2, 0})
	table := func(step int64, initial int64) guest {
		g := calls([]hostFunc{wasip1("proc_exit", "i")},
			wasm.OpLoop, []byte{empty}, []byte{0xd0, 0x70}, i32(step), wasm.OpTableGrow, 0, i32(-1), wasm.OpI32Ne, wasm.OpBrIf, 0, []byte{end},
			i32(7), wasm.OpCall, 0)
		g.tables = []wasm.TableType{{Elem: wasm.FuncRef, Size: wasm.Size{Min: uint32(initial)}}}
		return g
	}
	recursion := command(wasm.OpCall, 0)
	wideRecursion := command(wasm.OpCall, 0).local(wasm.V128, 2_000)
	indirect := command(i32(0), []byte{0x11, 0, 0})
	indirect.tables = []wasm.TableType{{Elem: wasm.FuncRef, Size: wasm.Size{Min: 1}}}
	indirect.elems = []byte{1, 0, 0x41, 0, end, 1, 0}
	startRecursion := command()
	startRecursion.funcs = append(startRecursion.funcs, function{code: code(wasm.OpCall, 1)})
	startRecursion.start = new(uint32(1))

	open := "iiiiiIIii"
	files := []hostFunc{wasip1("path_open", open), wasip1("proc_exit", "i"), wasip1("fd_write", "iiii"), wasip1("fd_allocate", "iII"), wasip1("fd_filestat_set_size", "iI"), wasip1("path_create_directory", "iii"), wasip1("fd_pwrite", "iiiIi"), wasip1("path_symlink", "iiiii"), wasip1("fd_renumber", "ii")}
	// creates the file x of the root (its name at 0) and leaves the errno.
	create := code(i32(3), i32(0), i32(0), i32(1), i32(1), i64(-1), i64(-1), i32(0), i32(16), wasm.OpCall, 0)
	fd := code(i32(16), wasm.OpI32Load, []byte{2, 0})
	name := code(i32(0), i32('x'), wasm.OpI32Store, []byte{2, 0})
	// exits with the first errno that is not 0.
	until := func(parts ...any) []byte {
		return code(wasm.OpLoop, []byte{empty}, code(parts...), wasm.OpLocalTee, 0, wasm.OpI32Eqz, wasm.OpBrIf, 0, []byte{end}, wasm.OpLocalGet, 0, wasm.OpCall, 1)
	}
	do := func(parts ...any) []byte { return calls(files, parts...).local(wasm.I32, 2).module() }
	vector := code(i32(32), i32(1024), wasm.OpI32Store, []byte{2, 0}, i32(36), i32(60_000), wasm.OpI32Store, []byte{2, 0})
	// The name of a directory counts up in four letters at 40.
	next := code(wasm.OpLocalGet, 1, i32(1), wasm.OpI32Add, wasm.OpLocalSet, 1,
		i32(40), wasm.OpLocalGet, 1, i32(0x0f0f0f0f), wasm.OpI32And, i32(0x61616161), wasm.OpI32Add, wasm.OpI32Store, []byte{2, 0})
	disk := exitsWith(enospc, edquot)
	slow := bound{memory: 500 * mib}
	return []row{
		{name: "4 GiB of memory to begin with", module: pages(65535).module(), want: exceeds("memory")},
		{name: "more memory than the limit to begin with", module: pages(1025).module(), want: exceeds("memory")},
		{name: "all of the limit to begin with", module: pages(1024).module(), want: exits(0)},
		{name: "grows memory page by page", module: grow(1).module(), want: exits(1024)},
		{name: "grows memory and touches it", module: grow(1, touch).module(), want: exits(1024)},
		{name: "grows memory by 2^32-1 pages", module: grow(-1).module(), want: exits(1)},
		{name: "grows memory by 2^31 pages", module: grow(1 << 31).module(), want: exits(1)},
		{name: "grows a table one by one", module: table(1, 0).module(), want: exceeds("fuel"), bound: slow},
		{name: "grows a table by millions", module: table(1_000_000, 0).module(), want: exitsWith(7), bound: slow},
		{name: "grows a table by 2^32-1", module: table(-1, 1).module(), want: exits(7)},
		{name: "recursion", module: recursion.module(), want: traps("stack"), limits: runtime.Limits{Fuel: 1 << 40}, bound: bound{memory: 900 * mib}},
		{name: "recursion with 32 KB of locals", module: wideRecursion.module(), want: traps("stack"), limits: runtime.Limits{Fuel: 1 << 40}, bound: bound{memory: 900 * mib}},
		{name: "indirect recursion", module: indirect.module(), want: traps("stack"), limits: runtime.Limits{Fuel: 1 << 40}, bound: bound{memory: 900 * mib}},
		{name: "recursion in the start function", module: startRecursion.module(), want: traps("stack"), limits: runtime.Limits{Fuel: 1 << 40}, bound: bound{memory: 900 * mib}},
		{name: "data outside of the memory", module: func() []byte {
			g := command()
			g.data = append([]byte{1, 0}, append(i32(65536), end, 1, 'x')...)
			return g.module()
		}(), want: traps("memory")},
		// The engine leaves such elements out; the text wants a trap. It does no harm.
		{name: "elements outside of the table", module: func() []byte {
			g := command()
			g.tables = []wasm.TableType{{Elem: wasm.FuncRef, Size: wasm.Size{Min: 1}}}
			g.elems = []byte{1, 0, 0x41, 5, end, 1, 0}
			return g.module()
		}(), want: func(err error) string {
			if exits(0)(err) == "" || traps("table")(err) == "" {
				return ""
			}
			return "success or a trap"
		}},
		{name: "opens files without end", module: do(name, until(create)), want: exitsWith(emfile, enfile)},
		{name: "renumbers to 2^31", module: do(name, until(create, wasm.OpDrop, fd, i32(1<<31-1), wasm.OpCall, 8)), want: exitsWith(ebadf, emfile)},
		{name: "writes a file without end", module: do(name, vector, create, wasm.OpDrop, until(fd, i32(32), i32(1), i32(48), wasm.OpCall, 2)), want: disk},
		{name: "allocates 2^62 bytes", module: do(name, create, wasm.OpDrop, until(fd, i64(0), i64(1<<62), wasm.OpCall, 3)), want: exitsWith(enospc, edquot, efbig)},
		{name: "allocates 2^64-1 bytes", module: do(name, create, wasm.OpDrop, until(fd, i64(-1), i64(-1), wasm.OpCall, 3)), want: exitsWith(einval, efbig)},
		{name: "sets a size of 2^62", module: do(name, create, wasm.OpDrop, until(fd, i64(1<<62), wasm.OpCall, 4), []byte{0x00}), want: exitsWith(enospc, edquot, efbig)},
		{name: "sets a size of 2^63", module: do(name, create, wasm.OpDrop, until(fd, i64(-1<<63), wasm.OpCall, 4)), want: exitsWith(einval, efbig)},
		{name: "writes at 2^63-1", module: do(name, vector, create, wasm.OpDrop, until(fd, i32(32), i32(1), i64(1<<63-1), i32(48), wasm.OpCall, 6)), want: exitsWith(einval, efbig, enospc, edquot)},
		{name: "makes directories without end", module: do(until(next, i32(3), i32(40), i32(4), wasm.OpCall, 5, wasm.OpLocalTee, 0, wasm.OpLocalGet, 0, i32(eexist), wasm.OpI32Eq, []byte{0x04, 0x7f}, i32(0), wasm.OpElse, wasm.OpLocalGet, 0, []byte{end}, wasm.OpLocalSet, 0, wasm.OpDrop, wasm.OpLocalGet, 0)), want: func(err error) string {
			if exceeds("fuel")(err) == "" || disk(err) == "" {
				return ""
			}
			return "a full disk or no fuel left"
		}, bound: slow},
		{name: "a symlink of 60,000 bytes", module: do(until(i32(1024), i32(60_000), i32(3), i32(40), i32(1), wasm.OpCall, 7)), want: exitsWith(enametoolong, einval, eilseq)},
		{name: "a name of 60,000 bytes", module: do(until(func() []byte {
			fill := code(i32(1024), i32('n'), i32(60_000), wasm.OpMemoryFill, []byte{0})
			return append(fill, code(i32(3), i32(1024), i32(60_000), wasm.OpCall, 5)...)
		}())), want: exits(enametoolong)},
		{name: "a path of 30,000 parents", module: do(until(func() []byte {
			var b []byte
			b = append(b, code(i32(1024), i32('/'), i32(60_000), wasm.OpMemoryFill, []byte{0})...)
			return append(b, code(i32(3), i32(1024), i32(60_000), wasm.OpCall, 5)...)
		}())), want: exitsWith(enametoolong, enotcapable, eperm)},
		{name: "throws and nobody catches", module: thrower(nil), want: traps("exception")},
		{name: "throws in the start function", module: thrower(new(uint32(0))), want: traps("")},
		{name: "unreachable", module: command(wasm.OpUnreachable).module(), want: traps("unreachable")},
		{name: "reads behind the memory", module: command(i32(-4), wasm.OpI32Load, []byte{2, 0}, wasm.OpDrop).module(), want: traps("memory")},
		{name: "reads far behind the memory", module: command(i32(-1), wasm.OpI32Load, append([]byte{2}, 0xff, 0xff, 0xff, 0xff, 0x0f), wasm.OpDrop).module(), want: traps("memory")},
		{name: "divides by zero", module: command(i32(1), i32(0), []byte{0x6d}, wasm.OpDrop).module(), want: traps("divide")},
		{name: "calls an empty table entry", module: func() []byte {
			g := command(i32(0), []byte{0x11, 0, 0})
			g.tables = []wasm.TableType{{Elem: wasm.FuncRef, Size: wasm.Size{Min: 1}}}
			return g.module()
		}(), want: traps("table")},
		{name: "calls behind the table", module: func() []byte {
			g := command(i32(-1), []byte{0x11, 0, 0})
			g.tables = []wasm.TableType{{Elem: wasm.FuncRef, Size: wasm.Size{Min: 1}}}
			return g.module()
		}(), want: traps("table")},
		{name: "data of 50 MiB in 50 segments", module: func() []byte {
			g := pages(1000)
			g.data = wasm.AppendU32(nil, 50)
			for i := range 50 {
				g.data = append(append(append(g.data, 0), i32(int64(i)*mib)...), end)
				g.data = wasm.AppendBytes(g.data, bytes.Repeat([]byte{1}, mib))
			}
			return g.module()
		}(), want: exits(0), bound: bound{memory: 500 * mib}},
	}
}

// thrower throws an exception that nobody catches.
func thrower(start *uint32) []byte {
	g := command([]byte{0x08, 0})
	g.tags = []uint32{0}
	g.start = start
	return g.module()
}
