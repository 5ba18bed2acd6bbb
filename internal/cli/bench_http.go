package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/version"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/load"
	"github.com/wherry-run/wherry/serve/repository"
)

// benchHTTPOptions are the flags of wherry bench that ask a server.
type benchHTTPOptions struct {
	url     string
	http    bool
	clients []int
	data    string
	headers []string
}

func (o *benchHTTPOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.url, "url", "", "ask the server of this URL")
	f.BoolVar(&o.http, "http", false, "ask the model over HTTP, as wherry serve answers")
	f.IntSliceVar(&o.clients, "concurrency", []int{1, 2, 4, 8, 16, 32}, "how many clients ask at once, with --url and --http")
	f.StringVar(&o.data, "data", "", "file to send, with --url (default: what the model's signature allows)")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "header to send, NAME: VALUE, with --url")
}

// on tells whether a server is to be asked.
func (o *benchHTTPOptions) on() bool { return o.http || o.url != "" }

func (o *benchHTTPOptions) check() error {
	if o.http && o.url != "" {
		return &ux.UsageError{Text: "--http is for an image, and --url for a server that runs"}
	}
	if len(o.clients) == 0 || slices.ContainsFunc(o.clients, func(n int) bool { return n < 1 || n > maxClients }) {
		return &ux.UsageError{Text: fmt.Sprintf("--concurrency takes numbers from 1 to %d", maxClients)}
	}
	if o.url == "" && (o.data != "" || len(o.headers) > 0) {
		return &ux.UsageError{Text: "--data and --header are for --url"}
	}
	return nil
}

// maxClients bounds how many connections are made.
const maxClients = 10000

// httpRow is a line of wherry bench over HTTP: so many clients.
type httpRow struct {
	Clients   int
	Requests  int // answered with 2xx
	P50       seconds
	P90       seconds
	P99       seconds
	Max       seconds
	PerSecond rate
	Failed    failures
	Bar       string `json:"-"`

	latencies []time.Duration
}

// failures are statuses and other ends, counted.
type failures map[string]int

func (f failures) String() string {
	var words []string
	for _, what := range slices.Sorted(maps.Keys(f)) {
		words = append(words, fmt.Sprintf("%d × %s", f[what], what))
	}
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ", ")
}

var httpColumns = []ux.Column{
	{Heading: "CLIENTS", Field: "Clients"}, {Heading: "REQUESTS", Field: "Requests"},
	{Heading: "P50", Field: "P50"}, {Heading: "P90", Field: "P90"}, {Heading: "P99", Field: "P99"}, {Heading: "MAX", Field: "Max"},
	{Heading: "REQUESTS/S", Field: "PerSecond"}, {Heading: "FAILED", Field: "Failed"}, {Heading: "", Field: "Bar"},
}

// benchURL measures a server that runs.
func (a *app) benchURL(ctx context.Context, words []string, o benchOptions) error {
	target, from, err := a.benchTarget(ctx, words, o.over)
	if err != nil {
		return err
	}
	return a.benchTargets(ctx, target, from, o)
}

// benchImage measures a model behind a server of this process.
func (a *app) benchImage(ctx context.Context, what string, words []string, o benchOptions) error {
	so := serveOptions{modelOptions: o.modelOptions}
	so.schedule.instances, so.schedule.waiting = o.instances, repository.DefaultWaiting
	config, err := so.schedule.repository()
	if err != nil {
		return err
	}
	rt, err := a.runtime(ctx)
	if err != nil {
		return err
	}
	defer closeRuntime(ctx, rt)
	models, err := a.servedModels(ctx, rt, []string{what}, so)
	if err != nil {
		return err
	}
	config.Sources = []repository.Source{models[0].source()}
	sockets, err := listen(ctx, []string{servedHost + ":0"})
	if err != nil {
		return err
	}
	defer sockets.close()
	s, err := serve.New(ctx, serve.Config{Repository: config, Version: version.Get().Version, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return a.unserved(err)
	}
	defer s.Close(context.WithoutCancel(ctx))
	a.compiling.hush()
	serving, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(serving, serve.ListenConfig{Grace: -1}, sockets.list...) }()
	defer func() { end(); <-ended }()
	st := s.Repository().Index()[0]
	body, from, err := a.benchBody(st.Signature, st.Examples, words)
	if err != nil {
		return err
	}
	target, err := inferTarget(sockets.url(sockets.list[0])+"/v2/models/"+st.Name, body, nil)
	if err != nil {
		return err
	}
	return a.benchTargets(ctx, target, from, o)
}

