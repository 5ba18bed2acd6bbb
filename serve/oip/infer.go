package oip

import (
	"net/http"
	"strconv"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

func (h *handler) infer(w http.ResponseWriter, r *http.Request) error {
	q, err := h.read(w, r)
	if err != nil {
		return err
	}
	c := repository.Call{Model: route.Model(r), Version: r.PathValue("version"), Request: &q.Request, Protocol: repository.ProtocolREST}
	if err := inference.Settle(&c, q.parameters); err != nil {
		return err
	}
	a, err := h.models.Infer(r.Context(), &c)
	if err != nil {
		return err
	}
	outputs := a.Outputs
	if classified(q.wants) {
		st, err := h.models.Status(c.Model, c.Version)
		if err != nil {
			return err
		}
		if outputs, err = inference.Classify(a, st.Signature, q.wants); err != nil {
			return err
		}
	}
	route.SetReceipt(w.Header(), &a.Receipt)
	return send(w, r, &response{receipt: &a.Receipt, id: q.ID, outputs: outputs, binary: q.inBinary})
}

func classified(wants []inference.Want) bool {
	for i := range wants {
		if wants[i].Classes > 0 {
			return true
		}
	}
	return false
}

// inBinary tells whether an output is wanted in binary.
func (q *request) inBinary(name string) bool {
	if binary, ok := q.each[name]; ok {
		return binary
	}
	return q.binary
}

// read reads an infer request.
func (h *handler) read(w http.ResponseWriter, r *http.Request) (*request, error) {
	length, framed := r.Header[headerLength]
	body, err := route.Body(w, r, h.options.MaxBody)
	if err != nil {
		return nil, err
	}
	if !framed {
		if len(body) > 0 && body[0] != '{' && r.Header.Get("Content-Type") == typeBinary {
			return h.raw(r, body)
		}
		return readRequest(body, len(body))
	}
	n, err := strconv.ParseUint(length[0], 10, 63)
	if err != nil || n > uint64(len(body)) {
		return nil, wrong("the header %s is %.40q: it is the length of the JSON that the body of %d bytes begins with", headerLength, length[0], len(body))
	}
	if n == 0 {
		return h.raw(r, body)
	}
	return readRequest(body, int(n))
}

// raw is a request whose body is the one input of a model, and nothing else.
func (h *handler) raw(r *http.Request, body []byte) (*request, error) {
	st, _, err := h.loaded(r)
	if err != nil {
		return nil, err
	}
	if len(st.Signature.Inputs) != 1 {
		return nil, wrong("a body of nothing but data is for a model of one input, and %s has %d: name them in JSON", st.Name, len(st.Signature.Inputs))
	}
	t, err := rawTensor(&st.Signature.Inputs[0], body)
	if err != nil {
		return nil, err
	}
	q := &request{binary: true}
	q.Inputs = []model.Tensor{t}
	return q, nil
}

// rawTensor makes an input of its elements. Of Bytes they are one.
func rawTensor(f *model.Field, data []byte) (model.Tensor, error) {
	if f.Type == model.Bytes {
		return f.File(data), nil
	}
	t := model.Tensor{Name: f.Name, Type: f.Type, Data: data}
	size := int64(f.Type.Size())
	free, n := -1, int64(len(data))/size
	if f.Shape == nil {
		t.Shape = []int64{n}
		return t, nil
	}
	t.Shape = append([]int64{}, f.Shape...)
	for i, d := range t.Shape {
		switch {
		case d > 0:
			n /= d
		case d < 0 && free >= 0:
			return t, &model.InputError{Tensor: f.Name, Reason: "a body of nothing but data is no " + f.Describe() + ": more than one dimension is free"}
		case d < 0:
			free = i
		}
	}
	if free >= 0 {
		t.Shape[free] = n
	}
	return t, nil // whether the data suit is checked with the rest
}
