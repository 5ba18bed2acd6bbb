package requestlog_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/requestlog"
)

// line is a row as a reader of Parquet has it.
type line struct {
	Time    time.Time `parquet:"time,timestamp(microsecond)"`
	ID      string    `parquet:"id"`
	Key     string    `parquet:"key"`
	Model   string    `parquet:"model"`
	Status  int64     `parquet:"status"`
	Reason  string    `parquet:"reason"`
	Seconds float64   `parquet:"seconds"`
	Fuel    int64     `parquet:"fuel"`
	Inputs  string    `parquet:"inputs"`
	Outputs string    `parquet:"outputs"`
}

var began = time.Date(2026, 11, 23, 7, 0, 0, 123456000, time.UTC)

func event(name string, n int) repository.Event {
	return repository.Event{
		Call: &repository.Call{Model: name, Protocol: repository.ProtocolPredict, Request: &model.Request{Inputs: []model.Tensor{
			model.Of("x", []float32{float32(n), 0.5}, 1, 2), model.Of("text", []string{"a,\"b\"\n\u00fc"}, 1)}}},
		Answer:  &repository.Answer{Response: &model.Response{Outputs: []model.Tensor{model.Of("y", []int64{int64(n)}, 1)}}},
		Receipt: repository.Receipt{Model: name, Version: "1", Digest: "sha256:ab", Fuel: uint64(n), Rows: 1, Batch: 1, Queue: time.Millisecond, Compute: time.Second},
		Began:   began, Took: 1500 * time.Millisecond,
	}
}

func open(t *testing.T, c requestlog.Config) *requestlog.Log {
	t.Helper()
	l, err := requestlog.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(context.WithoutCancel(t.Context())) })
	return l
}

func end(t *testing.T, l *requestlog.Log) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func readParquet(t *testing.T, path string) []line {
	t.Helper()
	rows, err := parquet.ReadFile[line](path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return rows
}

func TestParquet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.parquet")
	l := open(t, requestlog.Config{Path: path})
	if rows := readParquet(t, path); len(rows) != 0 {
		t.Errorf("a new file has %d rows", len(rows))
	}
	for n := range 3 {
		l.Observe(t.Context(), event("iris", n))
	}
	bad := event("iris", 3)
	bad.Answer, bad.Err = nil, &model.InputError{Tensor: "x", Reason: "no"}
	l.Observe(t.Context(), bad)
	odd := event("odd \xff", 4)
	large := model.Tensor{Name: "image", Type: model.Uint8, Shape: []int64{1 << 20}, Data: make([]byte, 1<<20)}
	odd.Call.Request.Inputs = []model.Tensor{large, {Name: "broken", Type: model.FP32, Shape: []int64{3}, Data: []byte{1}}}
	l.Observe(t.Context(), odd)
	end(t, l)
	rows := readParquet(t, path)
	if len(rows) != 5 {
		t.Fatalf("%d rows", len(rows))
	}
	if r := rows[2]; !r.Time.Equal(began) || r.Model != "iris" || r.Status != 200 || r.Seconds != 1.5 || r.Fuel != 2 ||
		r.Inputs != `{"x":[[2,0.5]],"text":["a,\"b\"\nü"]}` || r.Outputs != `{"y":[2]}` {
		t.Errorf("row 2: %+v", r)
	}
	if r := rows[3]; r.Status != 400 || r.Reason != "bad_input" || r.Outputs != "{}" {
		t.Errorf("row 3: %+v", r)
	}
	if r := rows[4]; r.Model != "odd ?" || r.Inputs != `{"image":{"datatype":"UINT8","shape":[1048576],"bytes":1048576},"broken":{"datatype":"FP32","shape":[3],"bytes":1}}` {
		t.Errorf("row 4: %+v", r)
	}
	if written, dropped := l.Counts(); written != 5 || dropped != 0 {
		t.Errorf("%d written, %d dropped", written, dropped)
	}
	l.Observe(t.Context(), event("iris", 9)) // after the end
	if _, dropped := l.Counts(); dropped != 1 {
		t.Errorf("%d dropped", dropped)
	}
}

