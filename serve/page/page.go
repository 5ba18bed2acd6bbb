// Package page knows the playground: a page for browsers at / with a form for the
// inputs of a model, its answers, snippets that ask the same, and what the server did
// in the last minutes. Its files are embedded, and talk to the server's own
// endpoints only.
package page

import (
	"embed"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// Models are what the page shows: a *repository.Repository.
type Models interface {
	Index() []repository.Status
	Default() string
}

// Options change what the page shows.
type Options struct {
	// History is what the charts are drawn of; nil shows none.
	History *History
	// Version is that of the server, for the foot of the page.
	Version string
}

//go:embed assets
var assets embed.FS

// Routes are the page and what it loads. All of them are there below /m/{model} too,
// so that the page finds its files beside itself, whatever a proxy calls the server.
func Routes(m Models, o Options) ([]route.Route, error) {
	files, err := ReadFiles(assets, "assets")
	if err != nil {
		return nil, err
	}
	p := &page{models: m, options: o, files: files}
	return []route.Route{
		{Pattern: "GET /{$}", PerModel: true, Open: true, When: Wanted, Handler: http.HandlerFunc(p.index)},
		{Pattern: "GET /playground/{file}", PerModel: true, Open: true, Handler: http.HandlerFunc(p.file)},
		{Pattern: "GET /playground/data/models", PerModel: true, Handler: http.HandlerFunc(p.list)},
		{Pattern: "GET /playground/data/history", PerModel: true, Handler: http.HandlerFunc(p.history)},
	}, nil
}

// Common are the files that pages of ours share: the style, the icon, and what makes
// elements of a page.
func Common() (Files, error) {
	files, err := ReadFiles(assets, "assets")
	if err != nil {
		return nil, err
	}
	common := Files{}
	for _, name := range []string{"style.css", "icon.svg", "dom.js"} {
		f, ok := files[name]
		if !ok {
			return nil, fmt.Errorf("read the page: there is no %s", name)
		}
		common[name] = f
	}
	return common, nil
}

// Wanted tells whether a request for / comes from a browser: it says that it takes
// HTML, which no client of a protocol does.
func Wanted(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			if kind, _, err := mime.ParseMediaType(part); err == nil && kind == "text/html" {
				return true
			}
		}
	}
	return false
}

type page struct {
	models  Models
	options Options
	files   Files
}

func (p *page) index(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Accept")
	p.files.Send(w, r, "index.html")
}

func (p *page) file(w http.ResponseWriter, r *http.Request) { p.files.Send(w, r, r.PathValue("file")) }

// described is a model as the page knows it.
type described struct {
	Name      string           `json:"name"`
	Version   string           `json:"version"`
	Default   bool             `json:"default"` // it answers when no model is named
	State     string           `json:"state"`
	Reason    string           `json:"reason,omitempty"`
	Digest    string           `json:"digest,omitempty"`
	Tasks     []string         `json:"tasks,omitempty"`
	Instances int              `json:"instances,omitempty"`
	Memory    int64            `json:"memory,omitempty"`
	MaxBatch  int              `json:"max_batch,omitempty"`
	Waiting   int              `json:"waiting"`
	Running   int              `json:"running"`
	Signature *model.Signature `json:"signature,omitempty"`
	Examples  []example        `json:"examples,omitempty"`
}

// list tells of the models, each in the version that answers by default, and of the
// one that the page is of all that there is to know.
func (p *page) list(w http.ResponseWriter, r *http.Request) {
	all, shown := []described{}, p.shown(r)
	for _, s := range p.models.Index() {
		if !s.Default {
			continue
		}
		d := described{
			Name: s.Name, Version: s.Version, Default: s.Name == p.models.Default(), State: s.State, Reason: s.Reason, Digest: s.Digest,
			Tasks: s.Tasks, Instances: s.Instances, Memory: s.Memory, MaxBatch: s.Batch.Max, Waiting: s.Waiting, Running: s.Running,
		}
		if s.Name == shown {
			d.Signature, d.Examples = s.Signature, examples(&s)
		}
		all = append(all, d)
	}
	sendJSON(w, http.StatusOK, map[string]any{"server": p.options.Version, "models": all})
}

// shown is the model that the page of a request is of: that of the path, else the
// default one.
func (p *page) shown(r *http.Request) string {
	if name := route.Model(r); name != "" {
		return name
	}
	return p.models.Default()
}

func sendJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the answer cannot be written", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	Secure(h)
	h.Set("Cache-Control", "no-store")
	route.WriteJSON(w, status, b)
}
