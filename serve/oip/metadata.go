package oip

import (
	"encoding/json"
	"net/http"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

func (h *handler) server(w http.ResponseWriter, _ *http.Request) error {
	return route.Answer(w, http.StatusOK, map[string]any{"name": inference.ServerName, "version": h.options.Version, "extensions": inference.Extensions})
}

func (h *handler) live(w http.ResponseWriter, _ *http.Request) error {
	return route.Answer(w, http.StatusOK, map[string]bool{"live": true})
}

func (h *handler) ready(w http.ResponseWriter, _ *http.Request) error {
	ready := h.models.Ready()
	return route.Answer(w, statusOf(ready), map[string]bool{"ready": ready})
}

func statusOf(ready bool) int {
	if ready {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

func (h *handler) list(w http.ResponseWriter, _ *http.Request) error {
	names, seen := []string{}, map[string]bool{}
	for _, st := range h.models.Index() {
		if !seen[st.Name] {
			seen[st.Name] = true
			names = append(names, st.Name)
		}
	}
	return route.Answer(w, http.StatusOK, map[string][]string{"models": names})
}

// loaded is the status of the model that a request names, whose signature is known.
func (h *handler) loaded(r *http.Request) (st repository.Status, versions []string, err error) {
	st, versions, err = inference.Resident(h.models, route.Model(r), r.PathValue("version"))
	if err == nil && st.Signature == nil {
		err = &repository.NotReadyError{Model: st.Name, Version: st.Version, Reason: st.Reason}
	}
	return st, versions, err
}

// modelMetadata is a signature as it is served: by the name it is served under.
type modelMetadata struct {
	Name       string            `json:"name"`
	Versions   []string          `json:"versions"`
	Platform   string            `json:"platform"`
	Inputs     []model.Field     `json:"inputs"`
	Outputs    []model.Field     `json:"outputs"`
	Properties map[string]string `json:"properties,omitempty"`
}

func (h *handler) model(w http.ResponseWriter, r *http.Request) error {
	st, versions, err := h.loaded(r)
	if err != nil {
		return err
	}
	m := modelMetadata{Name: st.Name, Versions: versions, Platform: st.Signature.Platform,
		Inputs: inference.Fields(st.Signature.Inputs), Outputs: inference.Fields(st.Signature.Outputs), Properties: inference.Properties(st)}
	return route.Answer(w, http.StatusOK, m)
}

func (h *handler) modelReady(w http.ResponseWriter, r *http.Request) error {
	st, err := h.models.Status(route.Model(r), r.PathValue("version"))
	if err != nil {
		return err
	}
	ready := st.State == repository.StateReady
	return route.Answer(w, statusOf(ready), map[string]any{"name": st.Name, "ready": ready})
}

func (h *handler) config(w http.ResponseWriter, r *http.Request) error {
	st, _, err := h.loaded(r)
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusOK, inference.ConfigOf(st))
}

func (h *handler) statistics(w http.ResponseWriter, r *http.Request) error {
	list, err := h.models.Statistics(route.Model(r), r.PathValue("version"))
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusOK, map[string]any{"model_stats": inference.StatisticsOf(list)})
}

// maxDocument bounds the bodies that hold no tensors.
const maxDocument = 1 << 20

// document reads the body of a request, which may be empty, as JSON into v.
func document(w http.ResponseWriter, r *http.Request, v any) error {
	text, err := route.Body(w, r, maxDocument)
	if err != nil || len(text) == 0 {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return wrong("the body is not what is wanted here: %v", err)
	}
	return nil
}
