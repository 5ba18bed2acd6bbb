package spec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// write writes files into a folder of their own.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestBounds: what is more than a stack is refused, and soon.
func TestBounds(t *testing.T) {
	laughs := "x-0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 10; i++ {
		laughs += fmt.Sprintf("x-%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	merges := "x-0: &a0 {k: 1}\n"
	for i := 1; i < 40; i++ {
		merges += fmt.Sprintf("x-%d: &a%d {<<: [*a%d, *a%d]}\n", i, i, i-1, i-1)
	}
	const rest = "services: {a: {image: x}}\n"
	deep := func(n int) string { return "x-deep: " + strings.Repeat("[", n) + strings.Repeat("]", n) + "\n" + rest }
	chain := map[string]string{}
	wide := map[string]string{"compose.yaml": "include: [0.yaml, 0.yaml, 0.yaml]\n" + rest}
	for i := range 60 {
		chain[fmt.Sprintf("%d.yaml", i)] = fmt.Sprintf("include: [%d.yaml]\n", i+1)
		wide[fmt.Sprintf("%d.yaml", i)] = fmt.Sprintf("include: [%d.yaml, %d.yaml]\n", min(i+1, 20), min(i+1, 20))
	}
	wide["20.yaml"] = rest
	chain["compose.yaml"] = "include: [0.yaml]\n" + rest
	extends := "services:\n  s0: {image: x}\n"
	for i := 1; i < 200; i++ {
		extends += fmt.Sprintf("  s%d: {extends: s%d}\n", i, i-1)
	}
	backwards := "services:\n"
	for i := range 600 {
		backwards += fmt.Sprintf("  s%03d: {extends: s%03d}\n", i, i+1)
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // "": it is taken
	}{
		{"a billion laughs", map[string]string{"compose.yaml": laughs + rest}, "more than 100000 values"},
		{"merges of merges", map[string]string{"compose.yaml": merges + rest}, "more than 100000 values"},
		{"an anchor in itself", map[string]string{"compose.yaml": "x-a: &a {b: *a}\n" + rest}, "a cycle"},
		{"a merge of itself", map[string]string{"compose.yaml": "x-a: &a {<<: *a}\n" + rest}, "a cycle"},
		{"deep", map[string]string{"compose.yaml": deep(90)}, ""},
		{"too deep", map[string]string{"compose.yaml": deep(200)}, "nested deeper than 100"},
		{"much too deep", map[string]string{"compose.yaml": deep(100_000)}, ":1: "},
		{"large", map[string]string{"compose.yaml": rest + "x-a: " + strings.Repeat("a", maxFile)}, "and may have"},
		{"many values", map[string]string{"compose.yaml": rest + "x-a: [" + strings.Repeat("a,", 600_000) + "]"}, "too many values"},
		{"many services", map[string]string{"compose.yaml": "services:\n" + lines(2000, "  s%d: {image: x, ports: ['%[1]d:80'], environment: {A: b}}\n")}, ""},
		{"nested variables", map[string]string{"compose.yaml": "services: {a: {image: '" + strings.Repeat("${A:-", 1000) + strings.Repeat("}", 1000) + "'}}"}, "too many variables"},
		{"many variables", map[string]string{"compose.yaml": "services: {a: {image: x, command: '" + strings.Repeat("${A:-b} ", 20_000) + "'}}"}, "too many variables"},
		{"a chain of includes", chain, "more than 50 deep"},
		{"includes of the same", wide, ""},
		{"a chain of extensions", map[string]string{"compose.yaml": backwards + "  s600: {image: x}\n"}, "more than 500 deep"},
		{"a chain that is met from its end", map[string]string{"compose.yaml": extends}, ""},
		{"itself beside another", map[string]string{"compose.yaml": "include: [{path: [a.yaml, compose.yaml]}]\n" + rest, "a.yaml": rest}, "a cycle"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, c.files)
			_, err := Read(t.Context(), Options{Dir: dir, Name: "x"})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%.300v, want %q", err, c.want)
			}
		})
	}
}

