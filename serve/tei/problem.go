package tei

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/wherry-run/wherry/serve/route"
	"github.com/wherry-run/wherry/serve/task"
)

// A problem is an error in the protocol's words.
type problem struct {
	status        int
	kind, message string
}

func (p *problem) Error() string { return p.message }

// fail answers with an error in the protocol's form.
func fail(w http.ResponseWriter, err error) {
	var own *problem
	if !errors.As(err, &own) {
		p := route.ProblemOf(err)
		p.SetRetryAfter(w.Header())
		own = &problem{p.Status, "Backend", p.Message}
		var input *task.KindError
		switch {
		case errors.As(err, new(*task.WrongTaskError)):
			own = &problem{http.StatusFailedDependency, "Backend", err.Error()}
		case errors.As(err, &input):
			own = &problem{http.StatusUnprocessableEntity, "Validation", err.Error()}
		case p.Reason == route.ReasonOverloaded:
			own.kind = "Overloaded"
		case p.Reason == route.ReasonNotReady:
			own.kind = "Unhealthy"
		case p.Reason == route.ReasonModel:
			own.status = http.StatusFailedDependency
		case p.Reason == route.ReasonBadInput, p.Reason == route.ReasonNotFound:
			own.kind = "Validation"
		}
	}
	doc, _ := json.Marshal(map[string]string{"error": own.message, "error_type": own.kind}) // of words
	route.WriteJSON(w, own.status, doc)
}
