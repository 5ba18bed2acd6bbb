package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/runtime"
)

// measured is a program of which everything is known: it takes three pages more
// of memory than its two, goes a million times round a loop of five
// instructions, reads ten bytes, prints five and sleeps for 300 ms.
const measured = `(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "\20\00\00\00\0a\00\00\00" "\20\00\00\00\05\00\00\00") ;; where to read to and write from
  (data (i32.const 80) "\01")                      ;; a subscription at 64: the monotonic clock
  (data (i32.const 88) "\00\a3\e1\11\00\00\00\00") ;; 300,000,000 ns
  (func (export "_start") (local i32)
    (if (i32.ne (memory.grow (i32.const 3)) (i32.const 2)) (then unreachable))
    (local.set 0 (i32.const 1000000))
    (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 256)) (then unreachable))
    (if (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 256)) (then unreachable))
    (if (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 256)) (then unreachable))))`

func TestStatsAreTrue(t *testing.T) {
	const slept = 300 * time.Millisecond
	bin, cache := wat(t, measured), t.TempDir()
	var fuel uint64
	for _, cached := range []bool{false, true} {
		rt := open(t, cache, runtime.Totals{})
		var out bytes.Buffer
		c := createOn(t, rt, runtime.Program("m", bin), runtime.Spec{Stdin: strings.NewReader("0123456789"), Stdout: &out})
		began := time.Now()
		if err := c.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		total := time.Since(began)
		s := c.Stats()
		if out.String() != "01234" || s.Read != 10 || s.Written != 5 || s.Output != 5 || s.Programs != 1 {
			t.Errorf("read %d, wrote %d, printed %d of %q, %d programs", s.Read, s.Written, s.Output, out.String(), s.Programs)
		}
		if s.Memory != 0 || s.PeakMemory != 5<<16 || s.OpenFiles != 0 || s.PeakOpenFiles != 4 {
			t.Errorf("memory %d and %d at most, %d files and %d at most", s.Memory, s.PeakMemory, s.OpenFiles, s.PeakOpenFiles)
		}
		if s.Fuel < 4_000_000 || s.Fuel > 7_000_000 || cached && s.Fuel != fuel {
			t.Errorf("fuel %d for five million instructions, before %d", s.Fuel, fuel)
		}
		fuel = s.Fuel
		if s.Run < slept || s.CPU <= 0 || s.CPU > s.Run+s.Start-slept+50*time.Millisecond || s.Throttled != 0 {
			t.Errorf("ran for %s, computing %s, resting %s", s.Run, s.CPU, s.Throttled)
		}
		if made := s.Prepare > 0 && s.Compile > 0; made == cached || cached && s.Prepare+s.Compile > 0 {
			t.Errorf("cached %v: prepared for %s, compiled for %s", cached, s.Prepare, s.Compile)
		}
		if s.Load < s.Wait+s.Prepare+s.Compile || s.Load == 0 || s.Start <= 0 || s.Load+s.Start+s.Run > total {
			t.Errorf("%+v in %s altogether", s.Times, total)
		}
		if err := rt.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestStatsOfWhatWasStopped: who is stopped has used what it used.
func TestStatsOfWhatWasStopped(t *testing.T) {
	c := create(t, runtime.Program("probe", probeWasm(t)), runtime.Spec{Args: []string{"spin"}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for c.Stats().Fuel < 10_000_000 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if s := c.Stats(); s.Fuel < 10_000_000 || s.CPU <= 0 || s.Run <= 0 || s.PeakMemory == 0 || s.Memory != 0 {
		t.Errorf("%+v", s)
	}
}
