package emscripten_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/wherry-run/wherry/wasi/emscripten"
)

// words are the first of a struct tm: second, minute, hour, day, month, year, day of
// the week and of the year, summer time.
func words(t testing.TB, m machine, at uint32) (w [9]int32) {
	t.Helper()
	for i := range w {
		v, ok := m.Memory().ReadUint32Le(at + 4*uint32(i))
		if !ok {
			t.Fatal("outside of the memory")
		}
		w[i] = int32(v)
	}
	return w
}

func TestBrokenDownTime(t *testing.T) {
	m := maker(t)(nil)
	for seconds, want := range map[int64][9]int32{
		0:              {0, 0, 0, 1, 0, 70, 4, 0, 0},
		-1:             {59, 59, 23, 31, 11, 69, 3, 364, 0},
		951827696:      {56, 34, 12, 29, 1, 100, 2, 59, 0}, // a leap day
		16725225600:    {0, 0, 0, 1, 0, 600, 5, 0, 0},      // the year 2500
		math.MaxInt64:  {0, 0, 0, 1, 0, 70, 4, 0, 0},
		-1 << 63:       {0, 0, 0, 1, 0, 70, 4, 0, 0},
		-62135596800:   {0, 0, 0, 1, 0, -1899, 1, 0, 0}, // the year 1
		-1<<31 - 86400: words0(-1<<31 - 86400),
	} {
		if _, err := m.call(t, "gmtime", uint64(seconds), 1000); err != nil {
			t.Fatal(err)
		}
		if got := words(t, m, 1000); got != want {
			t.Errorf("gmtime(%d) = %d, want %d", seconds, got, want)
		}
		if _, err := m.call(t, "localtime", uint64(uint32(seconds)), uint64(uint32(seconds>>32)), 1100); err != nil {
			t.Fatal(err)
		}
		if got := words(t, m, 1100); got != want {
			t.Errorf("localtime(%d) = %d, want %d", seconds, got, want)
		}
		if seconds == math.MaxInt64 || seconds == -1<<63 {
			continue
		}
		m.want(t, uint64(seconds), "timegm", 1000)
		m.want(t, uint64(uint32(seconds)), "mktime", 1100)
		m.want(t, uint64(uint32(seconds>>32)), "high")
	}
	// Numbers out of their ranges are set right; those of no date are refused.
	for i, v := range []int32{90, -1, 25, 0, 12, 100} {
		m.Memory().WriteUint32Le(1000+4*uint32(i), uint32(v))
	}
	m.want(t, uint64(time.Date(2000, 13, 0, 25, -1, 90, 0, time.UTC).Unix()), "timegm", 1000)
	for i := range uint32(9) {
		m.Memory().WriteUint32Le(1000+4*i, 1<<31-1)
	}
	m.want(t, 1<<64-1, "timegm", 1000)
	var fault *emscripten.FaultError
	for name, args := range map[string][]uint64{"gmtime": {0, far}, "localtime": {0, 0, far}, "timegm": {far}, "mktime": {2*64<<10 - 8}, "tzset": {0, 0, 0, far}} {
		if _, err := maker(t)(nil).call(t, name, args...); !errors.As(err, &fault) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func words0(seconds int64) [9]int32 {
	t := time.Unix(seconds, 0).UTC()
	return [9]int32{int32(t.Second()), int32(t.Minute()), int32(t.Hour()), int32(t.Day()), int32(t.Month()) - 1, int32(t.Year()) - 1900, int32(t.Weekday()), int32(t.YearDay()) - 1}
}

func TestStrftime(t *testing.T) {
	m := maker(t)(nil)
	if _, err := m.call(t, "gmtime", 951827696, 1000); err != nil { // Tuesday, 29 February 2000, 12:34:56
		t.Fatal(err)
	}
	for pattern, want := range map[string]string{
		"%Y-%m-%dT%H:%M:%S%z":  "2000-02-29T12:34:56+0000",
		"%a %A %b %B %h":       "Tue Tuesday Feb February Feb",
		"%c|%x|%X|%D|%F|%T|%R": "Tue Feb 29 12:34:56 2000|02/29/00|12:34:56|02/29/00|2000-02-29|12:34:56|12:34",
		"%C %y %G %g %V %U %W": "20 00 2000 00 09 09 09",
		"%j %u %w %e %I %p %r": "060 2 2 29 12 PM 12:34:56 PM",
		"%s %Z %n%t%% %Ey %Od": "951827696 UTC \n\t% 00 29",
		"%":                    "%",
		"%q":                   "%q",
		"":                     "",
	} {
		m.Memory().WriteString(2000, pattern+"\x00")
		m.want(t, uint64(len(want)), "strftime", 3000, 200, 2000, 1000)
		if b, _ := m.Memory().Read(3000, uint32(len(want))+1); string(b) != want+"\x00" {
			t.Errorf("%q gives %q, want %q", pattern, b, want)
		}
		m.want(t, 0, "strftime", 3000, uint64(len(want)), 2000, 1000) // no room for the zero
	}
	var fault *emscripten.FaultError
	if _, err := m.call(t, "strftime", far, 200, 2000, 1000); !errors.As(err, &fault) {
		t.Errorf("%v", err)
	}
}

func TestClock(t *testing.T) {
	m := maker(t)(nil)
	first, err := m.call(t, "now")
	if err != nil {
		t.Fatal(err)
	}
	second, _ := m.call(t, "now")
	if math.Float64frombits(second) <= math.Float64frombits(first) {
		t.Error("time stands still")
	}
}

// FuzzStrftime writes times by any pattern.
func FuzzStrftime(f *testing.F) {
	m := maker(f)(nil)
	f.Add("%c %V %G", int64(951827696))
	f.Add("%E%O%", int64(-1<<62))
	f.Fuzz(func(t *testing.T, pattern string, seconds int64) {
		if len(pattern) > 1000 {
			return
		}
		m.Memory().WriteString(2000, pattern+"\x00")
		if _, err := m.call(t, "gmtime", uint64(seconds), 1000); err != nil {
			t.Fatal(err)
		}
		if n, err := m.call(t, "strftime", 8192, 4096, 2000, 1000); err != nil || n > 4095 {
			t.Fatalf("%d, %v", n, err)
		}
	})
}