// benchTarget makes the request for a server: the file, else an infer request for a
// model that speaks the Open Inference Protocol.
func (a *app) benchTarget(ctx context.Context, words []string, o benchHTTPOptions) (*load.Target, string, error) {
	u, err := url.Parse(o.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, "", &ux.UsageError{Text: fmt.Sprintf("--url %s: write it as http://HOST[:PORT][/PATH]", o.url)}
	}
	u.Fragment, u.User = "", nil
	header, err := parseHeaders(o.headers)
	if err != nil {
		return nil, "", err
	}
	if o.data != "" {
		body, err := os.ReadFile(o.data)
		if err != nil {
			return nil, "", fmt.Errorf("read what to send: %w", err)
		}
		if header.Get("Content-Type") == "" {
			header.Set("Content-Type", contentTypeOf(o.data))
		}
		return &load.Target{URL: u, Header: header, Body: body}, "of " + o.data, nil
	}
	base, ok, err := inferBase(ctx, u, header)
	if err != nil {
		return nil, "", err
	}
	if !ok {
		if len(words) > 0 {
			return nil, "", &hinted{&ux.UsageError{Text: "inputs need a model's URL, as http://HOST/v2/models/NAME"}, "or give what to send: --data FILE"}
		}
		return &load.Target{URL: u, Header: header}, "none: GET " + u.Path, nil
	}
	s, err := readSignature(ctx, base, header)
	if err != nil {
		return nil, "", &hinted{err, "give what to send: --data FILE"}
	}
	body, from, err := a.benchBody(s, nil, words)
	if err != nil {
		return nil, "", err
	}
	t, err := inferTarget(base, body, header)
	return t, from, err
}

// parseHeaders reads --header.
func parseHeaders(list []string) (http.Header, error) {
	h := http.Header{}
	for _, text := range list {
		name, value, ok := strings.Cut(text, ":")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(text, "\r\n") || strings.ContainsAny(name, " \t") {
			return nil, &ux.UsageError{Text: fmt.Sprintf("--header %q: write NAME: VALUE", text)}
		}
		h.Add(name, strings.TrimSpace(value))
	}
	return h, nil
}

func contentTypeOf(file string) string {
	switch ext := strings.ToLower(filepath.Ext(file)); ext {
	case ".json":
		return "application/json"
	case ".csv":
		return "text/csv"
	default:
		if t := mime.TypeByExtension(ext); t != "" {
			return t
		}
		return "application/octet-stream"
	}
}

// inferBase is the URL of the model that a URL is of, or of the first one that the
// server has when the URL is of the whole server. It is not ok for other URLs.
func inferBase(ctx context.Context, u *url.URL, header http.Header) (base string, ok bool, err error) {
	path := strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/infer")
	if strings.Contains(path, "/v2/models/") {
		return u.ResolveReference(&url.URL{Path: path}).String(), true, nil
	}
	if path != "" {
		return "", false, nil
	}
	index := &load.Target{URL: u.ResolveReference(&url.URL{Path: "/v2/repository/index"}), Method: http.MethodPost, Header: header}
	status, text, err := index.Ask(ctx)
	if err != nil {
		return "", false, fmt.Errorf("ask %s: %w", u.Host, err)
	}
	var list []struct{ Name, State string }
	if status != http.StatusOK || json.Unmarshal(text, &list) != nil {
		return "", false, &hinted{fmt.Errorf("%s does not tell its models (status %d)", u.Host, status), "name one: --url http://HOST/v2/models/NAME, or what to send: --data FILE"}
	}
	for _, m := range list {
		if m.State == "" || m.State == repository.StateReady {
			return u.ResolveReference(&url.URL{Path: "/v2/models/" + m.Name}).String(), true, nil
		}
	}
	return "", false, fmt.Errorf("%s has no model that is ready", u.Host)
}

