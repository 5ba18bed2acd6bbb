// Package openai knows the part of OpenAI's protocol that models of texts speak here:
// the list of models, embeddings, and the ranking of documents that others have added
// to it. Paths are those that clients expect below a base URL of /v1, or of /openai/v1.
package openai

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wherry-run/wherry/serve/openapi"
	"github.com/wherry-run/wherry/serve/plain"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
	"github.com/wherry-run/wherry/serve/task"
)

// Options are the bounds of the protocol.
type Options struct {
	// MaxBody bounds the body of a request, in bytes; 0 means task.DefaultMaxBody.
	MaxBody int64
	// Started is when the server began; the zero value is now.
	Started time.Time
}

// Routes are those of the protocol.
func Routes(m plain.Models, o Options) []route.Route {
	if o.MaxBody == 0 {
		o.MaxBody = task.DefaultMaxBody
	}
	if o.Started.IsZero() {
		o.Started = time.Now()
	}
	h := &handler{m, o}
	var list []route.Route
	for _, prefix := range []string{"/v1", "/openai/v1"} {
		alias := prefix != "/v1"
		add := func(pattern string, own, infer bool, serve http.Handler, describe func(repository.Status) *openapi.Operation) {
			method, path, _ := strings.Cut(pattern, " ")
			one := route.Route{Pattern: method + " " + prefix + path, PerModel: own, Handler: serve}
			if infer {
				one.Protocol = repository.ProtocolOpenAI
			}
			if !alias {
				one.Operation = describe
			}
			list = append(list, one)
		}
		add("GET /models", true, false, route.Handler(h.list, fail), describeList)
		add("GET /models/{model}", false, false, route.Handler(h.get, fail), describeGet)
		add("POST /embeddings", true, true, route.Handler(h.embeddings, fail), describeEmbeddings)
		add("POST /rerank", true, true, route.Handler(h.rerank, fail), describeRerank)
		for _, path := range []string{"/chat/completions", "/completions", "/responses"} {
			add("POST "+path, true, false, http.HandlerFunc(h.absent), nil)
		}
	}
	return list
}

type handler struct {
	models  plain.Models
	options Options
}

// entry is a model in the list. Name and Ready are what KServe's first protocol has at
// the same place.
type entry struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	Owner   string `json:"owned_by"`
	Name    string `json:"name"`
	Ready   bool   `json:"ready"`
}

func (h *handler) entry(st *repository.Status) entry {
	return entry{st.Name, "model", h.options.Started.Unix(), "wherry", st.Name, st.State == repository.StateReady}
}

func (h *handler) list(w http.ResponseWriter, r *http.Request) error {
	said := struct {
		Object string   `json:"object"`
		Data   []entry  `json:"data"`
		Models []string `json:"models"` // as KServe's first protocol lists them
	}{"list", []entry{}, []string{}}
	for _, st := range h.models.Index() {
		if !st.Default || route.Model(r) != "" && route.Model(r) != st.Name {
			continue
		}
		said.Data = append(said.Data, h.entry(&st))
		said.Models = append(said.Models, st.Name)
	}
	return route.Answer(w, http.StatusOK, said)
}

func (h *handler) get(w http.ResponseWriter, r *http.Request) error {
	st, err := plain.FindTagged(h.models, route.Model(r))
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusOK, h.entry(&st))
}

// call is what a request begins to ask of the model that is meant: that of the path
// before that of the body.
func (h *handler) call(r *http.Request, named string) (repository.Call, repository.Status, error) {
	call, err := plain.Call(r, repository.ProtocolOpenAI)
	if err != nil {
		return call, repository.Status{}, err
	}
	if name := route.Model(r); name != "" {
		named = name
	}
	st, err := plain.FindTagged(h.models, named)
	return call, st, err
}

// embeddingsRequest is the body of POST /v1/embeddings.
type embeddingsRequest struct {
	Model      string          `json:"model"`
	Input      json.RawMessage `json:"input"`
	Format     string          `json:"encoding_format"`
	Dimensions *int            `json:"dimensions"`
}

