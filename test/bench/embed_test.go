package bench

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/wherry-run/wherry/runtime"
)

const greeting = "hello, world\n"

// BenchmarkCreate makes a container of a C program that prints a line, runs it and
// closes it, beside a bare module of wazero with wazero's WASI: no file system of
// its own, no limits, no way to stop it. The program is compiled before.
func BenchmarkCreate(b *testing.B) {
	bin := clang(b, "hello.c")
	ours, theirs := containers(b, bin), modules(b, bin)
	const times = 200
	for b.Loop() {
		all := inTurns(15, inProcess(repeat(times, ours)), inProcess(repeat(times, theirs)))
		report(b, "wherry-us", least(all[0].cpu())/times, time.Microsecond)
		report(b, "wazero-us", least(all[1].cpu())/times, time.Microsecond)
		ratio(b, "min/wazero", least(all[0].cpu()), least(all[1].cpu()))
		ratio(b, "median/wazero", median(all[0].cpu()), median(all[1].cpu()))
	}
	quiet(b)
}

func repeat(times int, call func()) func() {
	return func() {
		for range times {
			call()
		}
	}
}

// containers runs the program as an embedder of Wherry does.
func containers(b *testing.B, bin []byte) func() {
	ctx := b.Context()
	rt, err := runtime.New(ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { rt.Close(context.WithoutCancel(ctx)) })
	image := runtime.Program("hello", bin)
	return func() {
		var out bytes.Buffer
		c, err := rt.Create(ctx, image, runtime.Spec{Stdout: &out})
		if err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(c.Run(ctx), c.Close(ctx)); err != nil || out.String() != greeting {
			b.Fatalf("%q, %v", out.String(), err)
		}
	}
}

// modules runs the program on wazero alone.
func modules(b *testing.B, bin []byte) func() {
	ctx := b.Context()
	r, compiled := bareModule(b, bin, wazero.NewRuntimeConfig())
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	return func() {
		var out bytes.Buffer
		m, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithArgs("hello").WithStdout(&out))
		var exit *sys.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 0 {
			err = nil
		}
		if err != nil || out.String() != greeting {
			b.Fatalf("%q, %v", out.String(), err)
		}
		if m != nil {
			m.Close(ctx)
		}
	}
}

// bareModule compiles a module with wazero alone.
func bareModule(b *testing.B, bin []byte, config wazero.RuntimeConfig) (wazero.Runtime, wazero.CompiledModule) {
	b.Helper()
	ctx := b.Context()
	r := wazero.NewRuntimeWithConfig(ctx, config)
	b.Cleanup(func() { r.Close(context.WithoutCancel(ctx)) })
	compiled, err := r.CompileModule(ctx, bin)
	if err != nil {
		b.Fatal(err)
	}
	return r, compiled
}

// add is the function that the guest calls of the host.
func add(stack []uint64) { stack[0] = api.EncodeU32(api.DecodeU32(stack[0]) + api.DecodeU32(stack[1])) }

// bareKernels instantiates the kernels on wazero alone.
func bareKernels(b *testing.B, bin []byte, config wazero.RuntimeConfig) func(name string, n uint64) uint32 {
	b.Helper()
	ctx := b.Context()
	r, compiled := bareModule(b, bin, config)
	i32 := []api.ValueType{api.ValueTypeI32}
	_, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) { add(stack) }), append(i32, i32...), i32).
		Export("add").Instantiate(ctx)
	if err != nil {
		b.Fatal(err)
	}
	m, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig())
	if err != nil {
		b.Fatal(err)
	}
	return func(name string, n uint64) uint32 {
		results, err := m.ExportedFunction(name).Call(ctx, n)
		if err != nil {
			b.Fatal(err)
		}
		return uint32(results[0])
	}
}
