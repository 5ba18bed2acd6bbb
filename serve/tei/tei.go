// Package tei knows the protocol of Text Embeddings Inference: vectors of texts, their
// classes, and how well they answer a query.
package tei

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/wherry-run/wherry/model"
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
}

// Routes are those of the protocol. POST /predict, and what stands at /, are there for
// models of their kind alone: elsewhere other protocols have them, so these routes go
// before theirs.
func Routes(m plain.Models, o Options) []route.Route {
	if o.MaxBody == 0 {
		o.MaxBody = task.DefaultMaxBody
	}
	h := &handler{m, o}
	add := func(pattern string, infers bool, answer answerer) route.Route {
		r := route.Route{Pattern: pattern, PerModel: true, Handler: h.handler(answer)}
		if infers {
			r.Protocol = repository.ProtocolTEI
		}
		return r
	}
	embed, rerank, predict := add("POST /embed", true, h.embed), add("POST /rerank", true, h.rerank), add("POST /predict", true, h.predict)
	similarity, info := add("POST /similarity", true, h.similarity), add("GET /info", false, h.info)
	embed.Operation, rerank.Operation, similarity.Operation, info.Operation = describeEmbed, describeRerank, describeSimilarity, describeInfo
	predict.When = func(r *http.Request) bool {
		return h.is(r, repository.TaskClassification) && h.asksInputs(r)
	}
	root := add("POST /{$}", true, h.root)
	root.When = func(r *http.Request) bool {
		return h.is(r, repository.TaskEmbedding) || h.is(r, repository.TaskClassification) || h.is(r, repository.TaskRerank)
	}
	list := []route.Route{embed, rerank, predict, similarity, info, root}
	for _, path := range []string{"/embed_all", "/embed_sparse", "/tokenize", "/decode"} {
		list = append(list, add("POST "+path, false, h.absent))
	}
	return list
}

type handler struct {
	models  plain.Models
	options Options
}

// is tells whether the model that a request asks is good for a task.
func (h *handler) is(r *http.Request, what string) bool {
	st, err := h.models.Status(route.Model(r), "")
	return err == nil && task.Has(&st, what)
}

// asksInputs tells a request of this protocol from one by the names of a model's
// inputs: its body has "inputs", and the model has no such input. The body can be read
// again.
func (h *handler) asksInputs(r *http.Request) bool {
	st, err := h.models.Status(route.Model(r), "")
	kind, _, merr := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || merr != nil || kind != "application/json" || r.Header.Get("Content-Encoding") != "" || st.Signature.Input("inputs") != nil {
		return false
	}
	begin, err := io.ReadAll(io.LimitReader(r.Body, h.options.MaxBody))
	r.Body = &replayed{io.MultiReader(bytes.NewReader(begin), r.Body), r.Body}
	if err != nil || !json.Valid(begin) {
		return false
	}
	for name := range model.Members(begin) {
		if name == "inputs" {
			return true
		}
	}
	return false
}

// replayed is a body that was read, and is read again.
type replayed struct {
	io.Reader
	body io.ReadCloser
}

func (r *replayed) Close() error { return r.body.Close() }

// Hold implements route.Holder, for the body that it was.
func (r *replayed) Hold(bytes int64) error {
	if h, ok := r.body.(route.Holder); ok {
		return h.Hold(bytes)
	}
	return nil
}

// asked is a request, whatever for.
type asked struct {
	request *http.Request
	model   repository.Status
	call    repository.Call
	body    []byte
}

// said is an answer: a document, and what it took.
type said struct {
	document   any
	result     *task.Result
	characters int
}

type answerer func(ctx context.Context, a *asked) (*said, error)

// handler answers requests with what an answerer says.
func (h *handler) handler(answer answerer) http.Handler {
	return route.Handler(func(w http.ResponseWriter, r *http.Request) (err error) {
		began := time.Now()
		a := &asked{request: r}
		if a.model, err = plain.Find(h.models, route.Model(r)); err != nil {
			return err
		}
		if r.Method == http.MethodPost {
			if a.body, err = route.Body(w, r, h.options.MaxBody); err != nil {
				return err
			}
		}
		if a.call, err = plain.Call(r, repository.ProtocolTEI); err != nil {
			return err
		}
		s, err := answer(r.Context(), a)
		if err != nil {
			return err
		}
		if s.result != nil {
			headers(w.Header(), s, time.Since(began))
		}
		return route.Answer(w, http.StatusOK, s.document)
	}, fail)
}

