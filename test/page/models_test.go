package page

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/browser"
	"github.com/wherry-run/wherry/test/dock"
)

// built is one of the examples, as an image of the home that tests share.
func built(t *testing.T, wherry dock.Program, example, target string) string {
	t.Helper()
	name := "localhost/test-page:" + example
	args := []string{"build", "-q", "-t", name, filepath.Join(dock.Root(t), "examples", example)}
	if target != "" {
		args = slices.Insert(args, 1, "--target", target)
	}
	wherry.Must(t, "", args...)
	return name
}

var address = regexp.MustCompile(`http://[0-9.:]+`)

// serveImages runs wherry serve until the test ends.
func serveImages(t *testing.T, wherry dock.Program, models ...string) string {
	t.Helper()
	args := append(slices.Clone(wherry.Command[1:]), "serve", "-p", "127.0.0.1:0", "--instances", "1")
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), wherry.Command[0], append(args, models...)...)
	cmd.Env = append(os.Environ(), wherry.Env...)
	talk, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1)
	go func() {
		var all strings.Builder
		for lines := bufio.NewScanner(talk); lines.Scan(); {
			all.WriteString(lines.Text() + "\n")
			if url := address.FindString(lines.Text()); url != "" {
				said <- url
				_, _ = io.Copy(io.Discard, talk) // until it ends
				return
			}
		}
		said <- "it ended:\n" + all.String()
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("wherry serve ended with %v", err)
		}
	})
	select {
	case url := <-said:
		if !strings.HasPrefix(url, "http") {
			t.Fatal(url)
		}
		return url
	case <-time.After(10 * time.Minute): // the first one on a machine compiles Python
		t.Fatal("wherry serve says no address")
		return ""
	}
}

// Real models of three kinds answer from the form, and the snippets give the same.
func TestModels(t *testing.T) {
	if os.Getenv("CI") != "true" && os.Getenv("WHERRY_TEST_PYTHON") == "" {
		t.Skip("NOT TESTED: real models on the page need the Python module of 99 MB: set WHERRY_TEST_PYTHON=1")
	}
	wherry := dock.Program{Command: []string{os.Getenv("WHERRY_TEST_BINARY")}, Env: []string{"WHERRY_HOME=" + dock.Home(t)}}
	if wherry.Command[0] == "" {
		wherry = dock.Native(t, dock.Home(t))
	}
	wherry.Limit = 30 * time.Minute
	url := serveImages(t, wherry, "iris="+built(t, wherry, "iris", ""), "sentences="+built(t, wherry, "sentences", ""), "text="+built(t, wherry, "ppocr", ""))
	b := browser.Start(t)
	t.Run("tabular", func(t *testing.T) { testTabular(t, b, url) })
	t.Run("text", func(t *testing.T) { testText(t, b, url) })
	t.Run("image", func(t *testing.T) { testImage(t, b, url) })
}

func testTabular(t *testing.T, b *browser.Browser, url string) {
	p := b.Open(t, 1280, 900)
	p.Go(url)
	ready(p)
	predicted(p) // the first example stands in the form
	if got := answer(t, p); got["species"] != "setosa" {
		t.Errorf("the answer is %v", got)
	}
	p.Type(control("petal_length"), "5.2")
	p.Type(control("petal_width"), "2.3")
	predicted(p)
	got := answer(t, p)
	if got["species"] != "virginica" {
		t.Errorf("the answer is %v", got)
	}
	p.Until(`document.querySelector("#charts polyline")`)
	p.Shot("iris")
	testSnippets(t, p, got)
	testRows(t, p)
	p.Quiet()
	p.Scheme("dark")
	p.Size(360, 800)
	p.Fits("iris on a phone")
	p.Shot("iris-dark-360")
}