// readSignature asks a server for the metadata of a model.
func readSignature(ctx context.Context, base string, header http.Header) (*model.Signature, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	status, text, err := (&load.Target{URL: u, Header: header}).Ask(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", u.Host, err)
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%s answers with status %d: %s", base, status, beginningOf(text))
	}
	var s model.Signature
	if err := json.Unmarshal(text, &s); err != nil || len(s.Inputs) == 0 {
		return nil, fmt.Errorf("%s gives no metadata of a model", base)
	}
	return &s, nil
}

// benchBody is the same as an infer request in JSON, for all outputs.
func (a *app) benchBody(s *model.Signature, cases []model.Case, words []string) (body []byte, from string, err error) {
	r, from, err := a.benchRequest(s, cases, words)
	if err != nil {
		return nil, "", err
	}
	r.Outputs = nil
	body, err = json.Marshal(r)
	return body, from, err
}

func inferTarget(base string, body []byte, header http.Header) (*load.Target, error) {
	u, err := url.Parse(base + "/infer")
	if err != nil {
		return nil, err
	}
	if header = header.Clone(); header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/json")
	return &load.Target{URL: u, Header: header, Body: body}, nil
}

// warming is how long clients ask before it counts.
const warming = 250 * time.Millisecond

// benchTargets measures one number of clients after another, and shows it.
func (a *app) benchTargets(ctx context.Context, t *load.Target, from string, o benchOptions) error {
	status, text, err := t.Ask(ctx)
	if err != nil {
		return fmt.Errorf("ask %s: %w", t.URL.Redacted(), err)
	}
	if status < 200 || status > 299 {
		return fmt.Errorf("%s answers with status %d: %s", t.URL.Redacted(), status, beginningOf(text))
	}
	task := a.talk().Start("measuring "+t.URL.Redacted(), false)
	var rows []httpRow
	for i, n := range o.over.clients {
		task.Update(int64(i), int64(len(o.over.clients)))
		if _, err := t.Run(ctx, n, min(o.duration/10, warming)); err != nil { // caches fill, and code is loaded
			return err
		}
		r, err := t.Run(ctx, n, o.duration)
		if err != nil {
			return err
		}
		rows = append(rows, newHTTPRow(n, r))
	}
	task.End("done")
	a.talk().Clear()
	best := slices.MaxFunc(rows, func(a, b httpRow) int { return int(a.PerSecond - b.PerSecond) })
	for i := range rows {
		if best.PerSecond > 0 {
			rows[i].Bar = bar(float64(rows[i].PerSecond / best.PerSecond))
		}
	}
	if err := ux.List(a.Out, o.format, httpColumns, rows); err != nil || o.format != "" {
		return err
	}
	for _, r := range slices.Compact([]int{0, slices.IndexFunc(rows, func(r httpRow) bool { return r.Clients == best.Clients })}) {
		lines := histogram(rows[r].latencies)
		if len(lines) == 0 {
			continue
		}
		ux.Line(a.Out, "")
		ux.Line(a.Out, fmt.Sprintf("%d at once:", rows[r].Clients))
		for _, line := range lines {
			ux.Line(a.Out, line)
		}
	}
	ux.Line(a.Out, "")
	ux.Line(a.Out, fmt.Sprintf("%s %s, inputs %s", t.URL.Redacted(), strings.TrimSpace(sizeOf(len(t.Body))), from))
	return nil
}

func sizeOf(n int) string {
	if n == 0 {
		return ""
	}
	return "with " + octets(n).String()
}

func newHTTPRow(clients int, r *load.Result) httpRow {
	row := httpRow{Clients: clients, Requests: len(r.Latencies), Failed: failures{}, latencies: r.Latencies}
	for status, n := range r.Statuses {
		if status < 200 || status > 299 {
			row.Failed[fmt.Sprint(status)] = n
		}
	}
	for text, n := range r.Errors {
		row.Failed[text] += n
	}
	if row.Requests > 0 {
		row.P50, row.P90, row.P99 = percentile(r.Latencies, 50), percentile(r.Latencies, 90), percentile(r.Latencies, 99)
		row.Max = percentile(r.Latencies, 100)
		row.PerSecond = rate(float64(row.Requests) / r.Took.Seconds())
	}
	return row
}

// beginningOf is the beginning of what a server says, for an error.
func beginningOf(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if len(line) > 300 {
		line = line[:300] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(line, "?"))
}
