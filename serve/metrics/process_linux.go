package metrics

import (
	"fmt"
	"os"
)

// more reads what /proc has.
func (p *process) more() {
	p.open = entries("/proc/self/fd")
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return
	}
	var virtual, resident float64
	if _, err := fmt.Sscan(string(text), &virtual, &resident); err == nil {
		size := float64(os.Getpagesize())
		p.virtual, p.resident = virtual*size, resident*size
	}
}