func lines(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestRaw: with variables as they are written nothing of what is around gets into the tree,
// and values of no type are taken where a variable may be.
func TestRaw(t *testing.T) {
	dir := write(t, map[string]string{"compose.yaml": `
services: {a: {image: "${I}", ports: ["${P}:80", "${ALL}"], volumes: ["${V}"], environment: [SECRET, "A=${B}"], build: {args: [SECRET]}}}
secrets: {s: {environment: SECRET}}
configs: {c: {environment: SECRET}}`})
	o := Options{Dir: dir, Name: "x", Env: []string{"SECRET=hidden", "B=hidden", "P=1"}, Raw: true}
	m, err := Read(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(m.Tree)
	if strings.Contains(text, "hidden") || !strings.Contains(text, "${P}:80") || !strings.Contains(text, "${V}") {
		t.Error(text)
	}
	o.Raw, o.Env = false, append(o.Env, "I=i", "ALL=2", "V=/v")
	if m, err = Read(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	services := fmt.Sprint(m.Tree["services"])
	if rest := fmt.Sprint(m.Tree["secrets"], m.Tree["configs"]); strings.Contains(rest, "hidden") || !strings.Contains(services, "SECRET=hidden") {
		t.Error(m.Tree)
	}
	p, err := m.Project(ProjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Secrets["s"].Content != "hidden" || p.Configs["c"].Content != "hidden" {
		t.Errorf("%+v %+v", p.Secrets, p.Configs)
	}
}

// TestLeftOut: paths, names and checks are left out where they are not wanted.
func TestLeftOut(t *testing.T) {
	dir := write(t, map[string]string{"compose.yaml": "services: {a: {build: ./b, networks: [n], env_file: none.env}}"})
	m, err := Read(t.Context(), Options{Dir: dir, Name: "x", Relative: true, Unfilled: true})
	if err != nil {
		t.Fatal(err)
	}
	build := m.Tree["services"].(map[string]any)["a"].(map[string]any)["build"].(map[string]any)
	if build["context"] != "./b" || build["dockerfile"] != nil || m.Tree["networks"] != nil {
		t.Error(m.Tree)
	}
	if _, err := m.Project(ProjectOptions{NoEnvFiles: true}); err == nil || !strings.Contains(err.Error(), "n is undefined") {
		t.Error(err)
	}
	if _, err := m.Project(ProjectOptions{Inconsistent: true}); err == nil || !strings.Contains(err.Error(), "none.env") {
		t.Error(err)
	}
	if _, err := m.Project(ProjectOptions{Inconsistent: true, NoEnvFiles: true}); err != nil {
		t.Error(err)
	}
}

// TestWarnings are heard by who asked for them, each once, and by nobody else.
func TestWarnings(t *testing.T) {
	dir := write(t, map[string]string{"compose.yaml": "version: '3'\nservices: {a: {image: 'x$UNSET', tty: 'on', imag: x}}"})
	var heard []string
	_, err := Read(t.Context(), Options{Dir: dir, Name: "x", Warn: func(s string) { heard = append(heard, s) }})
	var e *Error
	if !errors.As(err, &e) || e.Line != 2 || e.Path != "services.a.imag" {
		t.Errorf("%#v", err)
	}
	if text := strings.Join(heard, "\n"); len(heard) != 2 || !strings.Contains(text, "UNSET") || !strings.Contains(text, "write true") {
		t.Errorf("%q", heard)
	}
}

// TestEnd: reading ends with who asked.
func TestEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := write(t, map[string]string{"compose.yaml": "services: {a: {image: x}}"})
	if _, err := Read(ctx, Options{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := Read(t.Context(), Options{Dir: dir, Files: []string{dir}}); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Error(err)
	}
	m, err := Read(t.Context(), Options{Dir: dir, Name: "x", Files: []string{"-"}, Stdin: strings.NewReader("services: {b: {image: y}}")})
	if err != nil || m.Tree["services"].(map[string]any)["b"] == nil {
		t.Error(m, err)
	}
}

// FuzzRead: whatever a file has, it is read or refused without a panic and in time, and
// what was read has nothing in it that could not be written.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"services: {a: {image: x, ports: ['80-82:80-82', {target: 1}], volumes: ['v:/v', '.:/d'], depends_on: [b]}}\nvolumes: {v: }",
		"x-a: &a {k: v}\nservices: {a: {<<: *a, image: '${A:-b}', environment: *a, labels: [a=b]}, b: !override {image: y}}",
		"services: {a: {image: x}}\n---\nservices: {a: {image: !reset x, build: .}}",
		"services: {a: {extends: b}, b: {image: x, healthcheck: {test: a, retries: '3'}, ulimits: {nofile: 1}}}",
		"networks: {n: {ipam: {config: [{subnet: 10.0.0.0/8}]}, external: true}}\nsecrets: {s: {environment: A}}\nconfigs: {c: {content: a}}",
		"jobs: {j: {image: x, triggers: {schedule: ['* * * * *']}}}\nmodels: {m: {model: x}}",
		"services: {a: {image: x, links: [b], network_mode: 'service:b', volumes_from: [b], pre_start: [{command: x}], gpus: all, devices: [/dev/a]}}",
		"services: {a: {image: x, deploy: {resources: {limits: {cpus: 1}}}, develop: {watch: [{path: a, action: sync}]}, x-develop: {watch: []}}}",
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, raw bool) {
		for _, word := range []string{"include", "file", "FILE"} { // other files of this machine
			if strings.Contains(s, word) {
				t.Skip()
			}
		}
		dir := write(t, map[string]string{"compose.yaml": s})
		begun := time.Now()
		m, err := Read(t.Context(), Options{Dir: dir, Name: "x", Raw: raw, Env: []string{"A=a"}})
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
		if err != nil {
			if err.Error() == "" {
				t.Error("an error of no words")
			}
			return
		}
		if _, err := yaml.Marshal(m.Tree); err != nil {
			t.Error(err)
		}
		if !raw {
			_, _ = m.Project(ProjectOptions{})
		}
	})
}
