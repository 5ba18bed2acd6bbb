package python

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func readText(t *testing.T, text string, env ...string) (*asked, error) {
	t.Helper()
	r := &requirementReader{fs: fstest.MapFS{"app/requirements.txt": {Data: []byte(text)}}, dir: "/app", env: env}
	return r.read(&arguments{files: []string{"requirements.txt"}})
}

func TestRequirementLines(t *testing.T) {
	text := "\ufeff# a comment\r\n\r\nflask==3.0 # why\r\nurl#fragment\nlong[extra1,\\\nextra2] >= 1 ; python_version < '4' \\\n  --hash=sha256:aa --hash sha256:bb\n" +
		"--extra-index-url https://${TOKEN}@example.org/simple ${OTHER}\n./wheels/local_thing-1.0-py3-none-any.whl\nname @ https://example.org/x.whl\nhttps://example.org/dir/Other.Name-2.0-py3-none-any.whl#sha256=00\n"
	a, err := readText(t, text, "TOKEN=secret")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range a.requirements {
		got = append(got, r.Text+"|"+r.Where+"|"+strings.Join(r.Hashes, ",")+"|"+r.Wheel)
	}
	want := []string{
		"flask==3.0|requirements.txt:3||",
		"url#fragment|requirements.txt:4||",
		"long[extra1, extra2] >= 1 ; python_version < '4'|requirements.txt:5|sha256:aa,sha256:bb|",
		"./wheels/local_thing-1.0-py3-none-any.whl|requirements.txt:9||app/wheels/local_thing-1.0-py3-none-any.whl",
		"name @ https://example.org/x.whl|requirements.txt:10||",
		"other-name @ https://example.org/dir/Other.Name-2.0-py3-none-any.whl#sha256=00|requirements.txt:11||",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !slices.Contains(a.pass, "--extra-index-url=https://secret@example.org/simple") {
		t.Errorf("passed on %q", a.pass)
	}
}

func TestRefusedRequirements(t *testing.T) {
	for text, advice := range map[string]string{
		"-e .":                              "editable",
		".":                                 "pip wheel",
		"./pkg":                             "pip wheel",
		"../pkg.tar.gz":                     "pip wheel",
		`C:\work\pkg`:                       "pip wheel",
		"git+https://example.org/x.git":     "pip wheel",
		"x @ git+https://example.org/x.git": "pip wheel",
		"https://example.org/x-1.0.tar.gz":  "wheels",
		"-r https://example.org/r.txt":      "COPY",
		"-r nothere.txt":                    "COPY nothere.txt",
		"-r requirements.txt":               "circle",
		"--no-binary :all:":                 "wheels are the only form",
		"--what-is-this":                    "not known",
		"bad-name.whl":                      "no name of a wheel",
	} {
		_, err := readText(t, text)
		var refused *RequirementError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), advice) {
			t.Errorf("%s: got %v, want %q", text, err, advice)
		}
	}
}

func TestArguments(t *testing.T) {
	a, err := parseArgs(strings.Fields("--no-cache-dir -q -r a.txt -rb.txt --requirement=c.txt -c d.txt flask numpy>=2 --index-url https://x/simple --extra-index-url=https://y -U --use-base-versions --find-links wheels --root-user-action=ignore"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a.files, []string{"a.txt", "b.txt", "c.txt"}) || !slices.Equal(a.constraints, []string{"d.txt"}) ||
		!slices.Equal(a.requirements, []string{"flask", "numpy>=2"}) || !slices.Equal(a.links, []string{"wheels"}) || !a.useBaseVersions {
		t.Errorf("got %+v", a)
	}
	if want := []string{"--no-cache-dir", "--index-url=https://x/simple", "--extra-index-url=https://y"}; !slices.Equal(a.pass, want) {
		t.Errorf("passed on %q, want %q", a.pass, want)
	}
	for _, bad := range []string{"-e .", "--target x y", "--nosuch", "-r", "--platform any x", "--dry-run x"} {
		var usage *UsageError
		if _, err := parseArgs(strings.Fields(bad)); !errors.As(err, &usage) {
			t.Errorf("%s: got %v", bad, err)
		}
	}
	var usage *UsageError
	if _, err := (&requirementReader{fs: fstest.MapFS{}, dir: "/"}).read(&arguments{}); !errors.As(err, &usage) {
		t.Errorf("nothing to install: got %v", err)
	}
}

func FuzzRequirements(f *testing.F) {
	f.Add("flask==3.0\n-r requirements.txt\n")
	f.Add("a \\\n b --hash=sha256:00 # c\n${X}\n-e .\n")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := readText(t, text)
		if err != nil {
			return
		}
		for _, r := range a.requirements {
			if strings.Contains(r.Text, "\n") {
				t.Errorf("a requirement of two lines: %q", r.Text)
			}
		}
	})
}
