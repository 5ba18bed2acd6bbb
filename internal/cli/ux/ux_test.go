package ux

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

type row struct{ Name, Size string }

func TestList(t *testing.T) {
	cols := []Column{{"NAME", "Name"}, {"SIZE", "Size"}}
	rows := []row{{"iris", "1MB"}, {"python", "150MB"}}
	for _, c := range []struct{ format, want string }{
		{"", "NAME     SIZE\niris     1MB\npython   150MB\n"},
		{"table", "NAME     SIZE\niris     1MB\npython   150MB\n"},
		{"{{.Name}}", "iris\npython\n"},
		{`{{.Name}}\t{{.Size}}`, "iris\t1MB\npython\t150MB\n"},
		{"table {{.Name}}\t{{.Size}}", "NAME     SIZE\niris     1MB\npython   150MB\n"},
		{"json", `{"Name":"iris","Size":"1MB"}` + "\n" + `{"Name":"python","Size":"150MB"}` + "\n"},
		{"{{json .Name}}", "\"iris\"\n\"python\"\n"},
	} {
		var b bytes.Buffer
		if err := List(&b, c.format, cols, rows); err != nil {
			t.Errorf("format %q: %v", c.format, err)
		}
		if got := b.String(); got != c.want {
			t.Errorf("format %q: got %q, want %q", c.format, got, c.want)
		}
	}
	if err := List(&bytes.Buffer{}, "{{.Nope}}", cols, rows); err == nil {
		t.Error("a template that names an unknown field is accepted")
	}
}

func TestProgressPlain(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(0, 0)
	p := NewProgress(&b, false)
	p.now = func() time.Time { return now }
	short := p.Start("short", false)
	short.End("")
	long := p.Start("compile", false)
	now = now.Add(1500 * time.Millisecond)
	long.Update(1, 4)
	long.Update(2, 4)
	now = now.Add(12 * time.Second)
	long.Update(3, 4)
	long.End("done")
	long.End("twice")
	got := b.String()
	want := "compile 25% 1.5s\ncompile 75% 13.5s\ncompile done 13.5s\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProgressLive(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(0, 0)
	p := NewProgress(&b, false)
	p.live, p.now = true, func() time.Time { return now }
	task := p.Start("pull layer", true)
	now = now.Add(time.Second)
	task.Update(512, 1024)
	p.Line("hello")
	task.End("done")
	if got := b.String(); !strings.Contains(got, "[============            ] 512B/1.024kB") || !strings.Contains(got, "hello\n") {
		t.Errorf("got %q", got)
	}
}

// TestOutput: what a program prints stays, bars around it go.
func TestOutput(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b, false)
	p.live = true
	p.Start("step", false).Update(1, 2)
	p.Output(&b).Write([]byte("said\n"))
	if got := b.String(); !strings.HasSuffix(got, "\x1b[1A\x1b[Jsaid\n") {
		t.Errorf("got %q", got)
	}
	b.Reset()
	p.Clear()
	if got := b.String(); got != "" {
		t.Errorf("erases what a program said: %q", got)
	}
}

// TestForeignText: no text of an image or registry reaches the terminal's ear.
func TestForeignText(t *testing.T) {
	evil := "a\x1b]0;x\x07\rb\u009b2J"
	var b bytes.Buffer
	PrintError(&b, Message{Text: evil, Hint: evil})
	if err := List(&b, "", []Column{{"NAME", "Name"}}, []row{{Name: evil + "\nforged row"}}); err != nil {
		t.Fatal(err)
	}
	p := NewProgress(&b, false)
	p.Start(evil, false).End("done")
	p.Line("%s", evil)
	if got := b.String(); strings.ContainsAny(got, "\x1b\x07\r\u009b") || strings.Contains(got, "\nforged") {
		t.Errorf("got %q", got)
	}
}

func TestPrintError(t *testing.T) {
	var b bytes.Buffer
	PrintError(&b, Message{Text: "no such image: x.", Hint: "pull it: wherry pull x"})
	if got, want := b.String(), "wherry: no such image: x\n  pull it: wherry pull x\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
