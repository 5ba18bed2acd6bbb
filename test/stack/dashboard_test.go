// Package stack shows a user's stack, and the dashboard over it, to a real browser.
package stack

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/wherry-run/wherry/test/browser"
	"github.com/wherry-run/wherry/test/dock"
)

// lone is a home of its own, whose containers end with the test.
func lone(t *testing.T) dock.Program {
	t.Helper()
	p := dock.Native(t, t.TempDir())
	t.Cleanup(func() { // the test's own context is over by then
		run := func(args ...string) string {
			c := exec.Command(p.Command[0], args...)
			c.Env = append(os.Environ(), p.Env...)
			out, err := c.Output()
			if err != nil {
				t.Errorf("%s: %v", args[0], err)
			}
			return string(out)
		}
		if ids := strings.Fields(run("ps", "-aq")); len(ids) > 0 {
			run(append([]string{"rm", "-f", "-v"}, ids...)...)
		}
	})
	return p
}

// talker builds a program that prints lines.
func talker(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "talk.wasm")
	if text, err := exec.CommandContext(t.Context(), dock.Find(t, "clang"), "--target=wasm32-wasi", "-O2", "-Wall", "-Werror", "-o", out, "testdata/talk.c").CombinedOutput(); err != nil {
		t.Fatalf("clang: %v\n%s", err, text)
	}
	return out
}

// site builds an image with a page that tries to reach the dashboard.
func site(t *testing.T, p dock.Program) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Wasmfile":   "FROM static\nCOPY index.html /srv/http/\n",
		"index.html": "<!doctype html><title>site</title><h1>another page of this machine</h1>",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.Must(t, "", "build", "-q", "-t", "site:1", dir)
}

// dashboard runs wherry dashboard and gives the address that it prints.
func dashboard(t *testing.T, p dock.Program) string {
	t.Helper()
	c := exec.Command(p.Command[0], "dashboard", "--port", "0")
	c.Env = append(os.Environ(), p.Env...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		if err := c.Wait(); err != nil {
			t.Errorf("the dashboard ended with %v", err)
		}
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal("it printed no address: ", err)
	}
	return strings.TrimSpace(url)
}

// status is how a container stands.
func status(t *testing.T, p dock.Program, name string) string {
	t.Helper()
	return strings.TrimSpace(p.Must(t, "", "inspect", "-f", "{{.State.Status}}", name))
}

