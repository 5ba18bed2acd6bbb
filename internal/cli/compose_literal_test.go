package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

// TestConfigAgain: what config writes is read again as what it is.
func TestConfigAgain(t *testing.T) {
	const text = `name: shop
services:
  a:
    image: x
    command: [sh, -c, 'echo $$HOME $${X:-"y"} "\$$1"', "${VALUE}"]
    environment: {A: "${VALUE}", B: plain, C: "1", D: "a: b\n$$$$\n"}
    labels: {"k$$=e": "${VALUE}", "com.docker.compose.project=other": "1"}
    healthcheck: {test: ["CMD-SHELL", "test $$$$ -gt 1"]}
    configs: [c]
    x-own: {"a$": ["$$b"]}
configs: {c: {content: "pid $$$$"}}
`
	dir := t.TempDir()
	read := func(text, format string) (out []byte, f *compose.File) {
		t.Helper()
		name := filepath.Join(dir, "compose.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		a := &app{Streams: ux.Streams{Out: &b, Err: io.Discard}, env: func(string) string { return "" }}
		o := &composeOptions{app: a, files: []string{name}}
		if err := o.config(t.Context(), configOptions{format: format}, nil); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		f, err := o.load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes(), f
	}
	t.Setenv("VALUE", "a $HOME ${HOME} $$ $")
	for _, format := range []string{"yaml", "json"} {
		once, first := read(text, format)
		again, second := read(string(once), format)
		if !bytes.Equal(once, again) {
			t.Errorf("%s: it was\n%s\nand is\n%s", format, once, again)
		}
		if a, b := first.Project.Services["a"], second.Project.Services["a"]; *b.Environment["A"] != "a $HOME ${HOME} $$ $" || *a.Environment["A"] != *b.Environment["A"] ||
			b.Command[3] != *a.Environment["A"] || b.Labels["k$$=e"] != a.Command[3] || second.Project.Configs["c"].Content != "pid $$" {
			t.Errorf("%s: %+v, %v", format, b.Environment, b.Labels)
		}
		if format == "json" && !json.Valid(once) {
			t.Error("that is no JSON")
		}
	}
	plain, _ := read("name: shop\nservices: {a: {image: x, environment: {A: '1', B: 'x: y'}, command: [a, b]}}\n", "yaml")
	dollar, _ := read("name: shop\nservices: {a: {image: x, environment: {A: '1', B: 'x: $$y'}, command: [a, b]}}\n", "yaml")
	if got := strings.Replace(string(dollar), "$$", "", 1); got != string(plain) {
		t.Errorf("a $ has all written otherwise:\n%s\n%s", dollar, plain)
	}
}

// TestBakeLiteral: bake works nothing out of what stands in a file of build --print, and a
// label's name is whole.
func TestBakeLiteral(t *testing.T) {
	o := &composeOptions{app: &app{env: func(string) string { return "${BAKE_CMDLINE}" }}}
	got := o.bakeTarget(compose.Build{
		Folder: "/${a}", Inline: "RUN echo ${b} $c %{ if d }", Args: []string{"A=${e}", "B"}, Labels: map[string]string{"x=y": "${f}", "z": "=1"}, Tags: []string{"t"},
	})
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"context":"/$${a}","dockerfile-inline":"RUN echo $${b} $c %%{ if d }","args":{"A":"$${e}","B":"$${BAKE_CMDLINE}"},"labels":{"x=y":"$${f}","z":"=1"},"tags":["t"]}`
	if string(b) != want {
		t.Errorf("%s", b)
	}
}

// TestWholeLabels: a label is what a compose file says, whatever is in its name.
func TestWholeLabels(t *testing.T) {
	o, err := flagsOf(compose.Container{Image: "x", Labels: map[string]string{"a=b": "c", compose.LabelProject: "shop", compose.LabelProject + "=other": ""}})
	if err != nil {
		t.Fatal(err)
	}
	var c state.Config
	if err := o.life.fill(&c); err != nil {
		t.Fatal(err)
	}
	if len(c.Labels) != 3 || c.Labels["a=b"] != "c" || c.Labels[compose.LabelProject] != "shop" {
		t.Error(c.Labels)
	}
}

// FuzzLiteral: only values change, and each $ of them is two.
func FuzzLiteral(f *testing.F) {
	f.Add("k$", "a$b")
	f.Add("\\\"$", "\"$: \\")
	f.Add("", "$$\n- $\x01: {\u2028}")
	f.Fuzz(func(t *testing.T, key, value string) {
		key, value = strings.ToValidUTF8(key, "?"), strings.ToValidUTF8(value, "?")
		want := strings.ReplaceAll(value, "$", "$$")
		b, err := json.MarshalIndent(map[string]any{key: []string{value}}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		var got map[string][]string
		if err := json.Unmarshal(literalJSON(b), &got); err != nil || len(got[key]) != 1 || got[key][0] != want {
			t.Errorf("%s: %v, %v", b, got, err)
		}
		if b, err = yaml.Marshal(map[string]any{key: []string{value}}); err != nil {
			t.Fatal(err)
		}
		var before map[string][]string
		if err := yaml.Unmarshal(b, &before); err != nil || len(before[key]) != 1 || before[key][0] != value {
			t.Skip("no YAML has it")
		}
		again, err := literalYAML(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		var after map[string][]string
		if err := yaml.Unmarshal(again, &after); err != nil || len(after[key]) != 1 || after[key][0] != want {
			t.Errorf("%s is\n%s: %v", b, again, err)
		}
	})
}
