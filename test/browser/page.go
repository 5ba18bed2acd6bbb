package browser

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// A Page is a tab. Its methods end the test when something does not work.
type Page struct {
	t       testing.TB
	browser *Browser
	session string

	mu       sync.Mutex
	problems []string
}

// Open opens a tab of so many points.
func (b *Browser) Open(t testing.TB, width, height int) *Page {
	t.Helper()
	var made struct {
		TargetID string `json:"targetId"`
	}
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	p := &Page{t: t, browser: b}
	// Of a context of its own: nothing that other tabs kept.
	var own struct {
		BrowserContextID string `json:"browserContextId"`
	}
	p.must("Target.createBrowserContext", nil, &own)
	p.must("Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": own.BrowserContextID, "width": width, "height": height}, &made)
	p.must("Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}, &attached)
	p.session = attached.SessionID
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network", "DOM"} {
		p.must(domain+".enable", nil, nil)
	}
	p.Size(width, height)
	t.Cleanup(func() { _, _ = b.call("", "Target.disposeBrowserContext", own) }) // the browser may be gone
	return p
}

// must asks for something in the page.
func (p *Page) must(method string, params, result any) {
	p.t.Helper()
	text, err := p.browser.call(p.session, method, params)
	if err == nil && result != nil {
		err = json.Unmarshal(text, result)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// event keeps what went wrong in the page: errors of scripts and of the policy for
// content, and whatever the console was told as an error.
func (p *Page) event(m reply) {
	var e struct {
		Entry  struct{ Level, Text, URL string }
		Type   string
		Args   []struct{ Value any }
		Thrown struct {
			Text      string
			Exception struct{ Description string }
		} `json:"exceptionDetails"`
	}
	if json.Unmarshal(m.Params, &e) != nil {
		return
	}
	problem := ""
	switch {
	case m.Method == "Log.entryAdded" && e.Entry.Level == "error":
		problem = e.Entry.Text + " " + e.Entry.URL
	case m.Method == "Runtime.exceptionThrown":
		problem = e.Thrown.Text + " " + e.Thrown.Exception.Description
	case m.Method == "Runtime.consoleAPICalled" && e.Type == "error":
		problem = fmt.Sprint(e.Args)
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, problem)
}

// Problems gives what went wrong in the page since it was asked last.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.problems
	p.problems = nil
	return list
}

// Size makes the page that of a screen of so many points.
func (p *Page) Size(width, height int) {
	p.t.Helper()
	p.must("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
}

// Scheme is what the system prefers: light or dark.
func (p *Page) Scheme(name string) {
	p.t.Helper()
	p.must("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": name}}}, nil)
}

// Go opens an address and waits until it is loaded.
func (p *Page) Go(url string) {
	p.t.Helper()
	var gone struct {
		ErrorText string `json:"errorText"`
	}
	p.must("Page.navigate", map[string]any{"url": url}, &gone)
	if gone.ErrorText != "" {
		p.t.Fatalf("%s: %s", url, gone.ErrorText)
	}
	p.Until(`location.href !== "about:blank" && document.readyState === "complete"`)
}

// Eval gives the value of an expression, which may be a promise. value may be nil.
func (p *Page) Eval(expression string, value any) {
	p.t.Helper()
	if err := p.eval(expression, value); err != nil {
		p.t.Fatalf("%.200s: %v", expression, err)
	}
}

func (p *Page) eval(expression string, value any) error {
	var out struct {
		Result struct{ Value json.RawMessage }
		Thrown *struct {
			Exception struct{ Description string }
		} `json:"exceptionDetails"`
	}
	text, err := p.browser.call(p.session, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return err
	}
	if out.Thrown != nil {
		return fmt.Errorf("it threw %s", out.Thrown.Exception.Description)
	}
	if value == nil {
		return nil
	}
	return json.Unmarshal(out.Result.Value, value)
}

// Until waits until an expression is true.
func (p *Page) Until(condition string) {
	p.t.Helper()
	ended := time.Now().Add(patience)
	for {
		var is bool
		err := p.eval("Boolean("+condition+")", &is)
		if err == nil && is {
			return
		}
		if time.Now().After(ended) {
			p.t.Fatalf("not true after %s: %s (%v); problems: %q; the page says %.1500s", patience, condition, err, p.Problems(), p.Text("body"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Text is the text of the first element that a selector finds, as a person sees it.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	var text string
	p.Eval(fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector), &text)
	return text
}

// Click clicks with the mouse on the first element that a selector finds.
func (p *Page) Click(selector string) {
	p.t.Helper()
	var at struct{ X, Y float64 }
	p.Eval(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({block: "center"}); const r = e.getBoundingClientRect(); return {x: r.x + r.width / 2, y: r.y + r.height / 2}; })()`, selector), &at)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		p.must("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
	}
}

// Type puts text into the first element that a selector finds, in place of what was
// there, as a keyboard would.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	p.Eval(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.focus(); e.select(); })()`, selector), nil)
	if text == "" {
		p.Key("Delete", 46)
		return
	}
	p.Insert(text)
}

// Insert types text where the focus is.
func (p *Page) Insert(text string) {
	p.t.Helper()
	p.must("Input.insertText", map[string]any{"text": text}, nil)
}

// Key presses and releases a key, with modifiers as DevTools counts them (2: Ctrl).
func (p *Page) Key(name string, code int, modifiers ...int) {
	p.t.Helper()
	all := 0
	for _, m := range modifiers {
		all |= m
	}
	for _, kind := range []string{"rawKeyDown", "keyUp"} {
		p.must("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code, "modifiers": all}, nil)
	}
}

// Choose gives files to an input for files.
func (p *Page) Choose(selector string, files ...string) {
	p.t.Helper()
	var found struct {
		Result struct {
			ObjectID string `json:"objectId"`
		} `json:"result"`
	}
	p.must("Runtime.evaluate", map[string]any{"expression": fmt.Sprintf("document.querySelector(%q)", selector)}, &found)
	if found.Result.ObjectID == "" {
		p.t.Fatalf("there is no %s", selector)
	}
	p.must("DOM.setFileInputFiles", map[string]any{"files": files, "objectId": found.Result.ObjectID}, nil)
}

// Screenshot gives the whole page as a PNG, and writes it to a file when that has a
// name.
func (p *Page) Screenshot(file string) []byte {
	p.t.Helper()
	var shot struct{ Data string }
	p.must("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil && file != "" {
		err = os.WriteFile(file, png, 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return png
}

// Quiet fails the test when something went wrong in the page that is not expected.
func (p *Page) Quiet(expected ...string) {
	p.t.Helper()
	for _, problem := range p.Problems() {
		if !slices.ContainsFunc(expected, func(e string) bool { return len(problem) >= len(e) && slices.Contains(expected, problem[:len(e)]) }) {
			p.t.Errorf("the page has a problem: %s", problem)
		}
	}
}
