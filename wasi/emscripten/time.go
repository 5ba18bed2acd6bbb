package emscripten

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/wherry-run/wherry/wasi"
)

// timeForms are the functions of time. The only time zone is UTC: what a program
// answers does not depend on where it runs.
func (h *host) timeForms(name string) map[signature]call {
	switch name {
	case "emscripten_get_now":
		return map[signature]call{":d": milliseconds(func() time.Duration { return h.Clock.Monotonic() })}
	case "emscripten_date_now":
		return map[signature]call{":d": func(_ context.Context, _ *wasi.Guest, s []uint64) {
			s[0] = math.Float64bits(float64(h.Clock.Now().UnixMilli()))
		}}
	case "emscripten_get_now_res":
		return map[signature]call{":d": func(_ context.Context, _ *wasi.Guest, s []uint64) { s[0] = math.Float64bits(1000) }} // nanoseconds
	case "_emscripten_get_now_is_monotonic":
		return map[signature]call{":i": func(_ context.Context, _ *wasi.Guest, s []uint64) { s[0] = 1 }}
	case "_gmtime_js", "_localtime_js":
		return map[signature]call{
			"iii:": func(_ context.Context, g *wasi.Guest, s []uint64) {
				breakDown(g, int64(uint64(uint32(s[0]))|s[1]<<32), uint32(s[2]))
			},
			"li:": func(_ context.Context, g *wasi.Guest, s []uint64) { breakDown(g, int64(s[0]), uint32(s[1])) },
		}
	case "_mktime_js", "_timegm_js":
		return map[signature]call{
			"i:l": func(_ context.Context, g *wasi.Guest, s []uint64) { s[0] = uint64(putTogether(g, uint32(s[0]))) },
			"i:i": h.mktimeHalves,
		}
	case "_tzset_js":
		return map[signature]call{"iiii:": timeZone}
	case "strftime":
		return map[signature]call{"iiii:i": strftime}
	case "strftime_l":
		return map[signature]call{"iiiii:i": strftime}
	}
	return nil
}

func milliseconds(of func() time.Duration) call {
	return func(_ context.Context, _ *wasi.Guest, stack []uint64) {
		stack[0] = math.Float64bits(float64(of()) / float64(time.Millisecond))
	}
}

// The words of a struct tm, in bytes from its beginning.
const (
	tmSec    = 0
	tmMin    = 4
	tmHour   = 8
	tmDay    = 12
	tmMonth  = 16
	tmYear   = 20
	tmWeek   = 24
	tmInYear = 28
	tmDST    = 32
	tmOffset = 36
	tmBytes  = 44
)

// maxSeconds is what JavaScript's dates reach, either way from 1970.
const maxSeconds = 8_640_000_000_000

func breakDown(g *wasi.Guest, seconds int64, at uint32) {
	if seconds > maxSeconds || seconds < -maxSeconds {
		seconds = 0
	}
	store(g, at, time.Unix(seconds, 0).UTC())
}

func store(g *wasi.Guest, at uint32, t time.Time) {
	m := g.Memory()
	if _, ok := m.Read(at, tmBytes); !ok {
		g.Fail(&FaultError{"gmtime"})
	}
	for off, v := range map[uint32]int{
		tmSec: t.Second(), tmMin: t.Minute(), tmHour: t.Hour(), tmDay: t.Day(), tmMonth: int(t.Month()) - 1,
		tmYear: t.Year() - 1900, tmWeek: int(t.Weekday()), tmInYear: t.YearDay() - 1, tmDST: 0, tmOffset: 0,
	} {
		m.WriteUint32Le(at+off, uint32(int32(v)))
	}
}

// fetch reads a struct tm, whose numbers may be out of their ranges.
func fetch(g *wasi.Guest, at uint32) time.Time {
	m := g.Memory()
	if _, ok := m.Read(at, tmBytes); !ok {
		g.Fail(&FaultError{"mktime"})
	}
	word := func(off uint32) int {
		v, _ := m.ReadUint32Le(at + off)
		return int(int32(v))
	}
	// Years that JavaScript's dates have not are left to wrap: the answer is checked.
	return time.Date(word(tmYear)+1900, time.Month(word(tmMonth)+1), word(tmDay), word(tmHour), word(tmMin), word(tmSec), 0, time.UTC)
}

// putTogether gives the seconds of a struct tm, whose numbers it sets right.
func putTogether(g *wasi.Guest, at uint32) int64 {
	t := fetch(g, at)
	if s := t.Unix(); s > maxSeconds || s < -maxSeconds {
		return -1
	}
	store(g, at, t)
	return t.Unix()
}

// mktimeHalves gives the upper half by a call of the program's.
func (h *host) mktimeHalves(ctx context.Context, g *wasi.Guest, stack []uint64) {
	seconds := putTogether(g, uint32(stack[0]))
	if name := h.export("setTempRet0"); g.HasFunc(name) {
		if _, err := g.Call(ctx, name, uint64(uint32(seconds>>32))); err != nil {
			g.Fail(err)
		}
	}
	stack[0] = uint64(uint32(seconds))
}

// timeZone says that there is one time zone: timezone and daylight are zero, and both
// names are UTC.
func timeZone(_ context.Context, g *wasi.Guest, stack []uint64) {
	m := g.Memory()
	ok := m.WriteUint32Le(uint32(stack[0]), 0) && m.WriteUint32Le(uint32(stack[1]), 0)
	for _, at := range stack[2:4] {
		ok = ok && m.WriteString(uint32(at), "UTC\x00")
	}
	if !ok {
		g.Fail(&FaultError{"tzset"})
	}
}

// strftime writes a time by a format, and gives the length, 0 when there is no room
// for it and the zero behind it.
func strftime(_ context.Context, g *wasi.Guest, stack []uint64) {
	m, room := g.Memory(), uint64(uint32(stack[1]))
	out := format(text(m, uint32(stack[2])), fetch(g, uint32(stack[3])))
	if at := uint32(stack[0]); uint64(len(out))+1 > room {
		stack[0] = 0
	} else if !m.WriteString(at, out+"\x00") {
		g.Fail(&FaultError{"strftime"})
	} else {
		stack[0] = uint64(len(out))
	}
}

// format is strftime in the locale C.
func format(pattern string, t time.Time) string {
	var out strings.Builder
	for i := 0; i < len(pattern) && out.Len() < maxText; i++ {
		if pattern[i] != '%' || i+1 == len(pattern) {
			out.WriteByte(pattern[i])
			continue
		}
		i++
		if (pattern[i] == 'E' || pattern[i] == 'O') && i+1 < len(pattern) {
			i++ // other digits of a locale: there are none
		}
		out.WriteString(conversion(pattern[i], t))
	}
	return out.String()
}
