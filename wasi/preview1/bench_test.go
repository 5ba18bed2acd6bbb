package preview1

import (
	"io"
	"testing"

	"github.com/wherry-run/wherry/wasi"
)

// BenchmarkCalls measures what the host adds to the calls that programs make
// most.
func BenchmarkCalls(b *testing.B) {
	g := newGuest(b, func(c *Config) { c.Stdout = wasi.NewOutput(io.Discard) })
	fd := g.open("f", oflagCreat, rightsOfFile)
	g.write(fd, "some content of a file")
	iov, out, name := g.iovec(g.alloc(16), 16), g.alloc(64), g.put("f")
	sub := g.alloc(48)
	fdSub(g.mem[sub:], 0, eventFDWrite, 1)
	for _, bc := range []struct {
		name string
		args []uint64
	}{
		{"clock_time_get", []uint64{1, 0, uint64(out)}},
		{"fd_pread", []uint64{uint64(fd), uint64(iov), 1, 0, uint64(out)}},
		{"fd_pwrite", []uint64{uint64(fd), uint64(iov), 1, 0, uint64(out)}},
		{"fd_write", []uint64{1, uint64(iov), 1, uint64(out)}},
		{"path_filestat_get", []uint64{3, 1, uint64(name), 1, uint64(out)}},
		{"poll_oneoff", []uint64{uint64(sub), uint64(out), 1, uint64(out) + 32}},
	} {
		f := functionNamed(b, bc.name)
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if e, err := g.h.run(g.ctx, snapshot1, f, g.mem, bc.args); e != esuccess || err != nil {
					b.Fatal(e, err)
				}
			}
		})
	}
}