// row is what finds something in the row of a container.
func row(name, inside string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(".row")].find((r) => r.querySelector(".name").textContent === %q)?.querySelector(%q)`, name, inside)
}

// press clicks a button of a container by its words.
func press(p *browser.Page, label string) {
	p.Until(fmt.Sprintf(`document.querySelector('button[aria-label=%q]:not([hidden]):not(:disabled)')`, label))
	p.Click(fmt.Sprintf(`button[aria-label=%q]`, label))
}

// opened opens the address of a dashboard.
func opened(p *browser.Page, url string) {
	p.Go(url)
	p.Until(`document.querySelector(".row")`)
}

func TestDashboard(t *testing.T) {
	p := lone(t)
	b := browser.Start(t)
	site(t, p)
	p.Must(t, "", "network", "create", "shop_default")
	p.Must(t, "", "run", "-d", "--name", "shop-talk-1", "--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=talk", "--label", `evil=<b>bold</b>`,
		"-v", "words:/words", "--restart", "unless-stopped", "-m", "64m", talker(t), "<i>word</i>")
	p.Must(t, "", "run", "-d", "--name", "shop-front-1", "--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=front",
		"--network", "name=shop_default,alias=front", "-p", "0:8080", "site:1")
	p.Must(t, "", "create", "--name", "asleep", "-p", "0:8080", "site:1")
	url := dashboard(t, p)
	t.Run("list", func(t *testing.T) { testList(t, b, p, url) })
	t.Run("one", func(t *testing.T) { testOne(t, b, p, url) })
	t.Run("things", func(t *testing.T) { testThings(t, b, url) })
	t.Run("strangers", func(t *testing.T) { testStrangers(t, b, p, url) })
	t.Run("looks", func(t *testing.T) { testLooks(t, b, url) })
}

func testList(t *testing.T, b *browser.Browser, p dock.Program, url string) {
	page := b.Open(t, 1280, 900)
	opened(page, url)
	var at, cookies string
	page.Eval(`location.pathname`, &at)
	page.Eval(`document.cookie`, &cookies)
	if strings.Contains(at, "open") || cookies != "" {
		t.Errorf("the page is at %s, and scripts see the cookies %q", at, cookies)
	}
	var groups []string
	page.Eval(`[...document.querySelectorAll(".group h2")].map((h) => h.textContent)`, &groups)
	if !slices.Equal(groups, []string{"shop", "Containers of no stack"}) {
		t.Errorf("the groups are %q", groups)
	}
	page.Until(row("shop-talk-1", ".state") + `.textContent.startsWith("up ")`)
	page.Until(row("asleep", ".state") + `.textContent === "never started"`)
	page.Until(`/^[0-9.]+ %$/.test(` + row("shop-talk-1", ".figure b") + `.textContent)`)
	page.Until(row("shop-talk-1", ".spark .line"))
	var link string
	page.Eval(row("shop-front-1", ".where a")+`.href`, &link)
	if r, err := http.Get(link); err != nil || r.StatusCode != 200 {
		t.Errorf("the link %q leads nowhere: %v", link, err)
	} else {
		r.Body.Close()
	}
	press(page, "Stop shop-talk-1")
	page.Until(row("shop-talk-1", ".state") + `.textContent.startsWith("exited with ")`)
	if got := status(t, p, "shop-talk-1"); got != "exited" {
		t.Errorf("it is %s", got)
	}
	press(page, "Start shop-talk-1")
	page.Until(row("shop-talk-1", ".state") + `.textContent.startsWith("up ")`)
	if got := status(t, p, "shop-talk-1"); got != "running" {
		t.Errorf("it is %s", got)
	}
	press(page, "Start asleep")
	page.Until(row("asleep", ".state") + `.textContent.startsWith("up ")`)
	press(page, "Remove asleep")
	page.Until(`document.querySelector("#sure").open`)
	page.Click("#sure-no")
	page.Until(`!document.querySelector("#sure").open`)
	press(page, "Remove asleep")
	page.Click("#sure-yes")
	page.Until(`!` + row("asleep", ".state"))
	if r := p.Run(t, "", "inspect", "asleep"); r.Code == 0 {
		t.Error("it is still there")
	}
	press(page, "Stop all of shop")
	for _, name := range []string{"shop-talk-1", "shop-front-1"} {
		page.Until(row(name, ".state") + `.textContent.startsWith("exited with ")`)
	}
	press(page, "Start all of shop")
	for _, name := range []string{"shop-talk-1", "shop-front-1"} {
		page.Until(row(name, ".state") + `.textContent.startsWith("up ")`)
		if got := status(t, p, name); got != "running" {
			t.Errorf("%s is %s", name, got)
		}
	}
	page.Type(".find", "front")
	page.Until(`document.querySelectorAll(".row:not([hidden])").length === 1`)
	page.Quiet()
}

func testOne(t *testing.T, b *browser.Browser, p dock.Program, url string) {
	page := b.Open(t, 1280, 900)
	opened(page, url)
	page.Eval(row("shop-talk-1", ".name")+`.click()`, nil)
	page.Until(`document.querySelector("h1").textContent === "shop-talk-1"`)
	page.Until(`/line \d+/.test(document.querySelector(".log").textContent)`)
	log := page.Text(".log")
	if !strings.Contains(log, "<img src=x onerror=") || !strings.Contains(log, "red and bell") || strings.Contains(log, "[1;31m") {
		t.Errorf("the log is %.300q", log)
	}
	var other, hostile int
	page.Eval(`document.querySelectorAll(".log .stderr").length`, &other)
	page.Eval(`document.querySelectorAll("#view img, #view script, #view b > b, #view i").length`, &hostile)
	if other == 0 || hostile != 0 {
		t.Errorf("%d lines of standard error, %d elements that a container made", other, hostile)
	}
	var before int
	page.Eval(`document.querySelectorAll(".log div").length`, &before)
	page.Until(fmt.Sprintf(`document.querySelectorAll(".log div").length > %d`, before+3)) // as it is printed
	page.Until(`document.querySelectorAll(".charts .line").length >= 4`)
	if got := page.Text(".charts"); !strings.Contains(got, "of 67.1 MB") {
		t.Errorf("the graphs say %q", got)
	}
	if got := page.Text(".facts"); !strings.Contains(got, "evil=<b>bold</b>") || !strings.Contains(got, "words at /words") || !strings.Contains(got, "unless-stopped") {
		t.Errorf("the facts are %q", got)
	}
	page.Type(".log-tools input", "other stream")
	page.Until(`document.querySelector(".log div.hushed") && [...document.querySelectorAll(".log div:not(.hushed)")].every((e) => e.textContent.includes("other stream"))`)
	page.Type(".log-tools input", "")
	press(page, "Pause shop-talk-1")
	page.Until(`document.querySelector(".state").textContent === "paused"`)
	press(page, "Go on shop-talk-1")
	page.Until(`document.querySelector(".state").textContent.startsWith("up ")`)
	page.Type("#command", "echo '<b>there</b>'; ls /words; exit 3")
	page.Click(".command button")
	page.Until(`document.querySelector(".said-by").textContent === "<b>there</b>\n"`)
	page.Until(`document.querySelector("[aria-labelledby=command-title] .hint").textContent.endsWith(": exit code 3")`)
	var lives int
	page.Eval(`document.querySelector(".log").textContent.split("<img").length`, &lives)
	press(page, "Restart shop-talk-1")
	page.Until(fmt.Sprintf(`document.querySelector(".log").textContent.split("<img").length === %d`, lives+1)) // the new life's words come after the old one's
	press(page, "Stop shop-talk-1")
	page.Until(`document.querySelector(".state").textContent.startsWith("exited with ")`)
	press(page, "Start shop-talk-1")
	page.Until(`document.querySelector(".state").textContent.startsWith("up ") && /line \d+/.test(document.querySelector(".log").textContent)`)
	var title string
	page.Eval(`document.title`, &title)
	if title != "shop-talk-1 – Wherry" {
		t.Errorf("the title is %q", title)
	}
	page.Quiet()
	_ = p
}

func testThings(t *testing.T, b *browser.Browser, url string) {
	page := b.Open(t, 1280, 900)
	opened(page, url)
	for room, want := range map[string][]string{
		"images":   {"site:1", "web", "shop-front-1", "http"},
		"volumes":  {"words", "shop-talk-1"},
		"networks": {"shop_default", "shop-front-1", "front"},
	} {
		page.Click(fmt.Sprintf(`#rooms a[href="#/%s"]`, room))
		page.Until(fmt.Sprintf(`document.querySelector("h1").textContent.toLowerCase() === %q && document.querySelector("tbody tr")`, room))
		for _, w := range want {
			if w == "http" {
				page.Until(`document.querySelector("tbody a")?.href.startsWith("http://127.0.0.1:")`)
			} else if got := page.Text("tbody"); !strings.Contains(got, w) {
				t.Errorf("%s: %q, without %s", room, got, w)
			}
		}
	}
	page.Quiet()
}

