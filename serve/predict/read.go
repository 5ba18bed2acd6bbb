package predict

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/plain"
	"github.com/wherry-run/wherry/serve/route"
)

// asked is what a body asks.
type asked struct {
	requests []*model.Request
	many     bool // the answer is a list, too
}

func one(inputs ...model.Tensor) asked {
	return asked{requests: []*model.Request{{Inputs: inputs}}}
}

// read makes requests of a body, by its content type.
func (h *handler) read(w http.ResponseWriter, r *http.Request, s *model.Signature) (asked, error) {
	content, err := route.Body(w, r, h.options.MaxBody)
	if err != nil {
		return asked{}, err
	}
	said := route.First(r.Header, "Content-Type")
	if said == typeJSON { // what most clients send
		return h.parse(r, s, said, "", content)
	}
	kind, params, err := mime.ParseMediaType(said)
	if err != nil {
		kind = ""
	}
	return h.parse(r, s, kind, params["boundary"], content)
}

// parse makes requests of a document.
func (h *handler) parse(r *http.Request, s *model.Signature, kind, boundary string, content []byte) (asked, error) {
	switch {
	case kind == typeParts:
		f, err := readParts(content, boundary)
		if err != nil {
			return asked{}, err
		}
		return f.ask(s)
	case kind == typeForm && !looksJSON(content):
		if bytes.Count(content, []byte("&")) >= maxParts {
			return asked{}, tooManyParts()
		}
		values, err := url.ParseQuery(string(content))
		if err != nil {
			return asked{}, &model.InputError{Reason: "the form cannot be read: " + err.Error()}
		}
		return formOf(values).ask(s)
	case kind == typeCSV:
		requests, many, err := plain.CSV(s, content)
		return asked{requests, many}, err
	case kind == typeNPY, kind == typeNPZ:
		return h.arrays(r, s, kind, content)
	case kind == "", kind == typeForm, kind == typeJSON, strings.HasSuffix(kind, "+json"):
		requests, many, err := s.ParseJSON(content)
		return asked{requests, many}, err
	}
	return ofSole(s, kind, content)
}

// looksJSON tells JSON that was sent as a form, which is what curl -d does, from a
// form.
func looksJSON(content []byte) bool {
	content = bytes.TrimLeft(content, " \t\r\n")
	return len(content) > 0 && (content[0] == '{' || content[0] == '[')
}

// ofSole is a body that is the content of the one input that the model needs.
func ofSole(s *model.Signature, kind string, content []byte) (asked, error) {
	f := s.Sole()
	main, _, _ := strings.Cut(kind, "/")
	switch {
	case f == nil:
	case f.IsKind(model.KindFile),
		f.IsKind(model.KindImage) && (main == "image" || kind == typeBytes):
		return one(f.File(content)), nil
	case kind == typeText && f.Type == model.Bytes:
		t, err := f.ParseText(string(content))
		return one(t), err
	}
	return asked{}, &route.RequestError{
		Status:  http.StatusUnsupportedMediaType,
		Message: fmt.Sprintf("content of type %.100q is not read here: send %s, %s, %s or %s", kind, typeJSON, typeParts, typeCSV, typeNPY),
	}
}

// arrays are inputs as NumPy has them: an array is the one input, several are inputs by
// their names.
func (h *handler) arrays(r *http.Request, s *model.Signature, kind string, content []byte) (asked, error) {
	if kind == typeNPY {
		f := s.Sole()
		if f == nil {
			return asked{}, &model.InputError{Reason: "one array cannot be the inputs of this model; send " + typeNPZ + " or " + typeJSON}
		}
		t, err := ofNPY(f, content)
		return one(t), err
	}
	list, err := model.ParseNPZWithin(content, h.options.MaxBody)
	if errors.Is(err, model.ErrLarge) {
		return asked{}, &http.MaxBytesError{Limit: h.options.MaxBody}
	}
	if err != nil {
		return asked{}, &model.InputError{Reason: err.Error()}
	}
	a := one()
	for _, t := range list {
		if err := route.Hold(r, int64(len(t.Data))); err != nil {
			return asked{}, err
		}
		f := s.Input(t.Name)
		if f == nil {
			return asked{}, unknown(s, t.Name)
		}
		if t, err = f.Fit(t); err != nil {
			return asked{}, err
		}
		a.requests[0].Inputs = append(a.requests[0].Inputs, t)
	}
	return a, nil
}

func ofNPY(f *model.Field, content []byte) (model.Tensor, error) {
	t, err := model.ParseNPY(content)
	if err != nil {
		return t, &model.InputError{Tensor: f.Name, Reason: err.Error()}
	}
	return f.Fit(t)
}

// unknown is the error for a name that is no input.
func unknown(s *model.Signature, name string) error {
	return s.Check(&model.Request{Inputs: []model.Tensor{{Name: name}}})
}
