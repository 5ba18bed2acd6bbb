package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// contender is one side of a comparison of programs that print a line.
type contender struct {
	name    string
	program dock.Program
	args    []string
	want    string
}

func (c contender) run(b *testing.B) func() cost {
	return func() cost { return command(b, c.program, c.want, c.args...) }
}

// hellos are programs that print a line, each an image that a recipe makes, or a
// base, and what else prints it.
var hellos = []struct {
	name, recipe string
	files        func(b *testing.B, folder string)
	flags, args  []string
	want         string
	peers        func(b *testing.B) []contender
	cold         int // rounds
}{
	{
		name: "C", recipe: "FROM scratch\nCOPY hello.wasm /hello\nENTRYPOINT [\"/hello\"]\n", want: "hello, world", cold: 5,
		files: func(b *testing.B, folder string) { write(b, filepath.Join(folder, "hello.wasm"), clang(b, "hello.c")) },
		peers: func(b *testing.B) []contender {
			native := nativeC(b)
			return append([]contender{{"native", dock.Program{Command: []string{native}}, nil, "hello, world"}}, runc(b, native)...)
		},
	},
	{
		name: "Go", recipe: "FROM scratch\nCOPY hello.wasm /hello\nENTRYPOINT [\"/hello\"]\n", want: "hello, world", cold: 3,
		files: func(b *testing.B, folder string) {
			goBuild(b, "testdata/hello/hello.go", filepath.Join(folder, "hello.wasm"), "GOOS=wasip1", "GOARCH=wasm")
		},
		peers: func(b *testing.B) []contender {
			out := filepath.Join(b.TempDir(), "hello.exe")
			goBuild(b, "testdata/hello/hello.go", out)
			return []contender{{"native", dock.Program{Command: []string{out}}, nil, "hello, world"}}
		},
	},
	{
		name: "QuickJS", recipe: fetched(quickjsPackage, quickjsChecksum, quickjsModule, "qjs"), cold: 3,
		args: []string{"-e", `console.log("hello, world")`}, want: "hello, world",
		peers: func(b *testing.B) []contender {
			return onPath(b, "node", "-e", `console.log("hello, world")`)
		},
	},
	{
		name: "Ruby", recipe: fetched(rubyPackage, rubyChecksum, rubyModule, "ruby"), cold: 1,
		flags: []string{"--unknown-imports=trap"}, args: []string{"-e", `puts "hello, world"`}, want: "hello, world",
		peers: func(b *testing.B) []contender {
			return append(onPath(b, "node", "-e", `console.log("hello, world")`), onPath(b, "ruby", "-e", `puts "hello, world"`)...)
		},
	},
	{
		name: "Python", args: []string{"-c", "print(1)"}, want: "1", cold: 5,
		peers: func(b *testing.B) []contender {
			python, _ := dock.Packages(b, native)
			python.Env = nil
			return []contender{{"native", python, []string{"-c", "print(1)"}, "1"}}
		},
	},
}

// BenchmarkHello is `wherry run IMAGE` of programs that print a line, from the
// start of the process to its end, beside a Go program that does nothing, the same
// program without Wherry, and the same C program in a container of runc: warm, and
// cold, with nothing compiled.
func BenchmarkHello(b *testing.B) {
	heavy(b)
	builder, wherry := programs(b)
	empty := contender{"empty", dock.Program{Command: []string{emptyProgram(b)}}, nil, ""}
	for _, h := range hellos {
		b.Run(h.name, func(b *testing.B) {
			image := strings.ToLower(h.name) // a base
			if h.recipe != "" {
				image = "localhost/test-bench:hello-" + image
				folder := b.TempDir()
				write(b, filepath.Join(folder, "Wasmfile"), []byte(h.recipe))
				if h.files != nil {
					h.files(b, folder)
				}
				builder.Must(b, "", "build", "-q", "-t", image, folder)
			}
			line := append(append(append([]string{"run"}, h.flags...), image), h.args...)
			builder.Must(b, "", line...)
			peers := append([]contender{empty}, h.peers(b)...)
			b.Run("warm", func(b *testing.B) {
				against(b, 15, contender{"wherry", wherry, line, h.want}.run(b), peers)
			})
			b.Run("cold", func(b *testing.B) {
				against(b, h.cold, func() cost { return command(b, cold(b, wherry), h.want, line...) }, peers)
			})
		})
	}
}

// against reports what Wherry and its peers took in turns. The first peer is a
// process that does nothing, which is what a start costs at the least.
func against(b *testing.B, rounds int, ours func() cost, peers []contender) {
	sides := []func() cost{ours}
	for _, p := range peers {
		sides = append(sides, p.run(b))
	}
	for b.Loop() {
		all := inTurns(rounds, sides...)
		us := all[0]
		report(b, "wherry-min-ms", least(us.wall()), time.Millisecond)
		report(b, "wherry-median-ms", median(us.wall()), time.Millisecond)
		report(b, "wherry-cpu-ms", least(us.cpu()), time.Millisecond)
		b.ReportMetric(megabytes(peak(us)), "wherry-peak-MB")
		report(b, "above-empty-ms", least(us.wall())-least(all[1].wall()), time.Millisecond)
		for i, p := range peers {
			report(b, p.name+"-min-ms", least(all[i+1].wall()), time.Millisecond)
			report(b, p.name+"-median-ms", median(all[i+1].wall()), time.Millisecond)
			ratio(b, "min/"+p.name, least(us.wall()), least(all[i+1].wall()))
		}
	}
	quiet(b)
}

// fetched is the recipe of a program in a package of others.
func fetched(url, checksum, member, name string) string {
	return "FROM scratch AS package\nADD --unpack=" + member + " --checksum=" + checksum + " " + url + " /\n" +
		"FROM scratch\nCOPY --from=package --chmod=0755 /" + filepath.Base(member) + " /usr/bin/" + name + "\nENTRYPOINT [\"" + name + "\"]\n"
}

// onPath is a program of this machine; a machine without it is measured without.
func onPath(b *testing.B, name string, args ...string) []contender {
	path, err := exec.LookPath(name)
	if err != nil {
		b.Logf("NOT MEASURED: %s is not on this machine", name)
		return nil
	}
	return []contender{{name, dock.Program{Command: []string{path}}, args, "hello, world"}}
}

func write(b *testing.B, name string, data []byte) {
	b.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		b.Fatal(err)
	}
}

// nativeC compiles hello.c for this machine, without a library to load, so that it
// runs in a container that has no other file.
func nativeC(b *testing.B) string {
	b.Helper()
	out := filepath.Join(b.TempDir(), "hello.exe")
	text, err := exec.CommandContext(b.Context(), dock.Find(b, "clang"), "-O2", "-static", "-o", out, filepath.Join("testdata", "hello.c")).CombinedOutput()
	if err != nil {
		b.Fatalf("clang: %v\n%s", err, text)
	}
	return out
}

func goBuild(b *testing.B, source, out string, env ...string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), dock.Find(b, "go"), "build", "-trimpath", "-ldflags", "-s -w", "-o", out, source)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, text)
	}
}
