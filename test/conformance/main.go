// Command conformance runs the official WASI test suite, preview 1, through
// our own stack: every module is prepared, compiled and run over a tree, bare
// and in a container.
//
//	go run ./test/conformance [flags] CHECKOUT
//
// CHECKOUT is a copy of the suite with its built modules (the branch
// prod/testsuite-base of WebAssembly/wasi-testsuite); it is not changed. The
// last lines say how many passed and why the others did not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are what the command line says.
type options struct {
	files    string // where the guest's files are: "layers", "mount" or "container"
	prepared bool
	cache    string
	only     string
	min      int
	timeout  time.Duration
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.files, "files", "layers,mount,container", "how tests run: over layers of an image, over a mounted folder, in a container, or all in turn")
	flags.BoolVar(&o.prepared, "prepared", true, "prepare the modules: checked, fixed, lowered, metered")
	flags.StringVar(&o.cache, "cache", "", "folder for compiled modules (none)")
	flags.StringVar(&o.only, "only", "", "run only tests whose name contains this")
	flags.IntVar(&o.min, "min", -1, "how many must pass (all)")
	flags.DurationVar(&o.timeout, "timeout", time.Minute, "time for one test")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() != 1 {
		fmt.Fprintln(stderr, "conformance: name the folder of the suite, with the built modules")
		return 2
	}
	tests, err := findTests(flags.Arg(0), o.only)
	if err != nil {
		fmt.Fprintln(stderr, "conformance:", err)
		return 2
	}
	code := 0
	for files := range strings.SplitSeq(o.files, ",") {
		o.files = files
		if err := runAll(ctx, o, tests, stdout); err != nil {
			fmt.Fprintln(stderr, "conformance:", err)
			code = 1
		}
	}
	return code
}

// runAll runs every test once and reports.
func runAll(ctx context.Context, o options, tests []test, stdout io.Writer) error {
	r, err := newRunner(ctx, o)
	if err != nil {
		return err
	}
	defer r.close(ctx)
	start, passed, excused := time.Now(), 0, 0
	for _, t := range tests {
		err := r.run(ctx, t)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			passed++
			continue
		}
		if why := known(o.files, t.name); why != "" {
			excused++
			fmt.Fprintf(stdout, "KNOWN %s: %s\n", t.name, why)
			continue
		}
		fmt.Fprintf(stdout, "FAIL %s\n     %s\n", t.name, strings.ReplaceAll(err.Error(), "\n", "\n     "))
	}
	fmt.Fprintf(stdout, "files from %s, %v:\n%d passed, %d failed", o.files, time.Since(start).Round(time.Second), passed, len(tests)-passed)
	if excused > 0 {
		fmt.Fprintf(stdout, ", %d of them for a known reason", excused)
	}
	fmt.Fprintln(stdout)
	want := len(tests) - excused
	if o.min >= 0 {
		want = min(o.min, want)
	}
	if passed < want {
		return errors.New("too few tests passed")
	}
	return nil
}
