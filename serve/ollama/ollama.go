// Package ollama knows the part of Ollama's protocol that is about embeddings, and
// what its clients ask before: which models there are.
package ollama

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/wherry-run/wherry/serve/plain"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
	"github.com/wherry-run/wherry/serve/task"
)

// Options are the bounds of the protocol.
type Options struct {
	// MaxBody bounds the body of a request, in bytes; 0 means task.DefaultMaxBody.
	MaxBody int64
	// Version is that of the program.
	Version string
	// Started is when the server began; the zero value is now.
	Started time.Time
}

// Routes are those of the protocol. That at / is for its own clients alone.
func Routes(m plain.Models, o Options) []route.Route {
	if o.MaxBody == 0 {
		o.MaxBody = task.DefaultMaxBody
	}
	if o.Started.IsZero() {
		o.Started = time.Now()
	}
	h := &handler{m, o}
	infer := func(pattern string, serve func(http.ResponseWriter, *http.Request) error) route.Route {
		return route.Route{Pattern: pattern, PerModel: true, Protocol: repository.ProtocolOllama, Handler: route.Handler(serve, fail)}
	}
	list := []route.Route{
		{Pattern: "GET /{$}", Open: true, PerModel: true, When: isClient, Handler: http.HandlerFunc(running)},
		{Pattern: "GET /api/version", Open: true, Handler: route.Handler(h.version, fail)},
		{Pattern: "GET /api/tags", PerModel: true, Handler: route.Handler(h.tags, fail)},
		{Pattern: "GET /api/ps", PerModel: true, Handler: route.Handler(h.tags, fail)},
		{Pattern: "POST /api/show", PerModel: true, Handler: route.Handler(h.show, fail)},
		infer("POST /api/embed", h.embed),
		infer("POST /api/embeddings", h.embedOne),
	}
	for _, path := range []string{"/api/generate", "/api/chat"} {
		list = append(list, route.Route{Pattern: "POST " + path, PerModel: true, Handler: route.Handler(h.absent, fail)})
	}
	return list
}

type handler struct {
	models  plain.Models
	options Options
}

// isClient tells whether a request comes from a client of the protocol.
func isClient(r *http.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.UserAgent()), "ollama")
}

func running(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("Ollama is running")) // who does not read it has left
}

func (h *handler) version(w http.ResponseWriter, _ *http.Request) error {
	return route.Answer(w, http.StatusOK, map[string]string{"version": h.options.Version})
}

// described is a model in a list.
func (h *handler) described(st *repository.Status) map[string]any {
	return map[string]any{
		"name": st.Name + ":latest", "model": st.Name + ":latest", "modified_at": h.options.Started.UTC().Format(time.RFC3339Nano),
		"size": st.Memory, "digest": strings.TrimPrefix(st.Digest, "sha256:"), "details": details(st),
	}
}

func details(st *repository.Status) map[string]any {
	format := ""
	if st.Signature != nil {
		format = st.Signature.Platform
	}
	return map[string]any{"parent_model": "", "format": format, "family": "", "families": []string{}, "parameter_size": "", "quantization_level": ""}
}

func (h *handler) tags(w http.ResponseWriter, r *http.Request) error {
	list := []map[string]any{}
	for _, st := range h.models.Index() {
		if st.Default && (route.Model(r) == "" || route.Model(r) == st.Name) {
			list = append(list, h.described(&st))
		}
	}
	return route.Answer(w, http.StatusOK, map[string]any{"models": list})
}

// find is the model that a request names.
func (h *handler) find(r *http.Request, named string) (repository.Status, error) {
	if name := route.Model(r); name != "" {
		named = name
	}
	return plain.FindTagged(h.models, strings.TrimSuffix(named, ":latest"))
}

// asked is the body of any request.
type asked struct {
	Model      string          `json:"model"`
	Name       string          `json:"name"` // which older clients send
	Input      json.RawMessage `json:"input"`
	Prompt     string          `json:"prompt"`
	Dimensions int             `json:"dimensions"`
}

