// Package predict knows the plain way to ask a model over HTTP: POST /predict with
// JSON by the names of inputs, a form with files, CSV or an array of NumPy, and an
// answer by the names of outputs.
package predict

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/plain"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// Options are the bounds of the protocol.
type Options struct {
	// MaxBody bounds the body of a request, in bytes; 0 means route.DefaultMaxBody.
	MaxBody int64
}

// Content types besides those of package mime.
const (
	typeJSON   = "application/json"
	typeCSV    = "text/csv"
	typeNPY    = "application/x-npy"
	typeNPZ    = "application/x-npz"
	typeForm   = "application/x-www-form-urlencoded"
	typeParts  = "multipart/form-data"
	typeText   = "text/plain"
	typeBytes  = "application/octet-stream"
	typeEvents = "text/event-stream"
	typeImages = "image/*"
)

// Routes are those of the protocol: POST /predict asks the default model.
func Routes(m plain.Models, o Options) []route.Route {
	if o.MaxBody == 0 {
		o.MaxBody = route.DefaultMaxBody
	}
	h := &handler{models: m, options: o}
	return []route.Route{{
		Pattern:   "POST /predict",
		PerModel:  true,
		Protocol:  repository.ProtocolPredict,
		Handler:   route.Handler(h.predict, fail),
		Operation: operation,
	}}
}

type handler struct {
	models  plain.Models
	options Options
}

func (h *handler) predict(w http.ResponseWriter, r *http.Request) error {
	st, err := plain.Find(h.models, route.Model(r))
	if err != nil {
		return err
	}
	body, err := h.read(w, r, st.Signature)
	if err != nil {
		return err
	}
	outputs := outputsOf(r)
	for _, q := range body.requests {
		q.Outputs = outputs
	}
	call, err := plain.Call(r, repository.ProtocolPredict)
	if err != nil {
		return err
	}
	call.Model = st.Name
	if !body.many && plain.Accepts(r, typeJSON, typeEvents) == typeEvents {
		call.Request = body.requests[0]
		return h.stream(r.Context(), w, &call, st.Signature)
	}
	answers, err := plain.Each(r.Context(), h.models, call, body.requests)
	if err != nil {
		return err
	}
	a := answer{signature: st.Signature, answers: answers, many: body.many, outputs: outputs}
	return a.write(w, r)
}

// outputsOf are those that the query of a request wants.
func outputsOf(r *http.Request) []string {
	if r.URL.RawQuery == "" {
		return nil
	}
	return r.URL.Query()["output"]
}

// stream sends every part of an answer as an event, and at the end the receipt. An
// answer that comes at once is one part.
func (h *handler) stream(ctx context.Context, w http.ResponseWriter, call *repository.Call, s *model.Signature) error {
	events, parts := plain.NewStream(w), s.OfParts()
	call.Emit = func(part *model.Response) error {
		doc, err := part.AppendObject(nil, parts)
		if err != nil {
			return err
		}
		return events.Event("", doc)
	}
	a, err := h.models.Infer(ctx, call)
	switch {
	case err == nil:
		doc, _ := json.Marshal(receipt(&a.Receipt)) // of numbers and words
		_ = events.Event("end", doc)
	case !events.Began():
		return err
	default:
		_ = events.Event("error", problem(route.ProblemOf(err)))
	}
	return nil
}

// receipt is what the last event of a stream says.
func receipt(r *repository.Receipt) map[string]any {
	said := map[string]any{"model": r.Model, "version": r.Version, "queue_seconds": r.Queue.Seconds(), "compute_seconds": r.Compute.Seconds()}
	if r.Digest != "" {
		said["digest"] = r.Digest
	}
	if r.Fuel > 0 {
		said["fuel"] = r.Fuel
	}
	if r.Memory > 0 {
		said["peak_memory"] = r.Memory
	}
	return said
}

// problem is an error in the protocol's form.
func problem(p route.Problem) []byte {
	doc, _ := json.Marshal(struct {
		Error  string `json:"error"`
		Reason string `json:"reason"`
	}{p.Message, p.Reason}) // of words
	return doc
}

// fail answers with an error.
func fail(w http.ResponseWriter, err error) {
	p := route.ProblemOf(err)
	p.SetRetryAfter(w.Header())
	route.WriteJSON(w, p.Status, problem(p))
}

// wantsImage tells whether the only output of a model is an image.
func wantsImage(s *model.Signature, outputs []string) bool {
	var found []*model.Field
	for i := range s.Outputs {
		if len(outputs) == 0 || slices.Contains(outputs, s.Outputs[i].Name) {
			found = append(found, &s.Outputs[i])
		}
	}
	return len(found) == 1 && found[0].IsKind(model.KindImage, model.KindFile)
}
