package preview1

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/wasi"
)

func TestFunctionsAreTheWholeABI(t *testing.T) {
	const abi = `args_get args_sizes_get environ_get environ_sizes_get clock_res_get clock_time_get
fd_advise fd_allocate fd_close fd_datasync fd_fdstat_get fd_fdstat_set_flags fd_fdstat_set_rights fd_filestat_get
fd_filestat_set_size fd_filestat_set_times fd_pread fd_prestat_get fd_prestat_dir_name fd_pwrite fd_read fd_readdir
fd_renumber fd_seek fd_sync fd_tell fd_write path_create_directory path_filestat_get path_filestat_set_times path_link
path_open path_readlink path_remove_directory path_rename path_symlink path_unlink_file poll_oneoff proc_exit proc_raise
sched_yield random_get sock_accept sock_recv sock_send sock_shutdown`
	var got []string
	for _, f := range functions() {
		got = append(got, f.name)
	}
	if want := strings.Fields(abi); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("functions: %v\nwant: %v", got, want)
	}
}

func TestArgsAndEnv(t *testing.T) {
	g := newGuest(t, func(c *Config) { c.Args, c.Env = []string{"prog", "", "ä b"}, []string{"A=1", "B="} })
	for _, tc := range []struct {
		prefix string
		want   []string
	}{{"args", []string{"prog", "", "ä b"}}, {"environ", []string{"A=1", "B="}}} {
		count, size := g.alloc(4), g.alloc(4)
		g.ok(tc.prefix+"_sizes_get", count, size)
		if g.u32(count) != uint32(len(tc.want)) || g.u32(size) != stringBytes(tc.want) {
			t.Errorf("%s: %d strings of %d bytes", tc.prefix, g.u32(count), g.u32(size))
		}
		table, buf := g.alloc(4*len(tc.want)), g.alloc(int(g.u32(size)))
		g.ok(tc.prefix+"_get", table, buf)
		for i, want := range tc.want {
			at := g.u32(table + uint32(4*i))
			if got := string(g.mem[at : at+uint32(len(want))+1]); got != want+"\x00" {
				t.Errorf("%s %d: %q, want %q", tc.prefix, i, got, want)
			}
		}
		g.want(efault, tc.prefix+"_get", table, testMemory-2)
	}
}

func TestStartIsChecked(t *testing.T) {
	for _, c := range []Config{
		{Args: []string{"a\x00b"}},
		{Env: []string{"NOVALUE"}},
		{Env: []string{"A=\x00"}},
		{Args: []string{strings.Repeat("x", maxStartBytes)}},
		{Limits: Limits{FDs: -1}},
		{Limits: Limits{Subscriptions: maxSubscriptions + 1}},
		{Limits: Limits{FDs: 2}},
		{Preopens: []Preopen{{GuestPath: "/"}}},
	} {
		if h, err := New(c); err == nil {
			h.Close()
			t.Errorf("New(%.60v) succeeded", c)
		}
	}
}

func TestProcExitKeepsTheWholeCode(t *testing.T) {
	g := newGuest(t, nil)
	for _, code := range []uint32{0, 1, 256, 1 << 31} {
		g.call("proc_exit", code)
		var end *exit
		if !errors.As(g.unwind, &end) || end.code != code {
			t.Errorf("proc_exit(%d) unwinds with %v", code, g.unwind)
		}
	}
}

func TestProcRaise(t *testing.T) {
	g := newGuest(t, nil)
	for sig, want := range map[uint32]errno{0: esuccess, 16: esuccess, 17: esuccess, 27: esuccess, 18: enotsup, 21: enotsup, 31: einval} {
		g.want(want, "proc_raise", sig)
	}
	for _, sig := range []uint32{6, 9, 15} {
		g.call("proc_raise", sig)
		var end *exit
		if !errors.As(g.unwind, &end) || end.code != 128+sig {
			t.Errorf("proc_raise(%d) unwinds with %v", sig, g.unwind)
		}
	}
}

func TestRandom(t *testing.T) {
	var got [2]string
	for i := range got {
		g := newGuest(t, nil)
		at := g.alloc(64)
		g.ok("random_get", at, 64)
		g.ok("random_get", testMemory, 0)
		g.want(efault, "random_get", testMemory-1, 2)
		got[i] = string(g.mem[at : at+64])
	}
	if got[0] != got[1] || got[0] == strings.Repeat("\x00", 64) {
		t.Errorf("a seeded stream gives %x, then %x", got[0], got[1])
	}
}

func TestClocks(t *testing.T) {
	g := newGuest(t, func(c *Config) { c.Clock = wasi.NewFixedClock(testStart) })
	out := g.alloc(8)
	read := func(id uint32) uint64 {
		t.Helper()
		g.ok("clock_time_get", id, 0, out)
		return g.u64(out)
	}
	first := read(clockRealtime)
	if d := time.Duration(first) - time.Duration(testStart.UnixNano()); d < 0 || d > time.Millisecond {
		t.Errorf("the clock starts %v after its start", d)
	}
	if again := read(clockRealtime); again <= first {
		t.Errorf("time stands still: %d, %d", first, again)
	}
	if a, b := read(clockMonotonic), read(clockMonotonic); a == 0 || b <= a {
		t.Errorf("monotonic: %d, %d", a, b)
	}
	before := read(clockProcessCPU)
	g.sleep(time.Hour)
	if spent := read(clockThreadCPU) - before; spent > uint64(time.Second) {
		t.Errorf("an hour of sleep took %v of CPU time", time.Duration(spent))
	}
	if slept := read(clockRealtime) - first; slept < uint64(time.Hour) {
		t.Errorf("an hour of sleep took %v", time.Duration(slept))
	}
	for id := range uint32(4) {
		g.ok("clock_res_get", id, out)
		if g.u64(out) == 0 {
			t.Errorf("clock %d has no resolution", id)
		}
	}
	g.want(einval, "clock_res_get", 4, out)
	g.want(einval, "clock_time_get", 4, 0, out)
}