// TestRequest finds what HTTP knows of a request.
func TestRequest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.csv")
	l := open(t, requestlog.Config{Path: path})
	keys, err := guard.NewKeys("", write(t, "alice the-secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := guard.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { l.Observe(r.Context(), event("iris", 1)) }), guard.Config{Keys: keys})
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/", nil)
	r.Header.Set("X-Api-Key", "the-secret")
	r.Header.Set("X-Request-Id", "r-1")
	h.ServeHTTP(httptest.NewRecorder(), r)
	end(t, l)
	rows := readCSV(t, path)
	if len(rows) != 2 || rows[1]["id"] != "r-1" || rows[1]["key"] != "alice" || rows[1]["time"] != "2026-11-23T07:00:00.123456Z" || rows[1]["seconds"] != "1.5" {
		t.Errorf("%v", rows)
	}
	var inputs struct{ Text []string }
	if err := json.Unmarshal([]byte(rows[1]["inputs"]), &inputs); err != nil || inputs.Text[0] != "a,\"b\"\n\u00fc" {
		t.Errorf("%v: %v", inputs, err)
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readCSV(t *testing.T, path string) []map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cells, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, c := range cells {
		r := map[string]string{}
		for i, name := range cells[0] {
			r[name] = c[i]
		}
		rows = append(rows, r)
	}
	return rows
}

// TestCSVAgain goes on with a file that is there.
func TestCSVAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.csv")
	for n := range 2 {
		l := open(t, requestlog.Config{Path: path})
		l.Observe(t.Context(), event("iris", n))
		end(t, l)
	}
	if rows := readCSV(t, path); len(rows) != 3 || rows[2]["fuel"] != "1" {
		t.Errorf("%v", rows)
	}
}

// TestFolder has a table for each model, with names that are no paths, and keeps
// those that were there.
func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	for range 2 {
		l := open(t, requestlog.Config{Path: dir})
		for _, name := range []string{"iris", "../../evil", "CON", ""} {
			l.Observe(t.Context(), event(name, 1))
		}
		for _, name := range []string{"none", "nobody"} { // both go where "" does
			e := event(name, 1)
			e.Answer, e.Err = nil, &repository.NotFoundError{Model: name}
			l.Observe(t.Context(), e)
		}
		end(t, l)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 8 {
		t.Fatalf("%v %v", files, err)
	}
	for _, f := range files {
		want := 1
		if strings.HasPrefix(filepath.Base(f), "unknown") {
			want = 3
		}
		if rows := readParquet(t, f); len(rows) != want {
			t.Errorf("%s has %d rows", f, len(rows))
		}
	}
	if outside, _ := filepath.Glob(filepath.Join(dir, "..", "*")); len(outside) != 1 {
		t.Errorf("files outside: %v", outside)
	}
}

// TestSize writes more than may be: the oldest rows go.
func TestSize(t *testing.T) {
	for _, ext := range []string{".csv", ".parquet"} {
		dir := t.TempDir()
		const size = 400_000
		l := open(t, requestlog.Config{Path: filepath.Join(dir, "log"+ext), Size: size})
		noise := strings.Repeat("0123456789", 100)
		for n := range 1500 {
			e := event("iris", n)
			e.Call.Request.Inputs = append(e.Call.Request.Inputs, model.Of("noise", []string{fmt.Sprint(n) + noise}, 1))
			l.Observe(t.Context(), e)
			for written, dropped := l.Counts(); written+dropped <= int64(n); written, dropped = l.Counts() {
				time.Sleep(100 * time.Microsecond)
			}
		}
		end(t, l)
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(files) < 2 {
			t.Fatalf("%s: %v %v", ext, files, err)
		}
		total := int64(0)
		for _, f := range files {
			st, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			total += st.Size()
		}
		if total > size+size/5 {
			t.Errorf("%s: %d bytes in %d files, %d may be", ext, total, len(files), size)
		}
	}
}

// TestGroups has more rows than are written at once.
func TestGroups(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.parquet")
	l := open(t, requestlog.Config{Path: path})
	for n := range 3000 {
		e := event("iris", n)
		e.Call.Request.Inputs = []model.Tensor{model.Of("noise", []string{strings.Repeat(fmt.Sprint(n), 1000)}, 1)}
		l.Observe(t.Context(), e)
	}
	end(t, l)
	rows := readParquet(t, path)
	written, dropped := l.Counts()
	if int64(len(rows)) != written || written+dropped != 3000 || written < 2000 {
		t.Fatalf("%d rows, %d written, %d dropped", len(rows), written, dropped)
	}
	for i, r := range rows {
		if want := strings.Repeat(fmt.Sprint(r.Fuel), 1000); r.Inputs != `{"noise":["`+want+`"]}` || i > 0 && r.Fuel <= rows[i-1].Fuel {
			t.Fatalf("row %d is of %d: %.100s", i, r.Fuel, r.Inputs)
		}
	}
}

// TestNeverBlocks observes faster than can be written.
func TestNeverBlocks(t *testing.T) {
	l := open(t, requestlog.Config{Path: filepath.Join(t.TempDir(), "log.parquet")})
	big := event("iris", 1)
	big.Call.Request.Inputs = []model.Tensor{model.Of("x", make([]float64, 16000), 2000, 8)}
	var wg sync.WaitGroup
	start := time.Now()
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				l.Observe(t.Context(), big)
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("16000 took %v", took)
	}
	end(t, l)
	written, dropped := l.Counts()
	if written+dropped != 16000 || written == 0 || dropped == 0 {
		t.Errorf("%d written, %d dropped", written, dropped)
	}
}

func TestSample(t *testing.T) {
	l := open(t, requestlog.Config{Path: filepath.Join(t.TempDir(), "log.csv"), Sample: 0.1})
	for n := range 4000 {
		l.Observe(t.Context(), event("iris", n))
	}
	end(t, l)
	if written, dropped := l.Counts(); written+dropped < 250 || written+dropped > 600 {
		t.Errorf("of 4000, %d were taken", written+dropped)
	}
}

func TestOpenWrong(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []requestlog.Config{
		{Path: filepath.Join(dir, "none", "log.csv")},
		{Path: filepath.Join(dir, "none", "log.parquet")},
		{Path: write(t, "a file, not a folder")},
		{Path: filepath.Join(dir, "log.csv"), Sample: 1.5},
	} {
		if _, err := requestlog.Open(c); err == nil {
			t.Errorf("%+v: no error", c)
		} else if errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
}
