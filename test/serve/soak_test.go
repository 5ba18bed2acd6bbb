package serve

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// loadTime is how long the tests of load last: seconds, unless WHERRY_TEST_LOAD is a
// duration, or long, an hour for TestSoak and a minute for each of the others.
func loadTime(t *testing.T, short, long time.Duration) time.Duration {
	t.Helper()
	switch word := os.Getenv("WHERRY_TEST_LOAD"); word {
	case "":
		return short
	case "long":
		return long
	default:
		d, err := time.ParseDuration(word)
		if err != nil {
			t.Fatalf("WHERRY_TEST_LOAD is long or a time such as 10m: %v", err)
		}
		return d
	}
}

// held is what a server holds at a moment at which nothing is asked.
type held struct {
	at                                      time.Duration
	asked, refused, failed                  int
	resident, private, heap                 float64 // bytes
	files, goroutines, instances, temporary float64
}

// hold asks a server what it holds, when it had a moment to let go.
func hold(s *server, folder string) (held, error) {
	h := held{temporary: countFiles(folder)}
	r, err := http.Get(s.URL + "/metrics")
	if err != nil {
		return h, err
	}
	defer r.Body.Close()
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		v, _ := strconv.ParseFloat(value, 64)
		name, _, _ = strings.Cut(name, "{")
		switch name {
		case "process_resident_memory_bytes":
			h.resident = v
		case "go_memstats_heap_alloc_bytes":
			h.heap = v
		case "process_open_fds":
			h.files = v
		case "go_goroutines":
			h.goroutines = v
		case "wherry_model_memory_bytes": // of all models
			h.instances += v
		}
	}
	h.private = private(s.cmd.Process.Pid)
	return h, nil
}

// private is a process's memory that is in no file; -1 where that is not known.
func private(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return -1
	}
	_, after, _ := strings.Cut(string(text), "RssAnon:")
	kb, err := strconv.ParseFloat(strings.Fields(after + " x")[0], 64)
	if err != nil {
		return -1
	}
	return kb * 1024
}

func countFiles(folder string) float64 {
	n := 0
	_ = filepath.WalkDir(folder, func(string, fs.DirEntry, error) error { n++; return nil })
	return float64(n)
}

// TestSoak has a server of six models asked fifty times a second in all ways that
// clients have, good and bad, while the tag of one of its models moves to and fro.
// Every now and then they pause, and what the server holds then must not grow.
// WHERRY_TEST_SOAK names a file of CSV that gets what was held.
func TestSoak(t *testing.T) {
	lasts := loadTime(t, 6*time.Second, time.Hour)
	for _, image := range images {
		need(t, image)
	}
	two, three := times(t, 2), times(t, 3)
	const tag = "localhost/test-serve-soak:1"
	wherry(t, "tag", two, tag)
	temp, logs := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	args := []string{"followed=" + tag}
	for name, image := range maps.All(images) {
		args = append(args, name+"="+own(t, name, image))
	}
	args = append(args, "faulty="+own(t, "faulty", faultyImage(t)), "--default-model", "iris", "--instances", "2", "--timeout", "20s", "--max-body", "1m", "-m", "512m", "--read-timeout", "2s",
		"--request-log", filepath.Join(logs, "log.parquet"), "--request-log-size", "4m")
	s := Start(t, args...)
	v, err := newVisitor(s)
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	table, err := newTable(os.Getenv("WHERRY_TEST_SOAK"))
	if err != nil {
		t.Fatal(err)
	}
	defer table.close()
	every := min(time.Minute, lasts/3)
	var list []held
	for began, round := time.Now(), 0; time.Since(began) < lasts; round++ {
		ctx, cancel := context.WithTimeout(t.Context(), every*9/10)
		v.visit(ctx, 50)
		cancel()
		if t.Context().Err() != nil {
			break
		}
		wherry(t, "tag", []string{three, two}[round%2], tag)
		v.client.CloseIdleConnections()
		time.Sleep(every / 10) // for what was left to end, and the tag to be seen
		h, err := hold(s, temp)
		if err != nil {
			t.Fatalf("after %v: %v\n%s", time.Since(began), err, s.said)
		}
		h.at = time.Since(began).Round(time.Second)
		h.asked, h.refused, h.failed = v.counts()
		list = append(list, h)
		table.add(h)
		for _, w := range v.complaints() {
			t.Error(w)
		}
		t.Logf("%+v", h)
	}
	asked, refused, failed := v.counts()
	t.Logf("%d requests, %d refused, %d wrong: %v", asked, refused, failed, v.asked)
	if failed > 0 || refused > asked/100 && lasts >= time.Minute {
		t.Errorf("of %d requests %d went wrong and %d were refused", asked, failed, refused)
	}
	if lasts >= 10*time.Minute {
		grows(t, list)
	}
}

// own is a tag that no other test moves: to follow one takes memory, too.
func own(t *testing.T, name, image string) string {
	t.Helper()
	tag := "localhost/test-serve-soak:" + name
	wherry(t, "tag", image, tag)
	return tag
}

// grows compares what was held in the second fifth of the time with the last one: at
// first there is something to learn.
func grows(t *testing.T, list []held) {
	t.Helper()
	fifth := len(list) / 5
	early, late := list[fifth:2*fifth], list[len(list)-fifth:]
	for _, one := range []struct {
		name       string
		of         func(held) float64
		room, more float64
	}{
		{"resident memory", func(h held) float64 { return h.resident }, 0.1, 16 << 20},
		{"memory of its own", func(h held) float64 { return h.private }, 0.1, 16 << 20},
		{"open files", func(h held) float64 { return h.files }, 0, 2},
		{"goroutines", func(h held) float64 { return h.goroutines }, 0, 2},
		{"memory of instances", func(h held) float64 { return h.instances }, 0.1, 1 << 20},
		{"temporary files", func(h held) float64 { return h.temporary }, 0, 2},
	} {
		before, after := median(early, one.of), median(late, one.of)
		t.Logf("%s: %.0f, and %.0f at the end", one.name, before, after)
		if after > before*(1+one.room)+one.more {
			t.Errorf("%s grew from %.0f to %.0f", one.name, before, after)
		}
	}
}

func median(list []held, of func(held) float64) float64 {
	var all []float64
	for _, h := range list {
		all = append(all, of(h))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// table is a file of CSV.
type table struct {
	file *os.File
	*csv.Writer
}

func newTable(name string) (*table, error) {
	if name == "" {
		return &table{}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	t := &table{f, csv.NewWriter(f)}
	return t, t.Write([]string{"seconds", "asked", "refused", "failed", "resident", "private", "heap", "files", "goroutines", "instances", "temporary"})
}

func (t *table) add(h held) {
	if t.file == nil {
		return
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }
	_ = t.Write([]string{number(h.at.Seconds()), strconv.Itoa(h.asked), strconv.Itoa(h.refused), strconv.Itoa(h.failed), number(h.resident), number(h.private),
		number(h.heap), number(h.files), number(h.goroutines), number(h.instances), number(h.temporary)})
	t.Flush()
}

func (t *table) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
}

// faultyImage builds the model that does what a request says.
func faultyImage(t *testing.T) string {
	t.Helper()
	return pythonImage(t, "faulty", faulty)
}
