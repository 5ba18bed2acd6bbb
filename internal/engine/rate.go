package engine

import (
	"strconv"
	"strings"
	"time"
)

// What is compiled in a second of processor time, in bytes of code, before this machine has shown what it can do.
const usualRate = 900_000

// rate estimates how many bytes of code are compiled in a second of processor time here. Other programs on the machine
// make a compile late; they hardly change what it costs.
func (e *Engine) rate() float64 {
	if e.cache != nil {
		if b, err := readBounded(e.cache.path(rateFile), 64); err == nil {
			if r, err := strconv.ParseFloat(strings.TrimSpace(string(b)), 64); err == nil && r > usualRate/100 && r < usualRate*1000 {
				return r
			}
		}
	}
	return usualRate
}

// learn remembers how fast a compile was, if it was long enough to tell. Losing it loses nothing but the precision of
// the next progress bar.
func (e *Engine) learn(code int64, took time.Duration) {
	if e.cache == nil || took < reportAfter {
		return
	}
	text := strconv.FormatFloat(float64(code)/took.Seconds(), 'f', 0, 64)
	_ = replaceFile(e.cache.path(rateFile), []byte(text))
}
