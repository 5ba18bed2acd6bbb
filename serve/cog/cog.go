// Package cog knows the protocol of Cog's containers: predictions with typed inputs,
// which may be made at once, in the background, or streamed, and can be canceled.
package cog

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/plain"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// Options are the bounds of the protocol.
type Options struct {
	// MaxBody bounds the body of a request, in bytes; 0 means route.DefaultMaxBody.
	MaxBody int64
	// Webhooks are the hosts, with or without a port, that a client may have told about
	// its predictions: the server connects to them in the name of the client. None means
	// that webhooks are refused.
	Webhooks []string
	// Background are the predictions that no client waits for, and Calls those of
	// webhooks: who made them can wait for what goes on when the server is to end. nil:
	// nobody waits.
	Background, Calls *repository.Work
	// Version is that of the program.
	Version string
	// Started is when the server began; the zero value is now.
	Started time.Time
}

// Routes are those of the protocol.
func Routes(m plain.Models, o Options) []route.Route {
	if o.MaxBody == 0 {
		o.MaxBody = route.DefaultMaxBody
	}
	if o.Started.IsZero() {
		o.Started = time.Now()
	}
	if o.Background == nil {
		o.Background = &repository.Work{}
	}
	if o.Calls == nil {
		o.Calls = &repository.Work{}
	}
	h := &handler{models: m, options: o, kept: newKept(), hooks: newHooks(o.Webhooks, o.Calls)}
	infer := func(pattern string, named bool) route.Route {
		return route.Route{Pattern: pattern, PerModel: true, Protocol: repository.ProtocolCog, Handler: route.Handler(h.create, fail), Operation: describeCreate(named)}
	}
	return []route.Route{
		{Pattern: "GET /{$}", PerModel: true, Open: true, Handler: http.HandlerFunc(h.discover)},
		{Pattern: "GET /health-check", PerModel: true, Open: true, Handler: http.HandlerFunc(h.health), Operation: describeHealth},
		infer("POST /predictions", false),
		infer("PUT /predictions/{id}", true),
		{Pattern: "GET /predictions/{id}", PerModel: true, Handler: http.HandlerFunc(h.get), Operation: describeGet},
		{Pattern: "POST /predictions/{id}/cancel", PerModel: true, Handler: http.HandlerFunc(h.cancel), Operation: describeCancel},
	}
}

type handler struct {
	models  plain.Models
	options Options
	kept    *kept
	hooks   *hooks
}

// discover tells where things are, below what the client asked.
func (h *handler) discover(w http.ResponseWriter, r *http.Request) {
	base := strings.TrimSuffix(r.URL.Path, "/")
	doc, _ := json.Marshal(map[string]string{ // of words
		"cog_version":                h.options.Version,
		"docs_url":                   base + "/",
		"openapi_url":                base + "/openapi.json",
		"healthcheck_url":            base + "/health-check",
		"predictions_url":            base + "/predictions",
		"predictions_idempotent_url": base + "/predictions/{prediction_id}",
		"predictions_cancel_url":     base + "/predictions/{prediction_id}/cancel",
		"status":                     "alive", // to clients of KServe's first protocol
	})
	route.WriteJSON(w, http.StatusOK, doc)
}

// waits tells whether requests wait for a model.
func (h *handler) waits(st *repository.Status) bool {
	return slices.ContainsFunc(h.models.Index(), func(s repository.Status) bool {
		return s.Name == st.Name && s.Version == st.Version && s.Waiting > 0
	})
}

// health answers 200 in any case: what it says is in the body.
func (h *handler) health(w http.ResponseWriter, r *http.Request) {
	status, setup := "READY", "succeeded"
	st, err := h.models.Status(route.Model(r), "")
	switch {
	case err != nil, st.State == repository.StateUnavailable:
		status, setup = "SETUP_FAILED", "failed"
	case st.State == repository.StateLoading:
		status, setup = "STARTING", "starting"
	case st.State == repository.StateUnloading:
		status = "DEFUNCT"
	case h.waits(&st):
		status = "BUSY"
	}
	at := stamp(h.options.Started)
	doc, _ := json.Marshal(map[string]any{ // of words
		"status":  status,
		"setup":   map[string]any{"started_at": at, "completed_at": at, "status": setup, "logs": ""},
		"version": map[string]string{"coglet": h.options.Version, "cog": h.options.Version},
	})
	route.WriteJSON(w, http.StatusOK, doc)
}