// embedding is a vector in the answer.
type embedding struct {
	Object    string          `json:"object"`
	Index     int             `json:"index"`
	Embedding json.RawMessage `json:"embedding"`
}

type usage struct {
	Prompt int `json:"prompt_tokens"`
	Total  int `json:"total_tokens"`
}

func (h *handler) embeddings(w http.ResponseWriter, r *http.Request) error {
	var asked embeddingsRequest
	if err := h.read(w, r, &asked); err != nil {
		return err
	}
	texts, tokens, err := inputs(asked.Input)
	if err == nil {
		err = asked.check()
	}
	if err != nil {
		return err
	}
	call, st, err := h.call(r, asked.Model)
	if err != nil {
		return err
	}
	vectors, result, err := task.Embed(r.Context(), h.models, &st, call, texts, tokens)
	if err != nil {
		return err
	}
	if n := asked.Dimensions; n != nil {
		if len(vectors) > 0 && *n > len(vectors[0]) {
			return wrong("dimensions", "model %q has vectors of %d numbers", st.Name, len(vectors[0]))
		}
		vectors = task.Shorten(vectors, *n)
	}
	said := struct {
		Object string      `json:"object"`
		Data   []embedding `json:"data"`
		Model  string      `json:"model"`
		Usage  usage       `json:"usage"`
	}{"list", make([]embedding, len(vectors)), st.Name, usage{result.Tokens, result.Tokens}}
	for i, v := range vectors {
		said.Data[i] = embedding{"embedding", i, write(v, asked.Format == "base64")}
	}
	route.SetReceipt(w.Header(), &result.Receipt)
	return route.Answer(w, http.StatusOK, said)
}

func (q *embeddingsRequest) check() error {
	if q.Format != "" && q.Format != "float" && q.Format != "base64" {
		return wrong("encoding_format", "it is float or base64, not %.40q", q.Format)
	}
	if q.Dimensions != nil && *q.Dimensions < 1 {
		return wrong("dimensions", "it is %d, and must be at least 1", *q.Dimensions)
	}
	return nil
}

// inputs reads what is to be embedded: a text, several, the tokens of one, or of
// several.
func inputs(value json.RawMessage) (texts []string, tokens [][]int64, err error) {
	texts, tokens, err = task.Inputs(value)
	var many *task.CountError
	switch {
	case errors.Is(err, task.ErrNoInputs):
		return nil, nil, wrong("input", "it is missing: a text, or a list of texts")
	case errors.As(err, &many):
		return nil, nil, wrong("input", "it has %d texts, more than %d", many.N, many.Most)
	case errors.Is(err, task.ErrNotInputs), err == nil && len(texts)+len(tokens) == 0:
		return nil, nil, wrong("input", "it must be a text, a list of texts, or lists of the numbers of tokens, and not empty")
	case err != nil:
		return nil, nil, err
	}
	for i, t := range texts {
		if t == "" {
			return nil, nil, wrong("input", "text %d is empty", i)
		}
	}
	for i, t := range tokens {
		if len(t) == 0 {
			return nil, nil, wrong("input", "list %d has no tokens", i)
		}
	}
	return texts, tokens, nil
}

// write is a vector as a list of numbers, or as base64 of its bytes.
func write(v []float32, packed bool) json.RawMessage {
	if packed {
		raw := make([]byte, 0, 4*len(v))
		for _, x := range v {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
		}
		b := append(make([]byte, 0, base64.StdEncoding.EncodedLen(len(raw))+2), '"')
		return append(base64.StdEncoding.AppendEncode(b, raw), '"')
	}
	b := append(make([]byte, 0, 12*len(v)), '[')
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(x), 'g', -1, 32)
	}
	return append(b, ']')
}

// absent answers for what generates texts, which no model of this server does.
func (h *handler) absent(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, http.StatusNotFound, problem{
		Message: "no model of this server generates text: there are /v1/models, /v1/embeddings and /v1/rerank, and every model answers POST /predict",
		Type:    "invalid_request_error", Code: "unsupported_endpoint",
	})
}
