package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
)

// TestConsent: variables of this machine go to a stack of a registry when somebody said so.
func TestConsent(t *testing.T) {
	wants := &compose.File{Wants: []string{"AWS_SECRET", "HOME"}}
	o := &composeOptions{app: &app{Streams: ux.Streams{In: strings.NewReader("y\n"), Err: &bytes.Buffer{}}}}
	err := o.consent(wants, nil)
	if h := new(hinted); !errors.As(err, &h) || !strings.Contains(err.Error(), "AWS_SECRET, HOME") || !strings.Contains(h.hint, "-y") || !strings.Contains(h.hint, "--env-file") {
		t.Errorf("who pipes is not asked: %v", err)
	}
	if err := o.consent(&compose.File{}, nil); err != nil {
		t.Error(err)
	}
	err = o.consent(&compose.File{}, []string{"volume shop_data"})
	if h := new(hinted); !errors.As(err, &h) || !strings.Contains(err.Error(), "not its own: volume shop_data") || !strings.Contains(h.hint, "-p NAME") {
		t.Errorf("what is another's is let: %v", err)
	}
	err = o.consent(&compose.File{Reaches: []string{"a to 10.0.0.1"}}, nil)
	if h := new(hinted); !errors.As(err, &h) || !strings.Contains(err.Error(), "a to 10.0.0.1") || !strings.Contains(h.hint, "-y") || strings.Contains(h.hint, "--env-file") {
		t.Errorf("what it connects to is let: %v", err)
	}
	o.yes = true
	if err := o.consent(wants, nil); err != nil {
		t.Error(err)
	}
}

// TestFilesOf: the dashboard reads files of this machine that are there, and nothing else.
func TestFilesOf(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "compose.yaml")
	if err := os.WriteFile(name, []byte("services: {a: {image: x}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := filesOf(name + "," + name); !slices.Equal(got, []string{name, name}) {
		t.Error(got)
	}
	for _, label := range []string{"", "-", "oci://localhost:1/a:b", "compose.yaml", dir, name + ",-", name + ",oci://localhost:1/a:b", filepath.Join(dir, "a,b.yaml")} {
		if got := filesOf(label); got != nil {
			t.Errorf("%q: %v", label, got)
		}
	}
}

// TestNoVerb: a verb that is none is an error, below others and for help.
func TestNoVerb(t *testing.T) {
	for _, args := range [][]string{{"container", "nope"}, {"volume", "nope"}, {"image", "nope"}, {"compose", "nope"}, {"help", "nope"}, {"help", "container", "nope"}, {"nope"}} {
		var out bytes.Buffer
		a := &app{env: func(string) string { return "" }}
		root := a.root(args)
		root.SetArgs(args)
		root.SetOut(&out)
		root.SetErr(&out)
		if err := root.Execute(); err == nil || !strings.Contains(err.Error(), "no such command: nope") || out.Len() > 0 {
			t.Errorf("%v: %v, %q", args, err, out.String())
		}
	}
	for _, args := range [][]string{{"container"}, {"help"}, {"help", "container", "ls"}, {"help", "run"}} {
		var out bytes.Buffer
		a := &app{env: func(string) string { return "" }}
		root := a.root(args)
		root.SetArgs(args)
		root.SetOut(&out)
		if err := root.Execute(); err != nil || !strings.Contains(out.String(), "Usage:") {
			t.Errorf("%v: %v, %q", args, err, out.String())
		}
	}
}
