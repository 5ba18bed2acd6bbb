// Package page shows the playground to a real browser: its form, its answers, how it
// looks and who can use it.
package page

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/test/browser"
)

// ready waits for the form of the page.
func ready(p *browser.Page) {
	p.Until(`document.querySelector("#page") && !document.querySelector("#page").hidden`)
}

// predicted asks the model and waits for what comes.
func predicted(p *browser.Page) {
	p.Click("#predict")
	p.Until(`!document.querySelector("#predict").disabled && /Answered|Canceled/.test(document.querySelector("#status").textContent) || !document.querySelector("#error").hidden`)
}

// control is the selector of the control of an input.
func control(name string) string { return fmt.Sprintf("[data-input=%q] [data-main]", name) }

// answer is what the page shows as JSON.
func answer(t *testing.T, p *browser.Page) map[string]any {
	t.Helper()
	var text string
	p.Eval(`document.querySelector("#raw-text").textContent`, &text)
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// heard is what the model of all kinds was sent.
func heard(t *testing.T, p *browser.Page) map[string]any {
	t.Helper()
	v, ok := answer(t, p)["heard"].(map[string]any)
	if !ok {
		t.Fatalf("the answer is %v", answer(t, p))
	}
	return v
}

// picture writes a PNG of two colours.
func picture(t *testing.T) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 96, 64))
	for i := range 96 * 64 {
		c := color.RGBA{11, 110, 130, 255}
		if (i%96)/16%2 == 0 {
			c = color.RGBA{240, 200, 60, 255}
		}
		m.Set(i%96, i/96, c)
	}
	file := filepath.Join(t.TempDir(), "stripes.png")
	f, err := os.Create(file)
	if err == nil {
		err = png.Encode(f, m)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// A form has a control for every kind of input, and what is put in reaches the model
// as it was meant.
func TestKinds(t *testing.T) {
	b := browser.Start(t)
	url := serveFakes(t, "", map[string]model.Predictor{"kinds": kinds(), "tells": tells(), "fails": fails()}, "kinds", "tells", "fails")
	t.Run("form", func(t *testing.T) { testForm(t, b, url) })
	t.Run("table", func(t *testing.T) { testTable(t, b, url) })
	t.Run("files", func(t *testing.T) { testFiles(t, b, url) })
	t.Run("wrong", func(t *testing.T) { testWrong(t, b, url) })
	t.Run("stream", func(t *testing.T) { testStream(t, b, url) })
	t.Run("failures", func(t *testing.T) { testFailures(t, b, url) })
	t.Run("models", func(t *testing.T) { testModels(t, b, url) })
	t.Run("keyboard", func(t *testing.T) { testKeyboard(t, b, url) })
	t.Run("key", func(t *testing.T) { testKey(t, b) })
	t.Run("axe", func(t *testing.T) { testAxe(t, b, url) })
}

func testForm(t *testing.T, b *browser.Browser, url string) {
	p := b.Open(t, 1200, 900)
	p.Go(url)
	ready(p)
	p.Click("#clear")
	p.Type(control("real"), "5.5")
	p.Type(control("whole"), "9007199254740993") // more than a double holds
	p.Type(control("words"), "naïve “words” & <b>")
	p.Type(control("lines"), "one\ntwo, three")
	p.Type(control("tensor"), "[[[1, 2], [3, 4.5]]]")
	p.Type(control("document"), `{"a": [1, null]}`)
	p.Click(control("truth")) // it was true
	predicted(p)
	var raw string
	p.Eval(`document.querySelector("#raw-text").textContent`, &raw)
	for _, want := range []string{
		`"real": 5.5`, `"whole": 9007199254740993`, `"truth": false`, `"colour": "blue"`, `"words": "naïve “words” & <b>"`,
		`"lines": ["one", "two, three"]`, `[[[1, 2], [3, 4.5]]]`, `{"a": [1, null]}`, `"large": 9007199254740993`,
	} {
		if !strings.Contains(strings.Join(strings.Fields(raw), " "), want) {
			t.Errorf("no %s in %s", want, raw)
		}
	}
	if _, sent := heard(t, p)["table"]; sent {
		t.Error("an input that was left out was sent")
	}
	if got := p.Text("#results .bars li"); !strings.Contains(got, "setosa") || !strings.Contains(got, "70.0 %") {
		t.Errorf("the first class is %q", got)
	}
	if got := p.Text("#receipt"); !strings.Contains(got, "1.23 M") || !strings.Contains(got, "5.24 MB") {
		t.Errorf("the receipt is %q", got)
	}
	var title string
	p.Eval(`document.title`, &title)
	var images int
	p.Eval(`document.querySelectorAll("#page img[src='x'], #page script").length`, &images)
	if title != "kinds – Wherry" || images != 0 {
		t.Errorf("a signature came alive: %q, %d elements", title, images)
	}
	p.Shot("kinds")
	p.Quiet()
}

func testTable(t *testing.T, b *browser.Browser, url string) {
	p := b.Open(t, 1200, 900)
	p.Go(url)
	ready(p)
	p.Click("#clear")
	p.Type(control("real"), "1")
	// Rows of a spreadsheet come with tabs, their head line in any order.
	paste := `(text) => { const d = new DataTransfer(); d.setData("text/plain", text); const e = document.querySelector('[data-input="NAME"] [data-main]'); e.dispatchEvent(new ClipboardEvent("paste", {clipboardData: d, bubbles: true, cancelable: true})); }`
	p.Eval("("+strings.Replace(paste, "NAME", "table", 1)+")(\"city\\tage\\nLondon\\t36\\n\\\"Porto, north\\\"\\t\\n\")", nil)
	p.Eval("("+strings.Replace(paste, "NAME", "rows", 1)+")(\"1\\t2\\t3\\n4\\t5,5\\t6\".replace(\"5,5\", \"5.5\"))", nil)
	predicted(p)
	got, err := json.Marshal(heard(t, p)["table"])
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != `[{"age":36,"city":"London"},{"age":null,"city":"Porto, north"}]` {
		t.Errorf("the table is %s", got)
	}
	if got := fmt.Sprint(heard(t, p)["rows"]); got != "[[1 2 3] [4 5.5 6]]" {
		t.Errorf("the rows are %s", got)
	}
	file := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(file, []byte("age;city\n1;\"a;b\"\n2;c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Choose(`[data-input="table"] input[type=file]`, file)
	p.Until(`document.querySelector('[data-input="table"] tbody input').value === "1"`)
	predicted(p)
	if got := fmt.Sprint(heard(t, p)["table"]); got != "[map[age:1 city:a;b] map[age:2 city:c]]" {
		t.Errorf("the file's table is %s", got)
	}
	p.Type(control("rows"), "x")
	predictWrong(t, p, "rows", "“x” is no number")
	p.Quiet()
}

// predictWrong asks for a prediction that the form itself refuses.
func predictWrong(t *testing.T, p *browser.Page, input, want string) {
	t.Helper()
	p.Click("#predict")
	p.Until(`/missing or wrong/.test(document.querySelector("#status").textContent)`)
	if got := p.Text(fmt.Sprintf("[data-input=%q] .wrong", input)); !strings.Contains(got, want) {
		t.Errorf("beside %s stands %q, not %s", input, got, want)
	}
	var focused string
	p.Eval(`document.activeElement.closest("[data-input]")?.dataset.input ?? ""`, &focused)
	if focused != input {
		t.Errorf("the focus is on %q, not on %s", focused, input)
	}
}

func testFiles(t *testing.T, b *browser.Browser, url string) {
	p := b.Open(t, 1200, 900)
	p.Go(url)
	ready(p)
	p.Click("#clear")
	p.Type(control("real"), "1")
	p.Type(control("words"), "beside a file")
	file := picture(t)
	p.Choose(control("picture"), file)
	p.Until(`document.querySelector('[data-input="picture"] .preview').naturalWidth === 96`)
	predicted(p)
	p.Until(`document.querySelector("#results img.preview")?.naturalWidth === 96`)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	got := heard(t, p)
	if got["picture"] != float64(info.Size()) || got["words"] != "beside a file" {
		t.Errorf("the model heard %v", got)
	}
	p.Until(`/-F 'picture=@stripes.png'/.test(document.querySelector("#code").textContent)`)
	p.Shot("picture")
	p.Quiet()
}

func testWrong(t *testing.T, b *browser.Browser, url string) {
	p := b.Open(t, 1200, 900)
	p.Go(url)
	ready(p)
	p.Click("#clear")
	predictWrong(t, p, "real", "the model needs it")
	p.Type(control("real"), "twenty")
	predictWrong(t, p, "real", "is no number")
	p.Type(control("real"), "21")
	predictWrong(t, p, "real", "at most 20")
	p.Type(control("real"), "20")
	p.Type(control("whole"), "1.5")
	predictWrong(t, p, "whole", "whole number")
	p.Type(control("whole"), "")
	p.Type(control("document"), "{")
	predictWrong(t, p, "document", "it is no JSON")
	p.Quiet()
}

func testStream(t *testing.T, b *browser.Browser, url string) {
	p := b.Open(t, 1200, 900)
	p.Go(url + "/m/tells/")
	ready(p)
	p.Type(control("words"), "one two three four five six seven eight nine ten")
	p.Click("#predict")
	p.Until(`/parts so far/.test(document.querySelector("#status").textContent)`)
	if got := p.Text("#results"); strings.Contains(got, "ten") {
		t.Error("the parts came all at once")
	}
	p.Shot("parts")
	p.Until(`/Answered/.test(document.querySelector("#status").textContent)`)
	if got := p.Text("#results .value"); got != "one two three four five six seven eight nine ten" {
		t.Errorf("the answer is %q", got)
	}
	if got := p.Text("#receipt"); !strings.Contains(got, "12.3 M") || !strings.Contains(got, "Parts\n10") {
		t.Errorf("the receipt is %q", got)
	}
	p.Type(control("words"), "one two stop")
	p.Click("#predict")
	p.Until(`!document.querySelector("#error").hidden`)
	if got := p.Text("#error"); !strings.Contains(got, "told to stop") {
		t.Errorf("the error is %q", got)
	}
	p.Quiet()
}

func testFailures(t *testing.T, b *browser.Browser, url string) {
	p := b.Open(t, 1200, 900)
	p.Go(url + "/m/fails/")
	ready(p)
	for how, want := range map[string][]string{
		"input": {"does not fit", "400", "nobody fails like this"},
		"model": {"refused the request", "the model said no <img"},
		"busy":  {"busy", "Ask again in 3 s"},
	} {
		p.Type(control("how"), how)
		predicted(p)
		for _, w := range want {
			if got := p.Text("#error"); !strings.Contains(got, w) {
				t.Errorf("%s: the error is %q, without %q", how, got, w)
			}
		}
		if how == "input" {
			if got := p.Text(`[data-input="how"] .wrong`); got != "nobody fails like this" {
				t.Errorf("beside the input stands %q", got)
			}
		}
	}
	p.Shot("failure")
	p.Type(control("how"), "slow")
	p.Click("#predict")
	p.Until(`!document.querySelector("#cancel").hidden`)
	p.Click("#cancel")
	p.Until(`/Canceled/.test(document.querySelector("#status").textContent)`)
	p.Type(control("how"), "not at all")
	predicted(p)
	if got := p.Text("#results .value"); got != "not at all" {
		t.Errorf("then the answer is %q", got)
	}
	p.Until(`/answered (0\.|[1-9])/.test(document.querySelector("#charts").innerText)`)
	p.Problems() // the browser tells of each status itself
}

func testModels(t *testing.T, b *browser.Browser, url string) {
	p := b.Open(t, 1200, 900)
	p.Go(url)
	ready(p)
	p.Click(`#models a:nth-child(2)`)
	p.Until(`location.pathname === "/m/tells/" && document.querySelector("#title").textContent === "tells"`)
	p.Click(`#models a:nth-child(3)`)
	p.Until(`location.pathname === "/m/fails/" && document.querySelector("#title").textContent === "fails"`)
	p.Go(url + "/m/nobody/")
	p.Until(`/no model “nobody”/.test(document.body.innerText)`)
	p.Quiet()
}

// testKeyboard asks the model without a mouse.
func testKeyboard(t *testing.T, b *browser.Browser, url string) {
	p := b.Open(t, 1200, 900)
	p.Go(url + "/m/fails/")
	ready(p)
	focus := func() (id string) {
		p.Eval(`(document.activeElement.id || document.activeElement.dataset.main !== undefined && "input" || document.activeElement.className || document.activeElement.tagName)`, &id)
		return id
	}
	p.Key("Tab", 9)
	if got := focus(); got != "skip" {
		t.Errorf("first the focus is on %s", got)
	}
	p.Key("Enter", 13)
	p.Until(`document.activeElement.id === "form"`)
	p.Key("Tab", 9)
	var name string
	p.Eval(`document.activeElement.closest("[data-input]")?.dataset.input ?? document.activeElement.outerHTML`, &name)
	if name != "how" {
		t.Fatalf("then the focus is on %s", name)
	}
	p.Eval(`document.activeElement.select()`, nil)
	p.Insert("with keys")
	p.Key("Enter", 13, 2)
	p.Until(`document.querySelector("#results .value")?.textContent === "with keys"`)
	p.Quiet()
}

func testKey(t *testing.T, b *browser.Browser) {
	url := serveFakes(t, "correct-horse", map[string]model.Predictor{"fails": fails()}, "fails")
	p := b.Open(t, 1200, 900)
	p.Go(url)
	p.Until(`!document.querySelector("#key").hidden`)
	p.Type("#key-value", "wrong-horse")
	p.Key("Enter", 13)
	p.Click("#key-form button")
	p.Until(`/does not take this key/.test(document.querySelector("#key-error").textContent)`)
	p.Type("#key-value", "correct-horse")
	p.Click("#key-form button")
	ready(p)
	p.Type(control("how"), "fine")
	predicted(p)
	if got := p.Text("#results .value"); got != "fine" {
		t.Errorf("the answer is %q", got)
	}
	p.Until(`/WHERRY_API_KEY/.test(document.querySelector("#code").textContent)`)
	if got := p.Text("#code"); strings.Contains(got, "horse") {
		t.Errorf("the key stands in %s", got)
	}
}

func testAxe(t *testing.T, b *browser.Browser, url string) {
	source := browser.Axe(t)
	p := b.Open(t, 1200, 900)
	for _, scheme := range []string{"light", "dark"} {
		p.Scheme(scheme)
		for _, width := range []int{1200, 360, 320} {
			when := fmt.Sprintf("%s, %d points", scheme, width)
			p.Size(width, 800)
			p.Go(url)
			ready(p)
			p.Fits(when + ", empty")
			p.Choose(control("picture"), picture(t))
			p.Until(`document.querySelector('[data-input="picture"] .preview').naturalWidth === 96`)
			predicted(p)
			p.Until(`document.querySelector("#charts svg")`)
			p.Fits(when)
			p.Eval(`document.querySelectorAll("details").forEach((d) => { d.open = true; })`, nil)
			if width != 320 {
				p.Accessible(source, when)
			}
			p.Shot(fmt.Sprintf("kinds-%s-%d", scheme, width))
			p.Type(control("real"), "x")
			p.Click("#predict")
			p.Until(`/missing or wrong/.test(document.querySelector("#status").textContent)`)
			if width == 360 {
				p.Accessible(source, when+", something wrong")
			}
			if problems := p.Problems(); slices.ContainsFunc(problems, func(s string) bool { return !strings.Contains(s, "axe") }) {
				t.Errorf("%s: %q", when, problems)
			}
		}
	}
}
