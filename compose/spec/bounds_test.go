package spec

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestCosts: what is read costs no more than what it has, whatever it stands for.
func TestCosts(t *testing.T) {
	const rest = "services: {a: {image: x}}\n"
	long := strings.Repeat("v", 100_000)
	doubled := "A0=0123456789\n"
	for i := 1; i < 40; i++ {
		doubled += fmt.Sprintf("A%d=${A%d}${A%[2]d}\n", i, i-1)
	}
	wide := "services:\n  a: {image: x, labels: {" + lines(2000, "l%d: v, ") + "}}\n"
	hooked := "services: {a: {image: x, environment: {" + lines(900, "V%d: v, ") + "}, pre_start: [" + lines(200, "{command: c%d}, ") + "]}}\n"
	zero := "/dev/zero"
	if runtime.GOOS == "windows" {
		zero = `\\.\NUL`
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		env   []string
		want  string // "": it is taken
	}{
		{"a range of all ports", map[string]string{"compose.yaml": "services: {a: {image: x, ports: ['127.0.0.1:1-65535:1-65535']}}"}, nil, "that ranges"},
		{"a range of many ports", map[string]string{"compose.yaml": "services: {a: {image: x, ports: ['2000-2999:3000-3999/tcp']}}"}, nil, ""},
		{"a large service that many extend", map[string]string{"compose.yaml": wide + lines(200, "  s%d: {extends: a}\n")}, nil, "and extensions stand for"},
		{"a large service of another file that many extend", map[string]string{"compose.yaml": "services:\n" + lines(200, "  s%d: {extends: {file: b.yaml, service: a}}\n"), "b.yaml": wide}, nil, "and extensions stand for"},
		{"a small service of a large file that many extend", map[string]string{"compose.yaml": "services:\n" + lines(200, "  s%d: {extends: {file: b.yaml, service: b}}\n"), "b.yaml": wide + "  b: {image: y}\n"}, nil, ""},
		{"many hooks of a large service", map[string]string{"compose.yaml": hooked}, nil, "and extensions stand for"},
		{"many documents", map[string]string{"compose.yaml": rest + lines(1100, "---\nx-%d: a\n")}, nil, "1101 documents"},
		{"many documents over a large one", map[string]string{"compose.yaml": wide + lines(900, "---\nx-%d: [a, b, c]\n")}, nil, "values were looked at"},
		{"some documents", map[string]string{"compose.yaml": wide + lines(20, "---\nx-%d: [a, b, c]\n")}, nil, ""},
		{"a large file that is included often", map[string]string{"compose.yaml": "include: [" + strings.Repeat("b.yaml, ", 1500) + "]\n" + rest, "b.yaml": wide}, nil, "values were looked at"},
		{"long values often", map[string]string{"compose.yaml": "services: {a: {image: x, command: '" + strings.Repeat("$A ", 300) + "'}}"}, []string{"A=" + long}, "too many variables"},
		{"a long value", map[string]string{"compose.yaml": "services: {a: {image: x, labels: {l: '$A'}}}"}, []string{"A=" + long}, ""},
		{"a command of one long word", map[string]string{"compose.yaml": "services: {a: {image: x, command: '$A$A$A$A'}}"}, []string{"A=" + long}, "too long"},
		{"a long value in a name", map[string]string{"compose.yaml": "name: 'a" + strings.Repeat("$A", 300) + "'\n" + rest}, []string{"A=" + long}, "too many variables"},
		{"variables of variables", map[string]string{"compose.yaml": rest, ".env": doubled}, nil, "too many variables"},
		{"quotation of many lines", map[string]string{"compose.yaml": rest, ".env": "A=" + long + "\nB=\"" + strings.Repeat("$A\n", 500) + "\"\n"}, nil, "too many variables"},
		{"variables of variables of a service", map[string]string{"compose.yaml": "services: {a: {image: x, env_file: [b.env]}}", "b.env": doubled}, nil, "too many variables"},
		{"a large file of variables", map[string]string{"compose.yaml": "services: {a: {image: x, env_file: [b.env]}}", "b.env": strings.Repeat("# a\n", maxEnvFile/4+1)}, nil, "may have"},
		{"many variables in a file", map[string]string{"compose.yaml": rest, ".env": "A=a\n" + lines(2000, "V%d=\"$A and some more of it\"\n")}, nil, ""},
		{"a device of variables", map[string]string{"compose.yaml": "services: {a: {image: x, env_file: ['" + zero + "']}}"}, nil, "no file of variables"},
		{"a device of labels", map[string]string{"compose.yaml": "services: {a: {image: x, label_file: ['" + zero + "']}}"}, nil, "no file of variables"},
		{"a device of variables that is included", map[string]string{"compose.yaml": "include: [{path: b.yaml, env_file: '" + zero + "'}]\n" + rest, "b.yaml": rest}, nil, "no file of variables"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.Contains(c.name, "device") && runtime.GOOS == "windows" {
				t.Skip("no device of zeros here")
			}
			dir := write(t, c.files)
			o := Options{Dir: dir, Env: c.env}
			if !strings.Contains(c.name, "name") {
				o.Name = "x"
			}
			m, err := Read(t.Context(), o)
			if err == nil {
				_, err = m.Project(ProjectOptions{})
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%.300v, want %q", err, c.want)
			}
		})
	}
}

// TestOneLook: however much is wrong, a document is read once more to find where.
func TestOneLook(t *testing.T) {
	l := newLoader(Options{})
	text := "x-a: '" + strings.Repeat("${A} ", 100) + "'\nservices:\n" + lines(60, "  s%d: {imag: x}\n")
	documents, err := parse("a.yaml", []byte(text), &l.budget)
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.variables(documents[0], scope{})
	if err != nil {
		t.Fatal(err)
	}
	once := l.work
	if err := l.check(r.tree, r); err == nil || !strings.Contains(err.Error(), "59 more errors") {
		t.Error(err)
	}
	if once == 0 || l.work > 2*once {
		t.Errorf("it cost %d to read, and %d with its errors", once, l.work)
	}
}

// TestPiped: a person may have another program write the variables.
func TestPiped(t *testing.T) {
	dir := write(t, map[string]string{"compose.yaml": "services: {a: {image: '$A'}}"})
	m, err := Read(t.Context(), Options{Dir: dir, EnvFiles: []string{os.DevNull}})
	if err != nil || m.Env["A"] != "" {
		t.Error(m, err)
	}
}