// headers say what an answer took, in milliseconds.
func headers(h http.Header, s *said, total time.Duration) {
	millis := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	r := &s.result.Receipt
	h.Set("X-Compute-Type", "cpu")
	h.Set("X-Compute-Time", millis(total))
	h.Set("X-Compute-Characters", strconv.Itoa(s.characters))
	h.Set("X-Compute-Tokens", strconv.Itoa(s.result.Tokens))
	h.Set("X-Total-Time", millis(total))
	h.Set("X-Tokenization-Time", "0") // the model does it, with the rest
	h.Set("X-Queue-Time", millis(r.Queue))
	h.Set("X-Inference-Time", millis(r.Compute))
	route.SetReceipt(h, r)
}

// read reads the body into a document.
func (a *asked) read(into any) error {
	err := json.Unmarshal(a.body, into)
	if errors.As(err, new(*task.CountError)) {
		return inputError(err, "")
	}
	if err != nil {
		return &problem{http.StatusUnprocessableEntity, "Validation", "the body cannot be read: " + err.Error()}
	}
	return nil
}

func characters(texts ...string) int {
	n := 0
	for _, t := range texts {
		n += utf8.RuneCountInString(t)
	}
	return n
}

// errEmpty is a request without texts.
var errEmpty = &problem{http.StatusBadRequest, "Empty", "there are no texts"}

// inputError is what is said of inputs that cannot be read; other is for those that are
// something else.
func inputError(err error, other string) error {
	var many *task.CountError
	switch {
	case errors.As(err, &many):
		return &problem{http.StatusRequestEntityTooLarge, "Validation", many.Error()}
	case errors.Is(err, task.ErrNoInputs):
		return &problem{http.StatusUnprocessableEntity, "Validation", "inputs are missing"}
	case errors.Is(err, task.ErrNotInputs):
		return &problem{http.StatusUnprocessableEntity, "Validation", other}
	}
	return err
}

func (h *handler) embed(ctx context.Context, a *asked) (*said, error) {
	q := struct {
		Inputs     json.RawMessage `json:"inputs"`
		Normalize  *bool           `json:"normalize"`
		Dimensions *int            `json:"dimensions"`
	}{}
	if err := a.read(&q); err != nil {
		return nil, err
	}
	texts, tokens, err := task.Inputs(q.Inputs)
	if err == nil && len(texts)+len(tokens) == 0 {
		err = errEmpty
	}
	if err != nil {
		return nil, inputError(err, "inputs are neither a text nor a list of texts")
	}
	vectors, result, err := task.Embed(ctx, h.models, &a.model, a.call, texts, tokens)
	if err != nil {
		return nil, err
	}
	if n := q.Dimensions; n != nil {
		if *n < 1 || *n > len(vectors[0]) {
			return nil, &problem{http.StatusBadRequest, "Validation", "dimensions must be from 1 to " + strconv.Itoa(len(vectors[0]))}
		}
		for i := range vectors {
			vectors[i] = vectors[i][:*n]
		}
	}
	for i, v := range vectors {
		if q.Normalize == nil || *q.Normalize {
			vectors[i] = task.Normal(v)
		}
	}
	return &said{vectors, result, characters(texts...)}, nil
}

// ranked is a text in the order of an answer.
type ranked struct {
	Index int     `json:"index"`
	Text  *string `json:"text,omitempty"`
	Score float32 `json:"score"`
}

func (h *handler) rerank(ctx context.Context, a *asked) (*said, error) {
	var q struct {
		Query  string            `json:"query"`
		Texts  task.List[string] `json:"texts"`
		Raw    bool              `json:"raw_scores"`
		Return bool              `json:"return_text"`
	}
	err := a.read(&q)
	if err == nil && len(q.Texts) == 0 {
		err = errEmpty
	}
	if err != nil {
		return nil, err
	}
	scores, result, err := task.Rank(ctx, h.models, &a.model, a.call, q.Query, q.Texts, q.Raw)
	if err != nil {
		return nil, err
	}
	list := make([]ranked, 0, len(scores))
	for _, i := range task.Order(scores) {
		one := ranked{Index: i, Score: scores[i]}
		if q.Return {
			one.Text = &q.Texts[i]
		}
		list = append(list, one)
	}
	return &said{list, result, characters(q.Texts...) + len(q.Texts)*characters(q.Query)}, nil
}