// asked is the body of a request for a prediction.
type asked struct {
	ID      string          `json:"id"`
	Input   json.RawMessage `json:"input"`
	Webhook string          `json:"webhook"`
	Events  events          `json:"webhook_events_filter"`
}

// events are those that a webhook hears of; none: of all.
type events []string

// maxEvents bounds the text of a list of events: there are few.
const maxEvents = 1 << 10

// UnmarshalJSON implements json.Unmarshaler.
func (e *events) UnmarshalJSON(text []byte) error {
	if len(text) > maxEvents {
		return errors.New("webhook_events_filter is too long")
	}
	return json.Unmarshal(text, (*[]string)(e))
}

// maxID bounds the name of a prediction.
const maxID = 256

// read reads a request for a prediction and makes one of it.
func (h *handler) read(w http.ResponseWriter, r *http.Request) (*prediction, error) {
	st, err := plain.Find(h.models, route.Model(r))
	if err != nil {
		return nil, err
	}
	body, err := route.Body(w, r, h.options.MaxBody)
	if err != nil {
		return nil, err
	}
	var a asked
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, &route.RequestError{Message: "the body is no request for a prediction: " + err.Error()}
	}
	if id := r.PathValue("id"); id != "" {
		if a.ID != "" && a.ID != id {
			return nil, &fieldError{"id", "it is another than that of the path"}
		}
		a.ID = id
	}
	if len(a.ID) > maxID {
		return nil, &fieldError{"id", "it is too long"}
	}
	if a.Webhook != "" {
		if err := h.hooks.check(a.Webhook); err != nil {
			return nil, &fieldError{"webhook", err.Error()}
		}
	}
	if len(a.Input) == 0 || string(a.Input) == "null" {
		a.Input = json.RawMessage("{}")
	}
	request, err := parse(st.Signature, a.Input)
	if err != nil {
		return nil, err
	}
	call, err := plain.Call(r, repository.ProtocolCog)
	if err != nil {
		return nil, err
	}
	call.Model, call.Request = st.Name, request
	p := &prediction{model: st.Name, signature: st.Signature, call: &call, webhook: a.Webhook, events: a.Events}
	p.said = said{ID: a.ID, Input: a.Input, Status: statusStarting, Logs: "", Version: st.Digest, Created: stamp(time.Now())}
	if a.ID == "" {
		p.said.ID = strings.ToLower(rand.Text())
	}
	return p, nil
}

// parse makes a request of the inputs of a prediction. Files come in data URLs: the
// server fetches nothing.
func parse(s *model.Signature, input json.RawMessage) (*model.Request, error) {
	if input[0] != '{' {
		return nil, &model.InputError{Reason: "the input is no object"}
	}
	for name, value := range model.Members(input) {
		f := s.Input(name)
		if f == nil || !f.IsKind(model.KindFile, model.KindImage) {
			continue
		}
		var url string
		if json.Unmarshal(value, &url) == nil && (strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://")) {
			return nil, &model.InputError{Tensor: name, Reason: "nothing is fetched from other servers: send the file itself, as a data URL"}
		}
	}
	r, err := s.ParseObject(input)
	if err != nil {
		return nil, err
	}
	return r, s.Check(r)
}

// create makes a prediction: at once, in the background, or as a stream. One that has
// a name, and is there already, is told about instead.
func (h *handler) create(w http.ResponseWriter, r *http.Request) error {
	p, err := h.read(w, r)
	if err != nil {
		return err
	}
	named := r.PathValue("id") != ""
	background := prefersAsync(r)
	streams := !background && plain.Accepts(r, "application/json", "text/event-stream") == "text/event-stream"
	ctx, cancel := context.WithCancelCause(r.Context())
	if background {
		ctx, cancel = context.WithCancelCause(context.WithoutCancel(r.Context()))
	}
	p.cancel = cancel
	there, err := h.kept.add(p, named || background)
	switch {
	case err != nil:
		cancel(nil)
		return err
	case there != nil && named:
		cancel(nil)
		now := there.now()
		status := http.StatusAccepted
		if now.over() {
			status = http.StatusOK
		}
		write(w, status, &now)
		return nil
	case there != nil:
		cancel(nil)
		return &route.RequestError{Status: http.StatusConflict, Message: "there is such a prediction already"}
	}
	if background {
		now := p.now()
		h.options.Background.Go(func() {
			defer cancel(nil)
			_ = h.run(ctx, p, nil) // what comes of it is in the prediction
		})
		write(w, http.StatusAccepted, &now)
		return nil
	}
	defer cancel(nil)
	if streams {
		return h.stream(ctx, w, p)
	}
	if err := h.run(ctx, p, nil); err != nil {
		return err
	}
	now := p.now()
	if p.receipt != nil {
		route.SetReceipt(w.Header(), p.receipt)
	}
	write(w, http.StatusOK, &now)
	return nil
}

