// scratch: the Python module in parts.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/door"
	"github.com/wherry-run/wherry/wasi/preview1"
)

var t0 = time.Now()

func lap(s string) {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	fmt.Fprintf(os.Stderr, "%-14s %7.3f s cpu %6.2f rss max %d MB\n", s, time.Since(t0).Seconds(), float64(u.Utime.Nano()+u.Stime.Nano())/1e9, u.Maxrss>>10)
}
func ck(err error) {
	if err != nil {
		panic(err)
	}
}

type parts struct {
	once sync.Once
	open func() *prepare.Split
	s    *prepare.Split
	rec  bool
	n    int
}

func (p *parts) split() *prepare.Split { p.once.Do(func() { p.s = p.open() }); return p.s }
func (p *parts) Group(ctx context.Context, g uint32) (engine.Artifact, error) {
	p.n++
	x, err := p.split().Group(ctx, g, p.rec)
	if err != nil {
		return engine.Artifact{}, err
	}
	return artifact(x), nil
}
func (p *parts) GroupOf(s uint32) (uint32, bool, error) { g, ok := p.split().GroupOf(s); return g, ok, nil }
func (p *parts) Name(f uint32) string                    { return p.split().Name(f) }
func artifact(x *prepare.Part) engine.Artifact {
	e := &engine.Part{First: x.First, Origins: x.Origins}
	for _, f := range x.Fills {
		e.Fills = append(e.Fills, engine.Fill(f))
	}
	return engine.Artifact{Wasm: x.Wasm, Part: e}
}
func key(s ...any) string {
	h := sha256.Sum256([]byte(fmt.Sprint(s...)))
	return hex.EncodeToString(h[:])
}

func main() {
	wasm := flag.String("wasm", "/tmp/lead/py/python-snapshot.wasm", "")
	root := flag.String("root", "/tmp/lead/py/root", "")
	cache := flag.String("cache", "/tmp/lead/splitcache", "")
	hotFile := flag.String("hot", "", "")
	rec := flag.String("record", "", "")
	snap := flag.String("snap", "", "")
	restore := flag.String("restore", "", "")
	reps := flag.Int("n", 1, "")
	flag.Parse()
	ctx := context.Background()
	var turns = flag.Args()
	e, err := engine.New(ctx, engine.Config{CacheDir: *cache})
	ck(err)
	o := prepare.Options{EngineFixes: e.NeedsFixes(), Fuel: true}
	var factsKey string
	p := &parts{rec: *rec != ""}
	p.open = func() *prepare.Split {
		f, err := os.Open(*wasm)
		ck(err)
		st, _ := f.Stat()
		bin, err := syscall.Mmap(int(f.Fd()), 0, int(st.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
		ck(err)
		ff := *wasm + ".facts"
		var facts prepare.Facts
		if b, err := os.ReadFile(ff); err == nil {
			ck(facts.UnmarshalBinary(b))
		} else {
			fx, err := prepare.Survey(ctx, bin, o)
			ck(err)
			facts = *fx
			b, _ := facts.MarshalBinary()
			ck(os.WriteFile(ff, b, 0o644))
			lap("survey")
		}
		fmt.Fprintf(os.Stderr, "facts: %d bodies, pinned %d, exceptions %v, whole %q\n", len(facts.Bodies), len(facts.Pinned), facts.Exceptions, facts.Whole)
		s, err := prepare.NewSplit(bin, &facts, o)
		ck(err)
		lap("open split")
		return s
	}
	var hot []uint32
	var hb []byte
	if *hotFile != "" {
		hb, err = os.ReadFile(*hotFile)
		ck(err)
		ck(json.Unmarshal(hb, &hot))
	}
	type snapMeta struct {
		Size    uint64
		Globals []uint64
	}
	var meta snapMeta
	var image *engine.Image
	if *restore != "" {
		b, err := os.ReadFile(*restore + ".json")
		ck(err)
		ck(json.Unmarshal(b, &meta))
		f, err := os.Open(*restore + ".img")
		ck(err)
		image = &engine.Image{File: f, Size: meta.Size, Globals: meta.Globals}
	}
	popts := prepare.PrimaryOptions{Hot: hot, Record: *rec != "", Pages: uint32(meta.Size >> 16)}
	base := key(*wasm, factsKey, o.SplitKey(), e.Identity(), popts.Record)
	m, err := e.LoadParts(ctx, key(base, hb, popts.Pages), base, func(ctx context.Context) (engine.Artifact, error) {
		x, err := p.split().Primary(ctx, popts)
		if err != nil {
			return engine.Artifact{}, err
		}
		fmt.Fprintf(os.Stderr, "primary %d bytes, %d funcs, %d fills\n", len(x.Wasm), len(x.Origins), len(x.Fills))
		lap("primary")
		return artifact(x), nil
	}, p, nil)
	ck(err)
	lap("load")
	tree, err := rootfs.New(rootfs.Options{Mounts: []rootfs.Mount{{Target: "usr", Host: *root + "/usr", ReadOnly: true}, {Target: "m", Host: *root + "/m", ReadOnly: true}, {Target: "tmp", MaxBytes: 1 << 20}}})
	ck(err)
	h, err := preview1.New(preview1.Config{Args: []string{"/usr/local/bin/python.wasm"}, Env: []string{"TMPDIR=/tmp", "PYTHONTZPATH=", "HOME=/root"},
		Stdout: wasi.NewOutput(os.Stdout), Stderr: wasi.NewOutput(os.Stderr), Clock: wasi.NewSystemClock(), Random: wasi.SystemRandom(), Tree: tree,
		Preopens: []preview1.Preopen{{GuestPath: "/", Node: tree.Root()}}})
	ck(err)
	i, err := e.Instantiate(ctx, m, engine.InstanceConfig{Imports: []wasi.HostModule{h.Module(), door.New(nil)}, Image: image, UnknownImports: engine.TrapCalls})
	ck(err)
	lap("instantiate")
	turn := func(src string) {
		r, err := i.Call(ctx, "host_alloc", uint64(len(src)))
		ck(err)
		i.Memory().WriteString(uint32(r[0]), src)
		r, err = i.Call(ctx, "turn", r[0], uint64(len(src)))
		if err != nil || r[0] != 0 {
			fmt.Fprintln(os.Stderr, "turn:", r, err)
			if t, ok := err.(*engine.Trap); ok {
				fmt.Fprintln(os.Stderr, t.Backtrace())
			}
		}
	}
	for n, s := range turns {
		if n == len(turns)-1 && *rec != "" {
			i.ForgetHits()
		}
		if n == len(turns)-1 && *snap != "" {
			mem, _ := i.Memory().Read(0, uint32(i.Memory().Size()))
			ck(os.WriteFile(*snap+".img", mem, 0o644))
			b, _ := json.Marshal(snapMeta{i.Memory().Size(), i.Globals()})
			ck(os.WriteFile(*snap+".json", b, 0o644))
			lap("snapshot")
		}
		for range *reps {
			turn(s)
			lap(fmt.Sprint("turn ", n, " groups ", i.Groups(), " made ", p.n))
		}
	}
	if *rec != "" {
		b, _ := json.Marshal(i.Hits())
		ck(os.WriteFile(*rec, b, 0o644))
		fmt.Fprintln(os.Stderr, "hits", len(i.Hits()))
	}
	if image != nil {
		t := time.Now()
		err := i.Reset(image)
		fmt.Fprintln(os.Stderr, "reset", time.Since(t), err)
		turn(turns[len(turns)-1])
		lap("turn after reset")
	}
	ck(i.Close(ctx))
	ck(e.Close(ctx))
}
