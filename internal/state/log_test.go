package state

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newLog(t *testing.T, c LogConfig) (*logWriter, *logReader) {
	t.Helper()
	dir := t.TempDir()
	w, err := openLog(dir, c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.close() })
	return w, &logReader{dir: dir}
}

func read(t *testing.T, r *logReader) string {
	t.Helper()
	var b strings.Builder
	err := r.follow(t.Context(), false, nil, func(line []byte) (bool, error) {
		e, ok := parseEntry(line)
		if !ok {
			t.Errorf("no entry: %q", line)
		}
		b.Write(e.Bytes())
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestLog: what is written comes out again, whatever bytes it has and however it is cut.
func TestLog(t *testing.T) {
	for _, text := range []string{
		"a line\n", "no end", "two\nlines\n", strings.Repeat("x", 3*maxLine) + "\n", "\xff\xfe\x00\n", "\n\n\n", "ü\u2028\n",
		strings.Repeat("€", maxLine), // cut within a rune
	} {
		w, r := newLog(t, LogConfig{})
		for rest := []byte(text); len(rest) > 0; {
			n := min(7001, len(rest))
			w.write(Stdout, rest[:n])
			rest = rest[n:]
		}
		w.flush()
		if got := read(t, r); got != text {
			t.Errorf("%.20q: %d bytes, want %d", text, len(got), len(text))
		}
	}
}

// TestLogWait: the beginning of a line, such as a question, is written after a while.
func TestLogWait(t *testing.T) {
	w, r := newLog(t, LogConfig{})
	w.write(Stderr, []byte("your name: "))
	until(t, "it is written", func() bool {
		return read(t, r) == "your name: " || r.number > 0 && r.begun == nil && read(t, &logReader{dir: r.dir}) != ""
	})
}

// TestRotation: files are bounded, the oldest go, and who follows misses nothing of
// what is kept.
func TestRotation(t *testing.T) {
	w, r := newLog(t, LogConfig{MaxSize: 1 << 10, MaxFiles: 3})
	var all strings.Builder
	for i := range 200 {
		line := fmt.Sprintf("line %d\n", i)
		all.WriteString(line)
		w.write(Stdout, []byte(line))
		if i%5 == 0 {
			read(t, r)
		}
	}
	list, err := logFiles(w.dir)
	if err != nil || len(list) != 3 || list[0] == 1 {
		t.Fatalf("files %v, %v", list, err)
	}
	for _, n := range list {
		if info, err := os.Stat(filepath.Join(w.dir, logName(n))); err != nil || info.Size() > 2<<10 {
			t.Errorf("%s: %v %v", logName(n), info.Size(), err)
		}
	}
	kept := read(t, &logReader{dir: w.dir})
	if kept == "" || !strings.HasSuffix(all.String(), kept) {
		t.Errorf("kept is no end of what was written: %.60q", kept)
	}
	// A tail over several files.
	for _, n := range []int{0, 1, 5, 20, 10000} {
		r := &logReader{dir: w.dir}
		if err := r.seek(&n); err != nil {
			t.Fatal(err)
		}
		got := read(t, r)
		if want := min(n, strings.Count(kept, "\n")); strings.Count(got, "\n") != want || !strings.HasSuffix(kept, got) {
			t.Errorf("tail %d: %d lines", n, strings.Count(got, "\n"))
		}
	}
}

// TestCutOff: a line that a killed supervisor had begun spoils no other.
func TestCutOff(t *testing.T) {
	w, _ := newLog(t, LogConfig{})
	w.write(Stdout, []byte("one\n"))
	_, _ = w.f.WriteString(`{"log":"half`)
	_ = w.close()
	again, err := openLog(w.dir, LogConfig{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	again.write(Stdout, []byte("two\n"))
	_ = again.close()
	var got []string
	err = (&logReader{dir: w.dir}).follow(t.Context(), false, nil, func(line []byte) (bool, error) {
		if e, ok := parseEntry(line); ok {
			got = append(got, e.Log)
		}
		return true, nil
	})
	if err != nil || fmt.Sprint(got) != "[one\n two\n]" {
		t.Errorf("%q %v", got, err)
	}
}

func TestFollow(t *testing.T) {
	s := open(t)
	c := start(t, s, Config{Args: []string{"wait"}})
	lines := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- s.Logs(t.Context(), c.ID, LogOptions{Follow: true}, func(e Entry) error { lines <- e.Log; return nil })
	}()
	if got := <-lines; got != "begun\n" {
		t.Errorf("%q", got)
	}
	if err := s.Stop(t.Context(), c.ID, StopOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("the end: %v", err)
	}
}

func TestEvents(t *testing.T) {
	s := open(t)
	began := time.Now()
	c := start(t, s, Config{Name: "e", Args: []string{"exit", "2"}, Labels: map[string]string{"k": "v"}})
	if _, err := s.Wait(t.Context(), c.ID, ""); err != nil {
		t.Fatal(err)
	}
	until(t, "it has ended", func() bool { return get(t, s, c.ID).State.Status == Exited })
	if err := s.Remove(t.Context(), c.ID, true); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := s.Events(t.Context(), EventOptions{Since: began, Until: time.Now()}, func(e Event) error {
		got = append(got, e.Action+e.Actor.Attributes["exitCode"]+e.Actor.Attributes["k"])
		return nil
	})
	if want := "[createv startv die2v destroyv]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v; want %s", got, err, want)
	}
}

func TestVolumes(t *testing.T) {
	s := open(t)
	v, made, err := s.CreateVolume("data", map[string]string{"a": "b"})
	if err != nil || !made {
		t.Fatal(err)
	}
	if again, made, err := s.CreateVolume("data", nil); err != nil || made || again.Path != v.Path || again.Labels["a"] != "b" {
		t.Errorf("again %+v %v %v", again, made, err)
	}
	for _, name := range []string{"../x", "a/b", ".x", "-"} {
		if _, _, err := s.CreateVolume(name, nil); err == nil {
			t.Errorf("a volume is called %q", name)
		}
	}
	anonymous, _, err := s.CreateVolume("", nil)
	if err != nil || !anonymous.Anonymous {
		t.Fatal(err)
	}
	c := create(t, s, Config{Args: []string{"exit", "0"}, Mounts: []Mount{
		{Type: "volume", Name: "data", Target: "/data"}, {Type: "volume", Name: anonymous.Name, Anonymous: true, Target: "/tmp"},
	}})
	if err := s.RemoveUnusedVolume(t.Context(), "data"); err == nil {
		t.Error("a volume in use is removed")
	}
	if err := s.Remove(t.Context(), c.ID, true); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Volumes(); err != nil || len(list) != 1 || list[0].Name != "data" {
		t.Errorf("left are %v, %v", list, err)
	}
	if err := s.RemoveUnusedVolume(t.Context(), "data"); err != nil {
		t.Error(err)
	}
}

func TestSignals(t *testing.T) {
	for text, want := range map[string]Signal{"": 15, "9": 9, "KILL": 9, "sigint": 2, "SIGHUP": 1, "WINCH": 28} {
		if got, err := ParseSignal(text); got != want || err != nil {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"0", "65", "-1", "SIG", "NONE", "15x"} {
		if got, err := ParseSignal(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	if Signal(28).Ends() || !SIGTERM.Ends() || SIGTERM.String() != "SIGTERM" || Signal(40).String() != "40" {
		t.Error("what ends a program")
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"log":"x\n","stream":"stdout","time":"2026-11-23T10:00:00Z"}`))
	f.Add([]byte(`{"raw":"/w==","stream":"stderr","time":"2026-11-23T10:00:00Z"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if e, ok := parseEntry(line); ok {
			b, err := json.Marshal(e)
			if err != nil {
				t.Skip(err) // a year that JSON cannot say
			}
			if again, ok := parseEntry(b); ok && !bytes.Equal(again.Bytes(), e.Bytes()) {
				t.Errorf("%q became %q", e.Bytes(), again.Bytes())
			}
		}
		_, _ = parseEvent(line)
	})
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 'x'})
	f.Add([]byte{3, 0, 0, 0, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		var buf []byte
		total := 0
		for {
			kind, p, err := readFrame(r, &buf)
			if err != nil {
				break
			}
			if total += 5 + len(p); kind > frameSignal || total > len(b) {
				t.Fatalf("a frame of kind %d, %d bytes of %d", kind, total, len(b))
			}
		}
	})
}

// FuzzState: whatever lies in a container's folder, looking at it ends, and tells
// something or an error.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"ID":"x","Name":"a","StopTimeout":"5s"}`), []byte(`{"Status":"running","Pid":1,"Control":"unix:/etc/passwd"}`))
	f.Add([]byte(`{}`), []byte(``))
	f.Fuzz(func(t *testing.T, config, state []byte) {
		s, err := Open(t.TempDir(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		id := strings.Repeat("ab", 32)
		if err := os.MkdirAll(s.container(id, logsDir), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{configFile: config, stateFile: state} {
			if err := os.WriteFile(s.container(id, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		list, err := s.List(t.Context(), nil)
		for _, c := range list {
			if c.ID != id || c.State.Status.Alive() {
				t.Errorf("%+v", c)
			}
		}
		_ = err
		_, _ = s.Recover(t.Context(), true)
	})
}
