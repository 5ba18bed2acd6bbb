package hostile

import (
	"fmt"

	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/runtime"
)

// The errnos of WASI preview 1 that rows expect.
const (
	ebadf        = 8
	edquot       = 19
	eexist       = 20
	efault       = 21
	efbig        = 22
	eilseq       = 25
	einval       = 28
	emfile       = 33
	enametoolong = 37
	enfile       = 41
	enoent       = 44
	enospc       = 51
	enotdir      = 54
	enotsock     = 57
	eperm        = 63
	enotcapable  = 76
)

// pointers are calls of WASI with pointers, lengths and counts that lead out of
// the guest's memory or are absurd. One of each family; TestEveryFunction takes
// them all.
func pointers() []row {
	bad := exitsWith(efault, einval)
	var rows []row
	for _, c := range []struct {
		name, params string
		args         []int64
		want         ending
	}{
		{"args_get", "ii", []int64{-4, -4}, bad},
		{"args_sizes_get", "ii", []int64{65534, 65534}, bad},
		{"environ_get", "ii", []int64{0, 65535}, bad},
		{"environ_sizes_get", "ii", []int64{-1, 0}, bad},
		{"clock_time_get", "iIi", []int64{0, 0, 65530}, bad},
		{"clock_time_get", "iIi", []int64{77, 0, 0}, exits(einval)},
		{"clock_res_get", "ii", []int64{0, -8}, bad},
		{"random_get", "ii", []int64{0, 65537}, bad},
		{"random_get", "ii", []int64{1, -1}, bad},
		{"fd_write", "iiii", []int64{1, 0, -1, 0}, bad},
		{"fd_write", "iiii", []int64{1, 0, 0x20000000, 0}, bad}, // wraps to no bytes at all
		{"fd_write", "iiii", []int64{1, 0, 0x20000001, 0}, bad},
		{"fd_write", "iiii", []int64{1, 65533, 1, 0}, bad},
		{"fd_write", "iiii", []int64{1, 0, 1, -1}, bad},
		{"fd_read", "iiii", []int64{0, -8, 1, 0}, bad},
		{"fd_read", "iiii", []int64{0, 0, 0x20000000, 0}, bad},
		{"fd_pread", "iiiIi", []int64{3, 0, 1, 0, 0}, exitsWith(ebadf, enotcapable, 31)},
		{"fd_prestat_get", "ii", []int64{3, 65532}, bad},
		{"fd_prestat_dir_name", "iii", []int64{3, 65535, 1000}, exitsWith(efault, einval, enametoolong)},
		{"fd_readdir", "iiiIi", []int64{3, 65535, 100, 0, 0}, bad},
		{"fd_readdir", "iiiIi", []int64{3, 0, -1, -1, 0}, exitsWith(efault, einval, enoent)},
		{"fd_fdstat_get", "ii", []int64{3, 65520}, bad},
		{"fd_filestat_get", "ii", []int64{3, 65500}, bad},
		{"fd_seek", "iIii", []int64{3, -1, 99, 0}, exitsWith(einval, ebadf, enotcapable, 31)},
		{"path_open", "iiiiiIIii", []int64{3, 0, 65535, 10, 0, 0, 0, 0, 0}, bad},
		{"path_open", "iiiiiIIii", []int64{3, 0, 0, -1, 0, -1, -1, -1, 0}, bad},
		{"path_filestat_get", "iiiii", []int64{3, 0, 65530, 10, 0}, bad},
		{"path_readlink", "iiiiii", []int64{3, -1, 1, -1, 1, -1}, bad},
		{"path_rename", "iiiiii", []int64{3, 0, 1, 3, -9, 9}, bad},
		{"path_link", "iiiiiii", []int64{3, 0, -9, 9, 3, 0, 1}, bad},
		{"path_symlink", "iiiii", []int64{-9, 9, 3, 0, 1}, bad},
		{"poll_oneoff", "iiii", []int64{0, 0, 0, 0}, exits(einval)},
		{"poll_oneoff", "iiii", []int64{0, 0, -1, 0}, exitsWith(efault, einval, 48)},
		{"poll_oneoff", "iiii", []int64{65535, 65535, 1, 65535}, bad},
		{"sock_recv", "iiiiii", []int64{1, -1, -1, -1, -1, -1}, exitsWith(enotsock, efault, einval)},
		{"sock_accept", "iii", []int64{-1, 0, 65535}, exitsWith(ebadf, efault)},
		{"fd_close", "i", []int64{-1}, exits(ebadf)},
		{"fd_renumber", "ii", []int64{3, -1}, exits(ebadf)},
	} {
		rows = append(rows, row{name: fmt.Sprintf("%s%d", c.name, c.args), module: answer(c.name, c.params, c.args...).module(), want: c.want})
	}
	return rows
}