func (h *handler) predict(ctx context.Context, a *asked) (*said, error) {
	var q struct {
		Inputs json.RawMessage `json:"inputs"`
	}
	if err := a.read(&q); err != nil {
		return nil, err
	}
	texts, pairs, many, err := task.Sequences(q.Inputs)
	if err != nil {
		return nil, inputError(err, "inputs are a text, two of them in a list, or lists of such lists")
	}
	if c := task.NewClassifier(a.model.Signature); c != nil {
		switch {
		case pairs != nil && !c.Pairs():
			return nil, &problem{http.StatusUnprocessableEntity, "Validation", "the model takes no pairs of texts"}
		case pairs == nil && c.NeedsPair():
			return nil, &problem{http.StatusUnprocessableEntity, "Validation", "the model takes pairs of texts"}
		}
	}
	scores, result, err := task.Classify(ctx, h.models, &a.model, a.call, texts, pairs)
	if err != nil {
		return nil, err
	}
	s := &said{scores, result, characters(texts...) + characters(pairs...)}
	if !many {
		s.document = scores[0]
	}
	return s, nil
}

func (h *handler) similarity(ctx context.Context, a *asked) (*said, error) {
	var q struct {
		Inputs struct {
			Source    string            `json:"source_sentence"`
			Sentences task.List[string] `json:"sentences"`
		} `json:"inputs"`
	}
	err := a.read(&q)
	if err == nil && len(q.Inputs.Sentences) == 0 {
		err = errEmpty
	}
	if err != nil {
		return nil, err
	}
	texts := append([]string{q.Inputs.Source}, q.Inputs.Sentences...)
	vectors, result, err := task.Embed(ctx, h.models, &a.model, a.call, texts, nil)
	if err != nil {
		return nil, err
	}
	list := make([]float32, 0, len(texts)-1)
	for _, v := range vectors[1:] {
		list = append(list, task.Cosine(vectors[0], v))
	}
	return &said{list, result, characters(texts...)}, nil
}

// root is POST /, which is what the model is for.
func (h *handler) root(ctx context.Context, a *asked) (*said, error) {
	var q struct {
		Inputs struct {
			Source *string `json:"source_sentence"`
		} `json:"inputs"`
	}
	switch {
	case task.Has(&a.model, repository.TaskEmbedding):
		if json.Unmarshal(a.body, &q) == nil && q.Inputs.Source != nil {
			return h.similarity(ctx, a)
		}
		return h.embed(ctx, a)
	case task.Has(&a.model, repository.TaskClassification):
		return h.predict(ctx, a)
	}
	return h.rerank(ctx, a)
}

// absent is what needs the model's tokenizer, or its vectors of tokens, from outside.
func (h *handler) absent(_ context.Context, a *asked) (*said, error) {
	return nil, &problem{http.StatusFailedDependency, "Backend", "model " + strconv.Quote(a.model.Name) + " keeps its tokens to itself: it takes texts, and gives what it makes of them"}
}

// info tells what the model is.
func (h *handler) info(_ context.Context, a *asked) (*said, error) {
	st := &a.model
	kind := map[string]any{}
	switch {
	case task.Has(st, repository.TaskEmbedding):
		kind["embedding"] = map[string]any{"pooling": "model"} // it does that itself
	case task.Has(st, repository.TaskRerank):
		kind["reranker"] = classes([]string{"LABEL_0"})
	case task.Has(st, repository.TaskClassification):
		kind["classifier"] = classes(task.NewClassifier(st.Signature).Labels())
	default:
		return nil, &task.WrongTaskError{Model: st.Name, Task: repository.TaskEmbedding}
	}
	return &said{document: map[string]any{
		"model_id": st.Name, "model_sha": st.Digest, "model_dtype": "float32", "model_type": kind,
		"max_concurrent_requests": max(st.Instances, 1), "max_client_batch_size": task.MaxTexts, "max_batch_requests": max(st.Batch.Max, 1),
		// Where a model cuts texts off is its own affair. More tokens than bytes of a body
		// there cannot be, and clients want a number.
		"max_input_length": h.options.MaxBody, "max_batch_tokens": h.options.MaxBody, "sha": nil, "docker_label": nil,
		"auto_truncate": true, "tokenization_workers": max(st.Instances, 1), "version": h.options.Version,
	}}, nil
}

func classes(labels []string) map[string]any {
	names, numbers := map[string]string{}, map[string]int{}
	for i, l := range labels {
		names[strconv.Itoa(i)], numbers[l] = l, i
	}
	return map[string]any{"id2label": names, "label2id": numbers}
}
