package oip

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// indexed is a version of a model in the index.
type indexed struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
}

func (h *handler) index(w http.ResponseWriter, r *http.Request) error {
	var want struct {
		Ready bool `json:"ready"`
	}
	if err := document(w, r, &want); err != nil {
		return err
	}
	list := []indexed{}
	for _, st := range h.models.Index() {
		if !want.Ready || st.State == repository.StateReady {
			list = append(list, indexed{st.Name, st.Version, st.State, st.Reason})
		}
	}
	return route.Answer(w, http.StatusOK, list)
}

// control is the body of load and unload.
type control struct {
	Parameters map[string]any `json:"parameters"`
}

func (h *handler) load(w http.ResponseWriter, r *http.Request) error {
	var c control
	if err := document(w, r, &c); err != nil {
		return err
	}
	if err := inference.Loadable(c.Parameters); err != nil {
		return err
	}
	if err := h.models.Load(r.Context(), route.Model(r)); err != nil {
		return err
	}
	w.Header().Set("Content-Type", typeJSON)
	return nil
}

func (h *handler) unload(w http.ResponseWriter, r *http.Request) error {
	var c control
	if err := document(w, r, &c); err != nil {
		return err
	}
	if err := h.models.Unload(r.Context(), route.Model(r)); err != nil {
		return err
	}
	w.Header().Set("Content-Type", typeJSON)
	return nil
}

func (h *handler) logging(w http.ResponseWriter, _ *http.Request) error {
	return route.Answer(w, http.StatusOK, h.options.Settings.Log())
}

func (h *handler) setLogging(w http.ResponseWriter, r *http.Request) error {
	changes := map[string]any{}
	if err := document(w, r, &changes); err != nil {
		return err
	}
	now, err := h.options.Settings.SetLog(changes)
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusOK, now)
}

func (h *handler) trace(w http.ResponseWriter, r *http.Request) error {
	if err := h.known(r); err != nil {
		return err
	}
	return route.Answer(w, http.StatusOK, flat(h.options.Settings.Trace()))
}

func (h *handler) setTrace(w http.ResponseWriter, r *http.Request) error {
	if err := h.known(r); err != nil {
		return err
	}
	var in map[string]json.RawMessage
	if err := document(w, r, &in); err != nil {
		return err
	}
	changes := map[string][]string{}
	for key, text := range in {
		value, err := texts(text)
		if err != nil {
			return wrong("the setting %.80q is a text, or a list of texts", key)
		}
		changes[key] = value
	}
	now, err := h.options.Settings.SetTrace(changes)
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusOK, flat(now))
}

// known tells whether the model of a request is there, if it names one.
func (h *handler) known(r *http.Request) error {
	name := route.Model(r)
	if name == "" {
		return nil
	}
	_, err := h.models.Status(name, "")
	return err
}

// texts reads a setting: a list, one text or number, or null.
func texts(text json.RawMessage) ([]string, error) {
	var list []string
	if json.Unmarshal(text, &list) == nil {
		return list, nil
	}
	var one any
	if err := json.Unmarshal(text, &one); err != nil {
		return nil, err
	}
	switch one.(type) {
	case string, float64:
		return []string{fmt.Sprint(one)}, nil
	}
	return nil, fmt.Errorf("%.20s", text)
}

// flat writes settings of traces as Triton does: the level is a list, the others
// are texts.
func flat(settings map[string][]string) map[string]any {
	out := map[string]any{}
	for key, value := range settings {
		if key == "trace_level" {
			out[key] = value
			continue
		}
		out[key] = strings.Join(value, ",")
	}
	return out
}

// memory are the routes of shared memory, of which there is none.
func (h *handler) memory() []route.Route {
	status := call(func(w http.ResponseWriter, _ *http.Request) error {
		return route.Answer(w, http.StatusOK, []struct{}{})
	})
	none := call(func(http.ResponseWriter, *http.Request) error { return wrong("%s", inference.NoSharedMemory) })
	done := call(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", typeJSON)
		return nil
	})
	var list []route.Route
	for _, kind := range []string{"/v2/systemsharedmemory", "/v2/cudasharedmemory"} {
		list = append(list,
			route.Route{Pattern: "GET " + kind + "/status", Handler: status, Operation: memoryOperation("status")},
			route.Route{Pattern: "GET " + kind + "/region/{region}/status", Handler: none, Operation: memoryOperation("region")},
			route.Route{Pattern: "POST " + kind + "/region/{region}/register", Handler: none, Operation: memoryOperation("region")},
			route.Route{Pattern: "POST " + kind + "/region/{region}/unregister", Handler: done, Operation: memoryOperation("unregister")},
			route.Route{Pattern: "POST " + kind + "/unregister", Handler: done, Operation: memoryOperation("unregister")},
		)
	}
	return list
}
