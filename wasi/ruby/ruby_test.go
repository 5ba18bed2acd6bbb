package ruby

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		args, options []string
		main          string
	}{
		{[]string{"-e", "puts 1", "-e", "p 2", "x", "-y"}, []string{"x", "-y"}, "eval(" + quote("puts 1\np 2")},
		{[]string{"-eputs 1"}, nil, "eval(" + quote("puts 1")},
		{[]string{"-W0", "-I", "lib", "-rset", "a.rb", "-e", "b"}, []string{"-e", "b"}, "load($0 = File.expand_path(" + quote("a.rb")},
		{[]string{"--", "-a.rb"}, nil, "load($0 = File.expand_path(" + quote("-a.rb")},
		{nil, nil, "eval($stdin.read"},
		{[]string{"-", "a"}, []string{"a"}, "eval($stdin.read"},
		{[]string{"--version"}, nil, ""},
	} {
		got, err := parse(append([]string{"ruby"}, c.args...))
		if err != nil {
			t.Errorf("%q: %v", c.args, err)
			continue
		}
		_, after, _ := strings.Cut(strings.Join(got.options, "\x00"), "\x00-e_=0\x00--")
		if after != strings.Join(append([]string{""}, c.options...), "\x00") && !(after == "" && c.options == nil) {
			t.Errorf("%q: arguments %q, want %q", c.args, after, c.options)
		}
		if !strings.HasPrefix(got.main, c.main) || c.main == "" && got.main != "" {
			t.Errorf("%q: runs %q, want %q", c.args, got.main, c.main)
		}
	}
	got, _ := parse([]string{"ruby", "-W0", "-I", "lib", "-rset", "a.rb"})
	if want := []string{"ruby", "-EUTF-8", "-W0", "-I", "lib", "-rset", "-e_=0", "--"}; !slices.Equal(got.options, want) {
		t.Errorf("options %q, want %q", got.options, want)
	}
	for _, bad := range []string{"-n", "-p", "-c", "-e"} {
		var usage *UsageError
		if _, err := parse([]string{"ruby", bad}); !errors.As(err, &usage) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestQuote(t *testing.T) {
	if got := quote("é#{x}\"\x00"); got != `["c3a9237b787d2200"].pack("H*").force_encoding("UTF-8")` {
		t.Error(got)
	}
}

// TestPlain: what Start has started can go on as these.
func TestPlain(t *testing.T) {
	for line, want := range map[string]bool{
		"ruby": true, "ruby -e p a b": true, "ruby a.rb -W0": true, "ruby - x": true, "ruby -- a.rb": true,
		"ruby -W0 a.rb": false, "ruby -rset -e p": false, "ruby --version": false, "ruby -n": false, "ruby -I lib a.rb": false,
	} {
		if got := Plain(strings.Fields(line)); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}
