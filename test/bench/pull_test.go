package bench

import (
	"cmp"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/test/dock"
)

// BenchmarkPull is `wherry pull` of examples/iris from a registry on loopback into
// an empty home, and `wherry run` of it there, from the start of the first process
// to the end of the second: how long, how many bytes go over the wire, how much
// memory each process has at most, and how much of the unpacked image is read from
// the disk before the answer is there.
func BenchmarkPull(b *testing.B) {
	heavy(b)
	builder, _ := programs(b)
	image := "localhost/test-bench:iris"
	builder.Must(b, "", "build", "-q", "-t", image, filepath.Join(dock.Root(b), "examples", "iris"))
	registry := dock.Registry(b)
	builder.Must(b, "", "tag", image, registry+"/iris:1")
	builder.Must(b, "", "push", "-q", registry+"/iris:1")
	builder.Must(b, "", "rmi", registry+"/iris:1")
	wire := newWire(b, registry)
	name := wire.addr + "/iris:1"
	args := append([]string{"run", name}, flower...)
	for b.Loop() {
		var total, pulls, runs, work []time.Duration
		var pullPeak, runPeak, sent int64
		for range 3 {
			wherry := empty(b, builder)
			before := wire.received.Load()
			pull := command(b, wherry, "", "pull", "-q", name)
			sent = wire.received.Load() - before
			run := command(b, wherry, setosa, args...)
			if again := wire.received.Load() - before - sent; again > 0 {
				b.Fatalf("the run fetched %d bytes from the registry", again)
			}
			total, pulls, runs = append(total, pull.wall+run.wall), append(pulls, pull.wall), append(runs, run.wall)
			work = append(work, pull.cpu+run.cpu)
			pullPeak, runPeak = max(pullPeak, pull.peak), max(runPeak, run.peak)
		}
		for _, list := range [][]time.Duration{total, pulls, runs, work} {
			slices.Sort(list)
		}
		b.ReportMetric(megabytes(sent), "wire-MB")
		report(b, "answer-min-ms", least(total), time.Millisecond)
		report(b, "answer-median-ms", median(total), time.Millisecond)
		report(b, "answer-cpu-ms", least(work), time.Millisecond)
		report(b, "pull-min-ms", least(pulls), time.Millisecond)
		report(b, "run-min-ms", least(runs), time.Millisecond)
		b.ReportMetric(megabytes(pullPeak), "pull-peak-MB")
		b.ReportMetric(megabytes(runPeak), "run-peak-MB")
		readsOf(b, empty(b, builder), name, args)
	}
	quiet(b)
}

// empty is the program on a machine that has never run it.
func empty(b *testing.B, p dock.Program) dock.Program {
	p.Env = []string{"WHERRY_HOME=" + b.TempDir()}
	return p
}

// readsOf reports how much of an image is read between the pull and the answer. The
// image is pulled and unpacked, nothing of it is compiled, and nothing of the home
// is in the kernel's memory; then it is run, and what is in the kernel's memory
// afterwards has been read or mapped meanwhile, the kernel's reading ahead included.
// It is held against the whole: every content of the image once, and the memory of
// the snapshot.
func readsOf(b *testing.B, wherry dock.Program, name string, args []string) {
	b.Helper()
	command(b, wherry, "", "pull", "-q", name)
	command(b, wherry, setosa, args...) // unpacks it
	_, home, _ := strings.Cut(wherry.Env[0], "=")
	if err := os.RemoveAll(filepath.Join(home, "cache")); err != nil {
		b.Fatal(err)
	}
	kept, err := forget(home)
	if err != nil || kept > 1<<20 {
		b.Logf("NOT MEASURED: what is read after a pull: the kernel keeps %d bytes of the files: %v", kept, err)
		return
	}
	command(b, wherry, setosa, args...)
	files, err := inMemory(filepath.Join(home, "data"))
	if err != nil {
		b.Fatal(err)
	}
	of, memory := unpackedSize(b, filepath.Join(home, "data"), name)
	var image, fromImage, fromRest int64
	for _, size := range of {
		image += size
	}
	for path, n := range files {
		if _, ok := of["sha256:"+filepath.Base(path)]; ok {
			fromImage += n
		} else {
			fromRest += n
		}
	}
	b.ReportMetric(megabytes(image), "image-MB")
	b.ReportMetric(megabytes(memory), "snapshot-MB")
	b.ReportMetric(megabytes(fromImage), "read-of-image-MB")
	b.ReportMetric(megabytes(fromRest), "read-of-snapshot-MB")
	b.ReportMetric(float64(fromImage)/float64(image), "read/image")
	b.ReportMetric(float64(fromImage+fromRest)/float64(image+memory), "read/all")
	for _, name := range mostRead(files)[:4] {
		if info, err := os.Stat(name); err == nil {
			b.Logf("%.1f MB are read of the %.1f of %.20s...", megabytes(files[name]), megabytes(info.Size()), filepath.Base(name))
		}
	}
}

// mostRead are the files, those that most was read of first.
func mostRead(files map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(files), func(x, y string) int { return cmp.Compare(files[y], files[x]) })
}

// unpackedSize is the size of every content of an image, by its digest, and that of
// its largest snapshot; contents of a layer that is used in place are parts of one
// blob.
func unpackedSize(b *testing.B, data, name string) (sizes map[string]int64, memory int64) {
	b.Helper()
	s, err := store.Open(b.Context(), data)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	image, err := images.Open(b.Context(), s, name, images.Options{Pull: images.PullNever})
	if err != nil {
		b.Fatal(err)
	}
	defer image.Close()
	sizes = map[string]int64{}
	for _, l := range image.Layers() {
		for _, e := range l.Index.Entries {
			if r := e.Content; r.Digest != "" {
				sizes[r.Digest] = max(sizes[r.Digest], r.Offset+r.Size)
			}
		}
	}
	for _, snapshot := range image.Derived().Snapshots {
		memory = max(memory, int64(snapshot.Memory))
	}
	return sizes, memory
}

// wire is a way to a registry that counts what comes back.
type wire struct {
	addr     string
	received atomic.Int64
}

func newWire(b *testing.B, to string) *wire {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	w := &wire{addr: l.Addr().String()}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(in, to)
		}
	}()
	return w
}

// carry joins two connections until one ends.
func (w *wire) carry(in net.Conn, to string) {
	defer in.Close()
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		io.Copy(out, in)
		out.Close()
	}()
	io.Copy(in, io.TeeReader(out, w))
}

// Write implements io.Writer: it counts.
func (w *wire) Write(p []byte) (int, error) {
	w.received.Add(int64(len(p)))
	return len(p), nil
}
