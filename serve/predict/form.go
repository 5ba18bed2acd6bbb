package predict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/plain"
)

// maxParts bounds the parts of a form.
const maxParts = 4096

// part is a field of a form: a value that was typed, or a file.
type part struct {
	name, file, kind string
	isFile           bool
	content          []byte
}

// form is what a form sent, in its order.
type form []part

// readParts reads a form of multipart/form-data.
func readParts(content []byte, boundary string) (form, error) {
	if boundary == "" {
		return nil, &model.InputError{Reason: "the form has no boundary: let the client write the Content-Type itself"}
	}
	r := multipart.NewReader(bytes.NewReader(content), boundary)
	var f form
	for {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return nil, &model.InputError{Reason: "the form cannot be read: " + err.Error()}
		}
		if len(f) == maxParts {
			return nil, tooManyParts()
		}
		b, err := io.ReadAll(p)
		if err != nil {
			return nil, &model.InputError{Reason: "the form cannot be read: " + err.Error()}
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		f = append(f, part{p.FormName(), p.FileName(), kind, p.FileName() != "" || kind != "" && kind != typeText, b})
	}
}

func tooManyParts() error {
	return &model.InputError{Reason: fmt.Sprintf("the form has more than %d parts", maxParts)}
}

// formOf is a form of what was typed alone.
func formOf(values url.Values) form {
	var f form
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range values[name] {
			f = append(f, part{name: name, content: []byte(v)})
		}
	}
	return f
}

// ask makes a request of a form. Fields are inputs, or columns of the model's table;
// several of one name are a list. An optional input of nothing is left out.
func (f form) ask(s *model.Signature) (asked, error) {
	a := one()
	done := map[string]bool{}
	row := model.Record{Table: s.Table()}
	for _, p := range f {
		if done[p.name] {
			continue
		}
		done[p.name] = true
		field := s.Input(p.name)
		same := f.named(p.name)
		if field == nil {
			for _, p := range same {
				if known, err := row.Add(p.name, string(p.content)); err != nil {
					return asked{}, err
				} else if !known {
					return asked{}, unknown(s, p.name)
				}
			}
			continue
		}
		if field.Optional() && len(same) == 1 && len(p.content) == 0 {
			continue
		}
		t, err := ofParts(field, same)
		if err != nil {
			return asked{}, err
		}
		a.requests[0].Inputs = append(a.requests[0].Inputs, t)
	}
	if !row.Empty() {
		t, err := row.Tensor()
		if err != nil {
			return asked{}, err
		}
		a.requests[0].Inputs = append(a.requests[0].Inputs, t)
	}
	return a, nil
}

func (f form) named(name string) []part {
	var list []part
	for _, p := range f {
		if p.name == name {
			list = append(list, p)
		}
	}
	return list
}

// ofParts is the tensor of what a form has for an input.
func ofParts(f *model.Field, parts []part) (model.Tensor, error) {
	if len(parts) == 1 {
		return parts[0].tensor(f)
	}
	list := make([]json.RawMessage, len(parts))
	for i, p := range parts {
		var err error
		switch {
		case p.isFile && !f.IsKind(model.KindText):
			list[i], err = json.Marshal(map[string][]byte{"base64": p.content})
		case f.Type == model.Bytes:
			list[i], err = json.Marshal(string(p.content))
		default:
			var t model.Tensor
			element := model.Field{Name: f.Name, Type: f.Type, Shape: []int64{}}
			if t, err = element.ParseText(string(p.content)); err == nil {
				list[i], err = t.AppendValue(nil, nil)
			}
		}
		if err != nil {
			return model.Tensor{}, err
		}
	}
	doc, err := json.Marshal(list)
	if err != nil {
		return model.Tensor{}, &model.InputError{Tensor: f.Name, Reason: err.Error()}
	}
	return f.Parse(doc)
}

// tensor is the tensor of one part.
func (p *part) tensor(f *model.Field) (model.Tensor, error) {
	if f.IsKind(model.KindFile, model.KindImage) {
		return f.File(p.content), nil
	}
	if !p.isFile {
		if f.IsKind(model.KindTable) && looksJSON(p.content) {
			return f.Parse(p.content)
		}
		return f.ParseText(string(p.content))
	}
	switch p.format() {
	case typeNPY:
		return ofNPY(f, p.content)
	case typeJSON:
		return f.Parse(p.content)
	case typeCSV:
		return plain.FieldCSV(f, p.content)
	}
	if f.Type != model.Bytes || f.IsKind(model.KindTable) {
		return plain.FieldCSV(f, p.content)
	}
	return f.File(p.content), nil
}

// format knows what is in a file by what the client says, by its name, else by how it
// begins.
func (p *part) format() string {
	switch p.kind {
	case typeJSON, typeCSV, typeNPY:
		return p.kind
	}
	switch strings.ToLower(path.Ext(p.file)) {
	case ".npy":
		return typeNPY
	case ".json":
		return typeJSON
	case ".csv", ".tsv":
		return typeCSV
	}
	switch {
	case bytes.HasPrefix(p.content, []byte("\x93NUMPY")):
		return typeNPY
	case looksJSON(p.content) && json.Valid(p.content):
		return typeJSON
	}
	return ""
}
