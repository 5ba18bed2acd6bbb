package engine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// mappedFrom is the file that an address of this process is mapped from; "" is none.
func mappedFrom(t *testing.T, code []byte) string {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(code)))
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x", &from, &to); n == 2 && from <= at && at < to {
			if fields := strings.Fields(line); len(fields) > 5 {
				return fields[5]
			}
			return ""
		}
	}
	t.Fatal("the code is nowhere")
	return ""
}

// Machine code is shared while it runs, and computes the same; what a file of its name
// holds is looked at first.
func TestShareCode(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("machine code is shared on Linux only")
	}
	dir := tempDir(t)
	bin := bulky(40, 300)
	e := newEngine(t, Config{CacheDir: dir})
	m := load(t, e, bin)
	code := m.code.machine
	if len(code) < sharedFrom {
		t.Fatalf("the machine code of a module is not found: %d bytes; this version of wazero has it elsewhere", len(code))
	}
	before := bytes.Clone(code)
	if name := mappedFrom(t, code); name != "" {
		t.Fatalf("the code is in %s before it is shared", name)
	}
	name := e.cache.path(machineDir, keyOf(bin))
	if err := os.MkdirAll(e.cache.path(machineDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, make([]byte, len(code)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.ShareCode(); err != nil {
		t.Fatal(err)
	}
	if mappedFrom(t, code) != "" || !bytes.Equal(code, before) {
		t.Fatal("a file with other bytes was taken for the code")
	}

	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		i := instance(t, e, m, InstanceConfig{})
		wg.Go(func() {
			for x := uint64(0); ctx.Err() == nil; x++ {
				if got, err := i.Call(t.Context(), "run", x&0xffff); err != nil || got[0] != x&0xffff+1 {
					t.Errorf("run(%d) = %v, %v", x, got, err)
					return
				}
			}
		})
	}
	for range 20 { // the second and all others map it again
		if err := e.ShareCode(); err != nil {
			t.Error(err)
		}
	}
	stop()
	wg.Wait()
	if got := mappedFrom(t, code); got != name || !bytes.Equal(code, before) {
		t.Errorf("the code is in %q, want %q", got, name)
	}

	// It stays when the file goes, and a module that is closed is left alone.
	if freed, err := e.SweepCode(0); err != nil || freed != int64(len(code)) {
		t.Errorf("swept %d bytes, %v", freed, err)
	}
	runs(t, e, m)
	if freed, err := e.SweepCode(time.Hour); err != nil || freed != 0 {
		t.Errorf("swept %d bytes of nothing, %v", freed, err)
	}
	if err := newEngine(t, Config{}).ShareCode(); err != nil {
		t.Errorf("without a cache: %v", err)
	}
}