// testRows asks about every row of a file.
func testRows(t *testing.T, p *browser.Page) {
	p.Click("#many")
	p.Until(`document.querySelectorAll("#rows tbody tr").length === 3`) // the golden cases
	file := filepath.Join(t.TempDir(), "flowers.csv")
	if err := os.WriteFile(file, []byte("petal_length,petal_width,sepal_length,sepal_width\n1.4,0.2,5.1,3.5\n5.2,2.3,6.7,3.0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Choose("#rows input[type=file]", file)
	p.Until(`document.querySelectorAll("#rows tbody tr").length === 2`)
	p.Click("#predict")
	p.Until(`document.querySelectorAll("#results tbody tr").length === 2`)
	if got := strings.Fields(p.Text("#results tbody")); !slices.Contains(got, "setosa") || !slices.Contains(got, "virginica") || got[1] != "setosa" {
		t.Errorf("the rows are %q", got)
	}
	p.Shot("iris-rows")
	p.Type("#rows tbody input", "")
	p.Click("#predict")
	p.Until(`/row 1, sepal_length: the model needs it/.test(document.querySelector("#rows-wrong").textContent)`)
}

// testSnippets runs what the page offers to copy.
func testSnippets(t *testing.T, p *browser.Page, want map[string]any) {
	file := filepath.Join(dock.Root(t), "test", "serve", "testdata", "requirements.txt") // requests is among them
	list, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	python, _ := dock.Pinned(t, string(list), file)
	run := map[string]func(t *testing.T, code string) (string, []string){
		"curl": func(_ *testing.T, code string) (string, []string) { return "sh", []string{"-c", code + " -s"} },
		"python": func(_ *testing.T, code string) (string, []string) {
			return python.Command[0], []string{"-c", "import json\n" + strings.Replace(code, "print(answer.json())", "print(json.dumps(answer.json()))", 1)}
		},
		"go": func(t *testing.T, code string) (string, []string) {
			file := filepath.Join(t.TempDir(), "main.go")
			if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
			return "go", []string{"run", file}
		},
	}
	dock.Find(t, "curl")
	for _, language := range []string{"curl", "python", "go"} {
		p.Click("#tab-" + language)
		var code string
		p.Eval(`document.querySelector("#code").textContent`, &code)
		program, args := run[language](t, code)
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env = append(os.Environ(), python.Env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s\n%s", language, err, out, code)
			continue
		}
		text := string(out)
		var got map[string]any
		if i := strings.IndexByte(text, '{'); i < 0 || json.Unmarshal([]byte(text[i:]), &got) != nil {
			t.Errorf("%s: it printed %s", language, out)
			continue
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s gives %v, the page %v", language, got, want)
		}
	}
}

func testText(t *testing.T, b *browser.Browser, url string) {
	p := b.Open(t, 1280, 900)
	p.Go(url + "/m/sentences/")
	ready(p)
	p.Type(control("sentences"), "A boat carries people.\nA ship takes passengers.\nThe tax return is late.")
	predicted(p)
	var alike [][]float64
	p.Eval(`[...document.querySelectorAll(".alike tr")].map((r) => [...r.querySelectorAll("td")].map((c) => Number(c.textContent)))`, &alike)
	if len(alike) != 3 || alike[0][0] != 1 || alike[0][1] < alike[0][2]+0.2 {
		t.Errorf("how alike they are: %v", alike)
	}
	p.Shot("sentences")
	p.Quiet()
	p.Size(360, 800)
	p.Fits("sentences on a phone")
}

// writing is a picture of two lines of text, made by the browser.
func writing(t *testing.T, b *browser.Browser) string {
	t.Helper()
	p := b.Open(t, 640, 320)
	p.Go("data:text/html;base64," + base64.StdEncoding.EncodeToString([]byte(`<body style="background:#fff;font:700 44px sans-serif;margin:0;padding:40px">A wherry carries<br>cargo and people</body>`)))
	file := filepath.Join(t.TempDir(), "writing.png")
	p.Screenshot(file)
	return file
}

func testImage(t *testing.T, b *browser.Browser, url string) {
	file := writing(t, b)
	p := b.Open(t, 1280, 900)
	p.Go(url + "/m/text/")
	ready(p)
	p.Choose(control("x"), file)
	p.Until(`!document.querySelector('[data-input="x"] canvas').hidden`)
	predicted(p)
	// The model marks where text is: left half of the first line, and not at the foot.
	var at struct{ Text, Foot, Width float64 }
	p.Eval(`(() => { const c = document.querySelector("#results canvas"), x = c.getContext("2d"), s = c.width / 640; const v = (a, b) => x.getImageData(Math.round(a * s), Math.round(b * s), 1, 1).data[0];
		let text = 0; for (let y = 40; y < 100; y++) text = Math.max(text, v(200, y)); return {text, foot: v(320, 300), width: c.width}; })()`, &at)
	if at.Width != 640 || at.Text < 200 || at.Foot > 50 {
		t.Errorf("of the picture: %+v", at)
	}
	p.Shot("text")
	p.Quiet()
	p.Size(360, 800)
	p.Fits("a picture on a phone")
}
