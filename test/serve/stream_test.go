package serve

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/packager/toolchain"
	"github.com/wherry-run/wherry/test/dock"
)

// talk is a model that gives a word of its text after the other.
const talk = `"""Says a text, word by word."""
import time
from typing import Annotated, Iterator

from wherry import Name


def predict(text: str, how: str = "", wait: float = 0.0) -> Iterator[Annotated[str, Name("word")]]:
    try:
        made = 0
        for word in text.split() if how != "endless" else iter(lambda: "x" * 65536, ""):
            if wait:
                time.sleep(wait)
            yield word
            made += 1
            if how == "endless" and made % 10 == 0:
                print("made", made, flush=True)
            if how == "raise":
                raise ValueError("no")
    finally:
        if how == "told":
            print("closed after", made, flush=True)
`

const louder = `def predict(text: str) -> str:
    return text.upper()
`

// talkImages builds talk, and a pipeline whose last step it is.
func talkImages(t *testing.T) (one, pipeline string) {
	t.Helper()
	one, pipeline = "localhost/test-serve:talk", "localhost/test-serve:loud"
	for image, entry := range map[string]string{one: `"talk.py"`, pipeline: `"louder.py", "talk.py"`} {
		dir := t.TempDir()
		for name, text := range map[string]string{"talk.py": talk, "louder.py": louder, "warmup.json": `[{"text": "a b"}]`,
			"Wasmfile": "FROM python\nWORKDIR /app\nCOPY . .\nENTRYPOINT [\"predict\", " + entry + "]\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		wherry(t, "build", "-q", "-t", image, dir)
	}
	return one, pipeline
}

// events reads what a server sends, as far as it is wanted.
type events struct {
	*bufio.Scanner
	body io.ReadCloser
}

// next is the next event, with its name where it has one: "error {...}".
func (e *events) next() string {
	var text []string
	for e.Scan() {
		line := e.Text()
		if line == "" && len(text) > 0 {
			return strings.Join(text, " ")
		}
		if _, value, ok := strings.Cut(line, ": "); ok {
			text = append(text, value)
		}
	}
	return ""
}

// rest are all that come.
func (e *events) rest() (list []string) {
	for one := e.next(); one != ""; one = e.next() {
		list = append(list, one)
	}
	e.body.Close()
	return list
}

// streamed asks for events.
func streamed(ctx context.Context, t *testing.T, url, body string, headers ...string) *events {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", jsonBody)
	r.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || kind != "text/event-stream" {
		text, _ := io.ReadAll(answer.Body)
		t.Fatalf("%s: %s, %s: %s", url, answer.Status, kind, text)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	return &events{lines, answer.Body}
}

// TestStreams: what a generator yields goes to clients as it is made, in all protocols
// that have streams, and no faster than they take it.
func TestStreams(t *testing.T) {
	one, pipeline := talkImages(t)
	s := Start(t, "talk="+one, "loud="+pipeline, "--instances", "1")
	predict := s.URL + "/predict"
	word := func(w string) string { return `{"word":"` + w + `"}` }
	whole := func(body, want string) {
		t.Helper()
		if got, status := postJSON(t, predict, body); status != http.StatusOK || strings.TrimSpace(got) != want {
			t.Errorf("%s: %d, %s", body, status, got)
		}
	}
	t.Run("as they are made", func(t *testing.T) {
		e := streamed(t.Context(), t, predict, `{"text":"a b c d e","wait":0.4}`)
		if first := e.next(); first != word("a") {
			t.Error(first)
		}
		came := time.Now()
		rest := e.rest() // made in 1.6 s; all at once had they been kept until the end
		if took := time.Since(came); took < 500*time.Millisecond {
			t.Errorf("the first came %v before the last", took)
		}
		if len(rest) != 5 || rest[3] != word("e") || !strings.HasPrefix(rest[4], `end {"compute_seconds":`) || !strings.Contains(rest[4], `"fuel":`) {
			t.Errorf("%q", rest)
		}
	})
	t.Run("whole", func(t *testing.T) {
		whole(`{"text":"a b c"}`, `{"word":["a","b","c"]}`)
		whole(`{"text":"a"}`, `{"word":["a"]}`)
		whole(`{"text":""}`, `{"word":[]}`)
	})
	t.Run("protocols", func(t *testing.T) {
		for _, tt := range []struct{ path, body, want string }{
			{"/v2/models/talk/generate_stream", `{"text_input":"a b"}`, `{"model_name":"talk","model_version":"1","text_output":"a"}|{"model_name":"talk","model_version":"1","text_output":"b"}`},
			{"/predictions", `{"input":{"text":"a b"}}`, `"output":["a","b"]`},
			{"/m/loud/predict", `{"text":"a b"}`, word("A") + "|" + word("B") + "|end "},
		} {
			if got := strings.Join(streamed(t.Context(), t, s.URL+tt.path, tt.body).rest(), "|"); !strings.Contains(got, tt.want) {
				t.Errorf("%s: %s", tt.path, got)
			}
		}
		got, _ := postJSON(t, s.URL+"/v2/models/talk/infer", `{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["a b"]}]}`)
		if !strings.Contains(got, `"shape":[2],"data":["a","b"]`) {
			t.Errorf("infer: %s", got)
		}
		Calls(t, 8, "streams.py", s.GRPC)
	})
	t.Run("an error in the middle", func(t *testing.T) {
		got := streamed(t.Context(), t, predict, `{"text":"a b","how":"raise"}`).rest()
		if len(got) != 2 || got[0] != word("a") || got[1] != `error {"error":"ValueError: no","reason":"model"}` {
			t.Errorf("%q", got)
		}
		whole(`{"text":"a"}`, `{"word":["a"]}`)
	})
	t.Run("a deadline in the middle", func(t *testing.T) {
		got := streamed(t.Context(), t, predict, `{"text":"a b c d e f g h i j k","wait":0.8}`, "Wherry-Timeout", "3s").rest()
		if len(got) < 2 || len(got) > 5 || !strings.Contains(got[len(got)-1], `"reason":"timeout"`) {
			t.Errorf("%q", got)
		}
		whole(`{"text":"a"}`, `{"word":["a"]}`)
	})
	t.Run("a client that leaves", func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		e := streamed(ctx, t, predict, `{"text":"`+strings.Repeat("a ", 1000)+`","wait":0.1}`)
		e.next()
		leave()
		e.body.Close()
		began := time.Now()
		whole(`{"text":"a"}`, `{"word":["a"]}`) // there is one instance
		if took := time.Since(began); took > time.Minute {
			t.Errorf("the next one waited %v", took)
		}
	})
	t.Run("a client that does not read", func(t *testing.T) {
		e := streamed(t.Context(), t, predict, `{"text":"","how":"endless"}`)
		e.next()
		last, same := 0, 0
		for began := time.Now(); same < 3; time.Sleep(400 * time.Millisecond) { // until nothing is made any more
			made := 0
			if _, after, ok := strings.Cut(s.said.String(), "made "); ok {
				for line := range strings.Lines("made " + after) {
					if n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "made "))); err == nil {
						made = n
					}
				}
			}
			if same++; made != last || made == 0 {
				same = 0
			}
			if last = made; made > 1000 || made == 0 && time.Since(began) > 30*time.Second {
				t.Fatalf("%d parts of 64 KB were made for a client that reads none", made)
			}
		}
		t.Logf("%d parts of 64 KB fit into what lies between", last)
		e.body.Close()
		whole(`{"text":"a"}`, `{"word":["a"]}`)
	})
}

