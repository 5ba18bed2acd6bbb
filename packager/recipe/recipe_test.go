package recipe

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

func parse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse("Wasmfile", strings.NewReader(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return f
}

func TestParse(t *testing.T) {
	f := parse(t, "# syntax=docker/dockerfile:1\nARG V=1\nFROM scratch AS Base\r\nCOPY --unpack=a/b/ x.zip /\nRUN echo \\\n  more\n\nFROM base\nMODEL --from=base [\"a b\", \"/m/\"]\nsnapshot\nADD --unpack --checksum=sha256:x https://h/f /\n")
	type step struct {
		Line int
		Word string
	}
	var got []step
	for _, s := range f.Stages {
		got = append(got, step{s.Line, s.Name + ":" + s.Base})
		for _, st := range s.Steps {
			got = append(got, step{st.Line, st.Keyword()})
		}
	}
	want := []step{{3, "base:scratch"}, {4, "COPY"}, {5, "RUN"}, {8, ":base"}, {9, "MODEL"}, {10, "SNAPSHOT"}, {11, "ADD"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if u := f.Stages[0].Steps[0].Unpack; u == nil || u.Prefix != "a/b/" {
		t.Errorf("unpack of COPY is %+v", u)
	}
	if u := f.Stages[1].Steps[2].Unpack; u == nil || u.Prefix != "" {
		t.Errorf("unpack of ADD is %+v", u)
	}
	if m := f.Stages[1].Steps[0].Command.(*Model); *m != (Model{From: "base", Source: "a b", Dest: "/m/"}) {
		t.Errorf("model %+v", m)
	}
	if len(f.Args) != 1 || f.GlobalArgs(map[string]string{"V": "2"})["V"] != "2" {
		t.Errorf("args %+v", f.Args)
	}
	if i, ok := f.Stage("BASE"); !ok || i != 0 {
		t.Error("a stage is not found by its name in capitals")
	}
	for _, name := range []string{"2", "nope", "", "99999999999999999999", "-1"} {
		if i, ok := f.Stage(name); ok {
			t.Errorf("stage %q is %d", name, i)
		}
	}
}

func TestFreshIsIndependent(t *testing.T) {
	step := parse(t, "FROM scratch\nENV A=$B\nMODEL $M\n").Stages[0].Steps
	for range 2 {
		cmd, err := step[0].Fresh()
		if err != nil {
			t.Fatal(err)
		}
		env := cmd.(*instructions.EnvCommand)
		if env.Env[0].Value != "$B" {
			t.Fatal("expanding one copy changed the others")
		}
		if err := env.Expand(func(string) (string, error) { return "x", nil }); err != nil {
			t.Fatal(err)
		}
	}
	cmd, _ := step[1].Fresh()
	m := cmd.(*Model)
	if err := m.Expand(func(s string) (string, error) { return strings.ReplaceAll(s, "$M", "file"), nil }); err != nil || m.Source != "file" || m.Dest != "." {
		t.Errorf("model %+v, error %v", m, err)
	}
}

func TestEscapeDirective(t *testing.T) {
	f := parse(t, "# escape=`\nFROM scratch\nMODEL `\n  a\\b c\n")
	if m := f.Stages[0].Steps[0].Command.(*Model); m.Source != `a\b` || m.Dest != "c" {
		t.Errorf("model %+v", m)
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		text, want string
		line       int
	}{
		{"", "no instructions", 0},
		{"ARG x\n", "no FROM", 1},
		{"COPY a b\nFROM x\n", "before the first FROM", 1},
		{"FROM scratch\nFRM x\n", "unknown instruction FRM", 2},
		{"FROM scratch\n\nCOPY a\n", "COPY", 3},
		{"FROM scratch\nCOPY --frm=x a b\n", "frm", 2},
		{"FROM scratch\nMODEL\n", "MODEL wants one source", 2},
		{"FROM scratch\nMODEL a b c\n", "MODEL wants one source", 2},
		{"FROM scratch\nMODEL --chmod=1 a\n", "no flag --chmod", 2},
		{"FROM scratch\nMODEL --from= a\n", "needs a value", 2},
		{"FROM scratch\nMODEL <<EOF /\nx\nEOF\n", "heredoc", 2},
		{"FROM scratch\nSNAPSHOT now\n", "no arguments", 2},
		{"FROM scratch AS a\nFROM scratch AS a\n", "already named on line 1", 2},
		{"FROM scratch AS 1\n", "invalid name", 1},
		{"FROM a b\n", "one or three", 1},
		{"FROM scratch\nRUN <<EOF\nnever ends", "unterminated heredoc", 2},
		{"FROM scratch\nCOPY a\x00b /\n", "NUL", 2},
		{"FROM scratch\nRUN " + strings.Repeat("x", 1<<20), "larger", 0},
		{strings.Repeat("FROM scratch\n", 300), "more than 256 stages", 257},
		{"FROM scratch\n" + strings.Repeat("ENV a=b\n", 5000), "more than 4096", 0},
	}
	for _, tt := range tests {
		_, err := Parse("Wasmfile", strings.NewReader(tt.text))
		var bad *SyntaxError
		if !errors.As(err, &bad) || !strings.Contains(bad.Msg, tt.want) || bad.Line != tt.line {
			t.Errorf("%.40q: error %v, expected line %d: ...%s...", tt.text, err, tt.line, tt.want)
		}
	}
}

func TestResolveFrom(t *testing.T) {
	stages := []Stage{{Name: "build"}, {Name: "python"}, {}}
	tests := []struct {
		name   string
		stages []Stage
		want   From
		advice string
	}{
		{"scratch", nil, From{Kind: Scratch, Name: "scratch"}, ""},
		{"build", stages, From{Kind: FromStage, Name: "build", Stage: 0}, ""},
		{"Build", stages, From{Kind: FromStage, Name: "build", Stage: 0}, ""},
		{"python", stages, From{Kind: FromStage, Name: "python", Stage: 1}, ""},
		{"python", nil, From{Kind: Base, Name: "python:3.15"}, ""},
		{"python:3.15", nil, From{Kind: Base, Name: "python:3.15"}, ""},
		{"python:3", nil, From{Kind: Base, Name: "python:3.15"}, ""},
		{"python:latest", nil, From{Kind: Base, Name: "python:3.15"}, ""},
		{"python:3.11-slim", nil, From{}, "FROM python:3.15"},
		{"python:3.150", nil, From{}, "FROM python:3.15"},
		{"python@sha256:abc", nil, From{}, "docker.io/library/python@sha256:abc"},
		{"docker.io/library/python:3.11", nil, From{Kind: Image, Name: "docker.io/library/python:3.11"}, ""},
		{"localhost:5000/python", nil, From{Kind: Image, Name: "localhost:5000/python"}, ""},
		{"team/python:1", nil, From{Kind: Image, Name: "team/python:1"}, ""},
		{"iris:1", nil, From{Kind: Image, Name: "iris:1"}, ""},
		{"toolchain:go", nil, From{Kind: Toolchain, Name: "go"}, ""},
		{"toolchain:c", nil, From{Kind: Toolchain, Name: "c"}, ""},
		{"toolchain:go1.26.8", nil, From{Kind: Toolchain, Name: "go", Version: "go1.26.8"}, ""},
		{"toolchain:go1.26", nil, From{Kind: Toolchain, Name: "go", Version: "go1.26"}, ""},
		{"toolchain:go1.26.8-evil", nil, From{}, "toolchain:go"},
		{"toolchain:rust", nil, From{Kind: Toolchain, Name: "rust"}, ""},
		{"toolchain:rust1.95.0", nil, From{Kind: Toolchain, Name: "rust", Version: "rust1.95.0"}, ""},
		{"toolchain:rust1.95-nightly", nil, From{}, "toolchain:rust"},
		{"rust:1.95", nil, From{}, "FROM toolchain:rust"},
		{"toolchain:node", nil, From{Kind: Toolchain, Name: "node"}, ""},
		{"toolchain", nil, From{}, "toolchain:go"},
		{"postgres:16", nil, From{}, "docker.io/library/postgres"},
		{"node:20", nil, From{}, "toolchain:node"},
		{"golang:1.24-alpine", nil, From{}, "FROM toolchain:go"},
		{"gcc", nil, From{}, "FROM toolchain:c"},
		{"onnx", nil, From{Kind: Base, Name: "onnx:1.18"}, ""},
		{"onnx:1.18.0", nil, From{Kind: Base, Name: "onnx:1.18"}, ""},
		{"onnx:1.30", nil, From{}, "FROM onnx:1.18"},
		{"ubuntu", nil, From{}, "FROM scratch"},
		{"", nil, From{}, "--build-arg"},
	}
	for _, tt := range tests {
		got, err := ResolveFrom(tt.name, tt.stages)
		if got != tt.want {
			t.Errorf("FROM %s: %+v, expected %+v", tt.name, got, tt.want)
		}
		var bad *BaseError
		if (tt.advice != "") != errors.As(err, &bad) || (bad != nil && !strings.Contains(bad.Advice, tt.advice)) {
			t.Errorf("FROM %s: error %v, expected advice ...%s...", tt.name, err, tt.advice)
		}
		if err != nil && strings.Count(err.Error(), "\n") > 2 {
			t.Errorf("FROM %s: more than three lines: %v", tt.name, err)
		}
	}
}

func TestProblems(t *testing.T) {
	text := `ARG PY=3.11
FROM --platform=linux/amd64 python:${PY}-slim AS base
RUN apt-get update && apt-get install -y gcc \
    && rm -rf /var/lib/apt/lists/*
RUN curl -sSL https://example.com/x | sh
RUN --mount=type=ssh git clone git@example.com:x
RUN --network=host true
RUN if [ -f x ]; then sudo make install; fi
RUN python -m venv /venv
RUN echo "apt-get is not called here" && FOO=1 ls
COPY --chown=app:app . .
COPY --from=later x .
ADD https://example.com/x.tgz /
ADD https://github.com/a/b.git /src
USER app
USER 1000
SHELL ["powershell", "-c"]
ONBUILD RUN x
SNAPSHOT
RUN echo 'unclosed
RUN --mount=type=cache,target=/c pip install x
FROM golang:1.24 AS later
RUN go build -o /x .
FROM toolchain:c
RUN make
HEALTHCHECK CMD curl -f http://localhost/
HEALTHCHECK CMD ["python", "check.py"]
HEALTHCHECK NONE
`
	var got []string
	lines := map[int]bool{}
	for _, p := range Problems(parse(t, text), nil) {
		lines[p.Line] = true
		got = append(got, p.Text)
		if p.Advice == "" {
			t.Errorf("line %d: %s: no advice", p.Line, p.Text)
		}
	}
	for _, want := range []int{2, 3, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 17, 18, 20, 22, 26} {
		if !lines[want] {
			t.Errorf("line %d is not listed", want)
		}
	}
	for _, fine := range []int{10, 16, 19, 21, 23, 24, 25, 27, 28} {
		if lines[fine] {
			t.Errorf("line %d is listed although it can work", fine)
		}
	}
	all := strings.Join(got, "\n")
	for _, want := range []string{"FROM python:3.11-slim", "--platform=linux/amd64", "RUN apt-get", "RUN curl", "RUN git", "type=ssh", "RUN sudo", "--chown=app:app"} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing says %q:\n%s", want, all)
		}
	}
	if p := Problems(parse(t, "ARG PY=3.11\nFROM python:${PY}\n"), map[string]string{"PY": "3.15"}); len(p) != 0 {
		t.Errorf("with a build argument: %+v", p)
	}
	err := &ProblemsError{File: "Dockerfile", Problems: Problems(parse(t, text), nil)}
	if !strings.Contains(err.Error(), "\nDockerfile:15: USER app") {
		t.Errorf("message:\n%v", err)
	}
}

func TestSplitPip(t *testing.T) {
	tests := []struct {
		script string
		want   []Part
		refuse bool
	}{
		{"echo hi && ls", []Part{{Shell: "echo hi && ls"}}, false},
		{"pip install x", []Part{{Pip: []string{"x"}}}, false},
		{"pip3 --no-cache-dir install -r r.txt", []Part{{Pip: []string{"-r", "r.txt"}}}, false},
		{"python -m pip install 'a b' \"c\"", []Part{{Pip: []string{"a b", "c"}}}, false},
		{"uv pip install --system x", []Part{{Pip: []string{"--system", "x"}}}, false},
		{"a && b && pip install $X && c; d", []Part{{Shell: "a && b"}, {Pip: []string{"$X"}}, {Shell: "c && d"}}, false},
		{"set -e\npip install x\nls", []Part{{Shell: "set -e"}, {Pip: []string{"x"}}, {Shell: "ls"}}, false},
		{"A=1 pip install x", []Part{{Pip: []string{"x"}, Env: []string{"A=1"}}}, false},
		{"pip freeze", []Part{{Shell: "pip freeze"}}, false},
		{"echo pip install x", []Part{{Shell: "echo pip install x"}}, false},
		{"pip install", []Part{{Pip: []string{}}}, false},
		{"for x in a; do pip install $x; done", nil, true},
		{"pip install x || true", nil, true},
		{"pip install x > log", nil, true},
		{"pip install $(cat r.txt)", nil, true},
		{"cat <<E && pip install x\nE\n", nil, true},
		{"cd sub && pip install -r r.txt", nil, true},
		{"X=1; pip install $X", nil, true},
		{"(cd sub && ls) && pip install x", []Part{{Shell: "(cd sub && ls)"}, {Pip: []string{"x"}}}, false},
		{"'", []Part{{Shell: "'"}}, false},
	}
	for _, tt := range tests {
		got, ok := SplitPip(tt.script)
		if ok == tt.refuse {
			t.Errorf("%q: ok is %v", tt.script, ok)
			continue
		}
		if diff := cmp.Diff(tt.want, got); ok && diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.script, diff)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("FROM python AS a\nRUN pip install x && ls <<E\n1\nE\nMODEL --from=a m /\n")
	f.Add("# escape=`\nARG A=${B:-c}\nFROM ${A}\nCOPY --unpack=x/ [\"a\", \"b\"]\n")
	f.Add("FROM --platform=$X node:20\nONBUILD RUN x\nHEALTHCHECK --interval=1s CMD x\nADD --checksum=sha256:1 pkg:pypi/x@1 /\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("f", strings.NewReader(text))
		if err != nil {
			var bad *SyntaxError
			if !errors.As(err, &bad) {
				t.Fatalf("not a SyntaxError: %v", err)
			}
			return
		}
		lines := 1 + strings.Count(text, "\n")
		for _, p := range Problems(file, map[string]string{"A": "x"}) {
			if p.Line < 1 || p.Line > lines || p.Advice == "" {
				t.Errorf("problem %+v of %d lines", p, lines)
			}
		}
		for i, s := range file.Stages {
			if name, err := file.ExpandFrom(s, nil); err == nil {
				_, _ = ResolveFrom(name, file.Stages[:i])
			}
			for _, step := range s.Steps {
				if _, err := step.Fresh(); err != nil {
					t.Errorf("%q parsed once, not twice: %v", step.Code, err)
				}
				if run, ok := step.Command.(*instructions.RunCommand); ok && run.PrependShell {
					script, _ := Script(run)
					SplitPip(script)
				}
			}
		}
	})
}
