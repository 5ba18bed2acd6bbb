package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/packager/bases"
	"github.com/wherry-run/wherry/runtime"
)

// finding is one line of wherry doctor.
type finding struct {
	Check  string
	Status string // "ok", "missing" or "fail"
	Detail string
	Advice string
}

func (a *app) doctorCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check that everything works on this machine, and say what it can do",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := a.diagnose(cmd.Context())
			failed := false
			for _, f := range findings {
				failed = failed || f.Status == "fail"
			}
			columns := []ux.Column{{Heading: "CHECK", Field: "Check"}, {Heading: "STATUS", Field: "Status"}, {Heading: "DETAIL", Field: "Detail"}}
			if err := ux.List(a.Out, format, columns, findings); err != nil {
				return err
			}
			for _, f := range findings {
				if f.Advice != "" {
					fmt.Fprintf(a.Err, "%s: %s\n", f.Check, f.Advice)
				}
			}
			if failed {
				return errors.New("something that Wherry needs does not work here")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "Go template, table TEMPLATE, or json")
	return cmd
}

func (a *app) diagnose(ctx context.Context) []finding {
	var list []finding
	p, err := locate(a.env)
	if err != nil {
		return []finding{{"folders", "fail", err.Error(), "set WHERRY_HOME to a folder that Wherry may use"}}
	}
	list = append(list, checkFolder("images", p.Data), checkFolder("cache", p.Cache))
	list = append(list, a.checkEngine(ctx)...)
	list = append(list, a.checkStore(ctx))
	for _, tool := range []struct{ check, why string }{
		{"go", "FROM toolchain:go"}, {"clang", "FROM toolchain:c"},
	} {
		list = append(list, checkTool(ctx, tool.check, tool.why))
	}
	return append(list, checkAny(ctx, "python packages", "the python base and RUN pip install", "uv", "pip", "pip3", "python3", "python"))
}

func checkFolder(name, dir string) finding {
	f := finding{Check: name + " folder", Status: "ok", Detail: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		f.Status, f.Detail, f.Advice = "fail", err.Error(), "make it writable, or set WHERRY_HOME"
		return f
	}
	probe, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		f.Status, f.Detail, f.Advice = "fail", err.Error(), "make it writable, or set WHERRY_HOME"
		return f
	}
	probe.Close()
	os.Remove(probe.Name())
	return f
}

// selfTest is a module of 148 bytes that writes "ok" to its standard output:
//
//	(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
//	(memory (export "memory") 1)
//	(data (i32.const 0) "\08\00\00\00\02\00\00\00ok")
//	(func (export "_start") (drop (call 0 (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))))
var selfTest = []byte("\x00asm\x01\x00\x00\x00" +
	"\x01\x0c\x02\x60\x04\x7f\x7f\x7f\x7f\x01\x7f\x60\x00\x00" +
	"\x02\x23\x01\x16wasi_snapshot_preview1\x08fd_write\x00\x00" +
	"\x03\x02\x01\x01" +
	"\x05\x03\x01\x00\x01" +
	"\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x01" +
	"\x0a\x0f\x01\x0d\x00\x41\x01\x41\x00\x41\x01\x41\x10\x10\x00\x1a\x0b" +
	"\x0b\x10\x01\x00\x41\x00\x0b\x0a\x08\x00\x00\x00\x02\x00\x00\x00ok")

func (a *app) checkEngine(ctx context.Context) []finding {
	fail := func(err error) []finding {
		return []finding{{"engine", "fail", err.Error(), "please report this with the output of: wherry version"}}
	}
	rt, err := a.runtime(ctx)
	if err != nil {
		return fail(err)
	}
	defer rt.Close(context.WithoutCancel(ctx))
	started := time.Now()
	var out bytes.Buffer
	c, err := rt.Create(ctx, runtime.Program("self-test.wasm", selfTest), runtime.Spec{Stdout: &out})
	if err != nil {
		return fail(err)
	}
	defer c.Close(context.WithoutCancel(ctx))
	if err := c.Run(ctx); err != nil {
		return fail(err)
	}
	if out.String() != "ok" {
		return fail(fmt.Errorf("the self-test printed %q", out.String()))
	}
	mode := "compiler"
	if !rt.Compiles() {
		mode = "interpreter: no compiler for this processor, programs run about fifty times slower"
	}
	kernels := rt.Kernels()
	if kernels == "" {
		kernels = "none for this processor: dense models run a few times slower than where there are"
	}
	return []finding{
		{Check: "engine", Status: "ok", Detail: rt.Engine()},
		{Check: "engine mode", Status: "ok", Detail: mode},
		{Check: "kernels", Status: "ok", Detail: kernels},
		{Check: "sandbox", Status: "ok", Detail: "self-test ran in " + time.Since(started).Round(100*time.Microsecond).String()},
	}
}

func (a *app) checkStore(ctx context.Context) finding {
	s, err := a.store(ctx)
	if err != nil {
		return finding{"store", "fail", err.Error(), "move the folder away, or set WHERRY_HOME"}
	}
	defer s.Close()
	list, err := s.List(ctx)
	if err != nil {
		return finding{"store", "fail", err.Error(), "move the folder away, or set WHERRY_HOME"}
	}
	return finding{Check: "store", Status: "ok", Detail: fmt.Sprintf("%d images; bases: %s", len(list), strings.Join(bases.Names(), ", "))}
}

func checkTool(ctx context.Context, name, why string) finding {
	path, err := exec.LookPath(name)
	if err != nil {
		return finding{Check: name, Status: "missing", Detail: "needed for " + why, Advice: "install " + name + " to use " + why}
	}
	return finding{Check: name, Status: "ok", Detail: toolVersion(ctx, path)}
}

func checkAny(ctx context.Context, check, why string, names ...string) finding {
	for _, n := range names {
		if path, err := exec.LookPath(n); err == nil {
			return finding{Check: check, Status: "ok", Detail: filepath.Base(path) + ": " + toolVersion(ctx, path)}
		}
	}
	return finding{Check: check, Status: "missing", Detail: "needed for " + why, Advice: "install Python with pip, or uv, to use " + why}
}

// toolVersion is the first line that a tool says of itself. It is asked in a
// folder where nothing can speak for it: a go.mod or go.work beside the user
// may name another toolchain, which go would fetch and run.
func toolVersion(ctx context.Context, path string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	flag := "--version"
	if strings.TrimSuffix(filepath.Base(path), ".exe") == "go" {
		flag = "version"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	dir, err := os.MkdirTemp("", "wherry-doctor-")
	if err != nil {
		return path
	}
	defer os.Remove(dir)
	cmd := exec.CommandContext(ctx, path, flag)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOWORK=off", "GOFLAGS=")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return path
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}