func (h *handler) read(w http.ResponseWriter, r *http.Request) (*asked, repository.Status, error) {
	var a asked
	body, err := route.Body(w, r, h.options.MaxBody)
	if err == nil {
		if err = json.Unmarshal(body, &a); err != nil {
			err = &route.RequestError{Message: "the body cannot be read: " + err.Error()}
		}
	}
	if err != nil {
		return nil, repository.Status{}, err
	}
	if a.Model == "" {
		a.Model = a.Name
	}
	st, err := h.find(r, a.Model)
	return &a, st, err
}

func (h *handler) show(w http.ResponseWriter, r *http.Request) error {
	_, st, err := h.read(w, r)
	if err != nil {
		return err
	}
	can := []string{}
	if task.Has(&st, repository.TaskEmbedding) {
		can = append(can, "embedding")
	}
	return route.Answer(w, http.StatusOK, map[string]any{"modelfile": "", "parameters": "", "template": "", "details": details(&st), "model_info": map[string]any{}, "capabilities": can})
}

func (h *handler) embed(w http.ResponseWriter, r *http.Request) error {
	began := time.Now()
	a, st, err := h.read(w, r)
	var call repository.Call
	if err == nil {
		call, err = plain.Call(r, repository.ProtocolOllama)
	}
	var texts []string
	if err == nil {
		texts, err = a.texts()
	}
	if err != nil {
		return err
	}
	said := struct {
		Model      string      `json:"model"`
		Embeddings [][]float32 `json:"embeddings"`
		Total      int64       `json:"total_duration"`
		Load       int64       `json:"load_duration"`
		Tokens     int         `json:"prompt_eval_count"`
	}{a.Model, [][]float32{}, 0, 0, 0}
	if len(texts) > 0 {
		vectors, result, err := task.Embed(r.Context(), h.models, &st, call, texts, nil)
		if err != nil {
			return err
		}
		if a.Dimensions > 0 {
			vectors = task.Shorten(vectors, a.Dimensions)
		}
		for _, v := range vectors {
			said.Embeddings = append(said.Embeddings, task.Normal(v))
		}
		route.SetReceipt(w.Header(), &result.Receipt)
		said.Tokens = result.Tokens
	}
	said.Total = time.Since(began).Nanoseconds()
	return route.Answer(w, http.StatusOK, said)
}

// texts are what is to be embedded; none only loads the model.
func (a *asked) texts() ([]string, error) {
	texts, tokens, err := task.Inputs(a.Input)
	var many *task.CountError
	switch {
	case errors.Is(err, task.ErrNoInputs):
		return nil, nil
	case errors.As(err, &many):
		return nil, &route.RequestError{Status: http.StatusRequestEntityTooLarge, Message: many.Error()}
	case errors.Is(err, task.ErrNotInputs), tokens != nil:
		return nil, &route.RequestError{Message: "input is neither a text nor a list of texts"}
	}
	return texts, err
}

// embedOne is the older way, for one text.
func (h *handler) embedOne(w http.ResponseWriter, r *http.Request) error {
	a, st, err := h.read(w, r)
	var call repository.Call
	if err == nil {
		call, err = plain.Call(r, repository.ProtocolOllama)
	}
	if err != nil {
		return err
	}
	if a.Prompt == "" {
		return route.Answer(w, http.StatusOK, map[string][]float32{"embedding": {}})
	}
	vectors, result, err := task.Embed(r.Context(), h.models, &st, call, []string{a.Prompt}, nil)
	if err != nil {
		return err
	}
	route.SetReceipt(w.Header(), &result.Receipt)
	return route.Answer(w, http.StatusOK, map[string][]float32{"embedding": vectors[0]})
}

// absent answers for what generates texts, which no model of this server does.
func (h *handler) absent(w http.ResponseWriter, r *http.Request) error {
	_, st, err := h.read(w, r)
	if err == nil {
		err = &route.RequestError{Message: "model " + st.Name + " does not generate texts"}
	}
	return err
}

// fail answers with an error in the protocol's form.
func fail(w http.ResponseWriter, err error) {
	p := route.ProblemOf(err)
	p.SetRetryAfter(w.Header())
	if errors.As(err, new(*task.WrongTaskError)) || errors.As(err, new(*task.KindError)) {
		p.Status, p.Message = http.StatusBadRequest, err.Error()
	}
	route.Refuse(w, p.Status, p.Message)
}