// imports are modules that ask for what nobody offers, or for what is ours.
func imports() []row {
	with := func(f hostFunc) guest { return calls([]hostFunc{f}) }
	other := func(kind wasm.ExternKind) guest {
		g := command()
		g.imports = []wasm.Import{{
			Module: "env", Name: "thing", Kind: kind,
			Table:  wasm.TableType{Elem: wasm.FuncRef, Size: wasm.Size{Min: 1}},
			Global: wasm.GlobalType{Type: wasm.I32},
		}}
		return g
	}
	shared := guest{
		imports: []wasm.Import{{Module: "env", Name: "memory", Kind: wasm.ExternMemory, Memory: wasm.MemoryType{Size: wasm.Size{Min: 1}}}},
		funcs:   []function{{}},
		exports: []wasm.Export{{Name: "_start", Kind: wasm.ExternFunc}},
	}
	reserved := func(name string, kind wasm.ExternKind) []byte {
		g := command()
		g.exports = append(g.exports, wasm.Export{Name: name, Kind: kind})
		return g.module()
	}
	misnamed := wasip1("fd_write", "iiii")
	misnamed.module = "wasi_snapshot_preview2"
	thread := hostFunc{"wasi", "thread-spawn", []wasm.ValueType{wasm.I32}, []wasm.ValueType{wasm.I32}}
	trap := func(s *runtime.Spec) { s.UnknownImports = true }
	return []row{
		{name: "imports a stranger's function", module: with(hostFunc{module: "env", name: "launch_missiles"}).module(), want: refused("launch_missiles")},
		{name: "imports a function that WASI lacks", module: with(hostFunc{module: "wasi_snapshot_preview1", name: "fd_fork"}).module(), want: refused("fd_fork")},
		{name: "imports from a later WASI", module: with(misnamed).module(), want: refused("wasi_snapshot_preview2")},
		{name: "imports fd_write with another type", module: with(wasip1("fd_write", "iiI")).module(), want: refused("fd_write")},
		{name: "imports proc_exit with a result", module: with(hostFunc{"wasi_snapshot_preview1", "proc_exit", []wasm.ValueType{wasm.I32}, []wasm.ValueType{wasm.I32}}).module(), want: refused("proc_exit")},
		{name: "imports thread-spawn", module: with(thread).module(), want: refused("thread-spawn")},
		{name: "imports a function with an empty name", module: with(hostFunc{}).module(), want: refused("")},
		{name: "imports a function with a terminal's words", module: with(hostFunc{module: "\x1b[31m", name: "x"}).module(), want: refused("[31m")},
		{name: "imports a table", module: other(wasm.ExternTable).module(), want: refused("thing")},
		{name: "imports a global", module: other(wasm.ExternGlobal).module(), want: refused("thing")},
		{name: "imports its memory", module: shared.module(), want: refused("memory")},
		{name: "imports our own yield", module: with(hostFunc{module: "wherry", name: "yield"}).module(), want: refused("wherry.yield")},
		{name: "imports our own yield, where unknown imports trap", module: with(hostFunc{module: "wherry", name: "yield"}).module(), want: refused("reserved"), spec: trap},
		{name: "imports anything of ours", module: with(hostFunc{module: "wherry", name: "x"}).module(), want: refused("reserved"), spec: trap},
		{name: "exports wherry.fuel", module: reserved("wherry.fuel", wasm.ExternFunc), want: refused("reserved")},
		{name: "exports wherry.memory", module: reserved("wherry.memory", wasm.ExternMemory), want: refused("reserved")},
		{name: "exports wherry.pending", module: reserved("wherry.pending", wasm.ExternFunc), want: refused("reserved")},
		{name: "calls a stranger's function that may be missing", module: func() []byte {
			return calls([]hostFunc{{module: "env", name: "launch_missiles"}}, wasm.OpCall, 0).module()
		}(), want: traps("launch_missiles"), spec: trap},
		{name: "has a memory that it does not export", module: func() []byte {
			g := answer("random_get", "ii", 0, 8)
			g.exports = g.exports[1:]
			return g.module()
		}(), want: exitsWith(0, efault)},
		{name: "calls WASI without a memory", module: func() []byte {
			g := answer("random_get", "ii", 0, 8)
			g.exports, g.memory = g.exports[1:], nil
			return g.module()
		}(), want: exits(efault)},
		{name: "exports a memory named _start", module: func() []byte {
			g := command()
			g.exports[0].Name, g.exports[1].Name = "_start", "main"
			return g.module()
		}(), want: refused("")},
		{name: "exports _start with parameters", module: func() []byte {
			g := command()
			g.types = []wasm.FuncType{{Params: []wasm.ValueType{wasm.I32}, Results: []wasm.ValueType{wasm.I32}}}
			g.funcs[0] = function{typ: 1, code: i32(0)}
			return g.module()
		}(), want: refused("_start")},
	}
}

// statuses are exit statuses that must not look like success.
func statuses() []row {
	var rows []row
	for _, code := range []int64{1, 125, 255, 256, 512, 65536, 1 << 24, 1 << 31, 1<<32 - 1} {
		g := calls([]hostFunc{wasip1("proc_exit", "i")}, i32(code), wasm.OpCall, 0)
		want := func(err error) string {
			if why := exits(uint32(code))(err); why != "" {
				return why
			}
			if status, _ := runtime.Status(err); status == 0 || status > 255 {
				return fmt.Sprintf("a status of one byte that is not 0, got %d", status)
			}
			return ""
		}
		rows = append(rows, row{name: fmt.Sprintf("exits with %d", code), module: g.module(), want: want})
	}
	return rows
}