// prefersAsync tells whether the client does not want to wait.
func prefersAsync(r *http.Request) bool {
	for _, line := range r.Header.Values("Prefer") {
		for word := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(word), "respond-async") {
				return true
			}
		}
	}
	return false
}

// stream tells about a prediction while it is made.
func (h *handler) stream(ctx context.Context, w http.ResponseWriter, p *prediction) error {
	events := plain.NewStream(w)
	index := 0
	err := h.run(ctx, p, func(name string, chunk json.RawMessage) error {
		if name == "start" {
			now := p.now()
			return events.Event(name, document(&now))
		}
		doc, err := json.Marshal(map[string]any{"chunk": chunk, "index": index})
		if err != nil {
			return err
		}
		index++
		return events.Event(name, doc)
	})
	if err != nil && !events.Began() {
		return err
	}
	now := p.now()
	_ = events.Event("completed", document(&now))
	return nil
}

// run makes a prediction. tell, if any, hears that it begins, and of each part of its
// output. An error is one that the protocol has a status for: there was no prediction.
func (h *handler) run(ctx context.Context, p *prediction, tell func(name string, chunk json.RawMessage) error) error {
	defer h.kept.finish(p)
	tellHook, endHook := h.hooks.open(ctx, p, h.kept)
	defer endHook()
	defer func() { // whoever waits for it is told that it is over
		if bug := recover(); bug != nil {
			p.end(statusFailed, nil, "the server could not answer; its log says why", nil)
			tellHook("completed")
			panic(bug)
		}
	}()
	p.begin()
	tellHook("start")
	call := p.call
	var parts []json.RawMessage
	if tell != nil {
		began, ofParts := false, p.signature.OfParts()
		call.Emit = func(part *model.Response) error {
			if !began {
				began = true
				if err := tell("start", nil); err != nil {
					return err
				}
			}
			value, err := output(part, ofParts)
			if err != nil {
				return err
			}
			parts = append(parts, value)
			return tell("output", value)
		}
	}
	a, err := h.models.Infer(ctx, call)
	var value json.RawMessage
	switch {
	case err != nil:
	case tell == nil:
		value, err = output(a.Response, p.signature)
	case len(parts) == 1 && !p.signature.Streams:
		value = parts[0]
	default:
		value, err = json.Marshal(parts)
	}
	if err != nil && errors.Is(context.Cause(ctx), errCanceled) {
		p.end(statusCanceled, nil, "", nil)
		tellHook("completed")
		return nil
	}
	if err != nil {
		problem := route.ProblemOf(err)
		p.end(statusFailed, nil, problem.Message, nil)
		tellHook("completed")
		switch problem.Reason {
		case route.ReasonOverloaded, route.ReasonNotReady, route.ReasonNotFound, route.ReasonBadInput:
			return err
		}
		return nil
	}
	p.end(statusSucceeded, value, "", &a.Receipt)
	tellHook("completed")
	return nil
}

// find gives the prediction that a request names: of the model of its path, else of
// the default one, else of any.
func (h *handler) find(r *http.Request) *prediction {
	name, id := route.Model(r), r.PathValue("id")
	if name != "" {
		return h.kept.find(name, id)
	}
	if st, err := h.models.Status("", ""); err == nil {
		if p := h.kept.find(st.Name, id); p != nil {
			return p
		}
	}
	return h.kept.find("", id)
}

// get tells about a prediction of the background.
func (h *handler) get(w http.ResponseWriter, r *http.Request) {
	p := h.find(r)
	if p == nil {
		route.WriteJSON(w, http.StatusNotFound, []byte("{}"))
		return
	}
	now := p.now()
	write(w, http.StatusOK, &now)
}

// errCanceled is why a prediction ended that was canceled.
var errCanceled = errors.New("the prediction was canceled")

// cancel ends a prediction.
func (h *handler) cancel(w http.ResponseWriter, r *http.Request) {
	p := h.find(r)
	if p == nil {
		route.WriteJSON(w, http.StatusNotFound, []byte("{}"))
		return
	}
	p.cancel(errCanceled)
	route.WriteJSON(w, http.StatusOK, []byte("{}"))
}