// TestRust: the example in Rust is built, and its parts come as they are made.
func TestRust(t *testing.T) {
	if _, err := toolchain.New().Version(t.Context(), "rust", ""); err != nil {
		dock.Missing(t, "Rust with its standard library for wasm32-wasip1: "+err.Error())
	}
	image := "localhost/test-serve:rust"
	wherry(t, "build", "-q", "-t", image, filepath.Join(dock.Root(t), "examples", "guest-rust"))
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, want string }{
		{"test " + image, "2 of 2 cases passed"},
		{"predict " + image + " text=One.Two!", "{\"sentence\": \"One.\", \"words\": 1}\n{\"sentence\": \"Two!\", \"words\": 1}\n"},
	} {
		cmd := exec.CommandContext(t.Context(), path, strings.Fields(tt.args)...)
		cmd.Env = append(os.Environ(), "WHERRY_HOME="+dock.Home(t))
		if text, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(text), tt.want) {
			t.Errorf("%s: %s, %v", tt.args, text, err)
		}
	}
	s := Start(t, "rust="+image)
	got := streamed(t.Context(), t, s.URL+"/predict", `{"text":"A wherry is a boat. \"Is\" it \u00fc\ud83d\ude80? It\\is"}`).rest()
	want := []string{`{"sentence":"A wherry is a boat.","words":5}`, `{"sentence":"\"Is\" it ü🚀?","words":3}`, `{"sentence":"It\\is","words":1}`}
	if len(got) != 4 || fmt.Sprint(got[:3]) != fmt.Sprint(want) {
		t.Errorf("%s", got)
	}
	if got, status := postJSON(t, s.URL+"/predict", `{"text":" "}`); status != http.StatusBadRequest || !strings.Contains(got, "text: it is empty") {
		t.Errorf("%d, %s", status, got)
	}
}

// postJSON asks for a whole answer.
func postJSON(t *testing.T, url, body string) (text string, status int) {
	t.Helper()
	answer, err := http.Post(url, jsonBody, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), answer.StatusCode
}