// testStrangers has another page of this machine, which a container has published, try
// to stop a container, and a server there see what the browser sends it.
func testStrangers(t *testing.T, b *browser.Browser, p dock.Program, url string) {
	page := b.Open(t, 1280, 900)
	opened(page, url)
	var base, id string
	page.Eval(`location.href.split("#")[0]`, &base)
	page.Eval(row("shop-talk-1", ".name")+`.href.split("/").at(-1)`, &id)
	var ports []struct{ HostPort string }
	if err := json.Unmarshal([]byte(p.Must(t, "", "inspect", "-f", `{{json (index .NetworkSettings.Ports "8080/tcp")}}`, "shop-front-1")), &ports); err != nil {
		t.Fatal(err)
	}
	page.Go("http://127.0.0.1:" + ports[0].HostPort + "/")
	for _, how := range []string{
		`fetch(%[1]q + "do/stop/" + %[2]q, {method: "POST", credentials: "include", mode: "no-cors"})`,
		`fetch(%[1]q + "data/containers", {credentials: "include"})`,
		`new Promise((done) => { const f = document.createElement("form"); f.method = "POST"; f.action = %[1]q + "do/stop/" + %[2]q; f.target = "else"; const i = document.createElement("iframe"); i.name = "else"; i.onload = () => setTimeout(() => done("loaded"), 200); document.body.append(i, f); f.submit(); })`,
	} {
		var got string
		page.Eval(fmt.Sprintf(how+`.then((r) => "answered " + (r.type ?? ""), (e) => "failed")`, base, id), &got)
		if strings.Contains(how, "data/") && got != "failed" {
			t.Errorf("another page has read the list: %s", got)
		}
	}
	var cookies string
	page.Eval(`document.cookie`, &cookies)
	if got := status(t, p, "shop-talk-1"); got != "running" || cookies != "" {
		t.Errorf("the container is %s, the cookies are %q", got, cookies)
	}
	r, err := http.Get(base)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusForbidden {
		t.Errorf("without a cookie the page answers %d", r.StatusCode)
	}
	page.Problems() // the browser tells of each refusal
}

func testLooks(t *testing.T, b *browser.Browser, url string) {
	source := browser.Axe(t)
	page := b.Open(t, 1280, 900)
	opened(page, url)
	page.Until(row("shop-talk-1", ".spark .line")) // for the graphs
	var one string
	page.Eval(row("shop-talk-1", ".name")+`.hash`, &one)
	for _, scheme := range []string{"light", "dark"} {
		page.Scheme(scheme)
		for _, width := range []int{1280, 360} {
			page.Size(width, 800)
			for name, hash := range map[string]string{"list": "#/containers", "one": one, "images": "#/images", "volumes": "#/volumes", "networks": "#/networks"} {
				when := fmt.Sprintf("%s, %s, %d points", name, scheme, width)
				page.Eval(fmt.Sprintf(`document.querySelector("#view").replaceChildren(), location.hash = %q, dispatchEvent(new HashChangeEvent("hashchange"))`, hash), nil)
				page.Until(`document.querySelector(".row .spark .line, tbody tr, .charts .line")`)
				if name == "one" {
					page.Until(`/line \d+/.test(document.querySelector(".log").textContent)`)
				}
				page.Fits(when)
				page.Accessible(source, when)
				page.Shot(fmt.Sprintf("dashboard-%s-%s-%d", name, scheme, width))
			}
		}
	}
	page.Eval(`location.hash = "#/containers"`, nil)
	press(page, "Remove shop-talk-1")
	page.Until(`document.querySelector("#sure").open`)
	page.Accessible(source, "the question")
	page.Shot("dashboard-question-dark-360")
	if problems := page.Problems(); slices.ContainsFunc(problems, func(s string) bool { return !strings.Contains(s, "axe") }) {
		t.Errorf("%q", problems)
	}
}
