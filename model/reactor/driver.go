package reactor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/wasi"
)

// What a reactor exports.
const (
	signatureExport = "wherry_signature"
	allocExport     = "wherry_alloc"
	// PredictExport is the export by which a module is known to be a model.
	PredictExport = "wherry_predict"
)

// driver begins a reactor, and calls it. It is for one.
type driver struct{ emitter emitter }

// Name implements runtime.Driver.
func (*driver) Name() string { return "reactor/1" }

// Key implements runtime.Driver. What a guest does while it begins is its own affair: it
// may open files, or make secrets of random numbers, which others must not have.
func (*driver) Key() string { return "" }

// Hosts implements runtime.Driver: a reactor is given WASI, and what takes parts of
// answers.
func (d *driver) Hosts(*runtime.World) ([]wasi.HostModule, error) {
	return []wasi.HostModule{d.emitter.module()}, nil
}

// begun is the state of a reactor that has begun.
const begun = "begun"

// Begin has the guest's language and its model begin.
func (*driver) Begin(ctx context.Context, m *runtime.Machine, state []byte) ([]byte, error) {
	if string(state) == begun {
		return state, nil
	}
	if state != nil {
		return nil, runtime.ErrState
	}
	for _, name := range []string{signatureExport, allocExport, PredictExport} {
		if !m.HasFunc(name) {
			return nil, fmt.Errorf("the module exports no %s: a reactor that is a model does", name)
		}
	}
	if m.HasFunc("_initialize") {
		if _, err := m.Call(ctx, "_initialize"); err != nil {
			return nil, err
		}
	}
	return []byte(begun), nil
}

// one takes what an export gives, which is one value.
func one(results []uint64, err error) (uint64, error) {
	if err == nil && len(results) != 1 {
		err = fmt.Errorf("it gives %d values, and not one", len(results))
	}
	if err != nil {
		return 0, err
	}
	return results[0], nil
}

// view is a part of the guest's memory.
func view(m *runtime.Machine, at, size uint64) ([]byte, error) {
	b, ok := m.Memory().Read(uint32(at), uint32(size))
	if at>>32 != 0 || size>>32 != 0 || !ok {
		return nil, fmt.Errorf("%d bytes at %d are not in its memory", size, at)
	}
	return b, nil
}

// place is what an i64 of the guest points to.
func place(m *runtime.Machine, v uint64) ([]byte, error) { return view(m, v>>32, v&0xffffffff) }

// errProtocol is what a guest says that is no answer.
func errProtocol(err error) error {
	return &model.ModelError{Type: "protocol", Message: "the answer of the model cannot be read: " + err.Error()}
}

// describe asks the guest for its signature.
func describe(ctx context.Context, m *runtime.Machine) (*model.Signature, error) {
	v, err := one(m.Call(ctx, signatureExport))
	if err != nil {
		return nil, err
	}
	if v&0xffffffff > MaxSignature {
		return nil, fmt.Errorf("the signature has more than %d bytes", MaxSignature)
	}
	text, err := place(m, v)
	if err != nil {
		return nil, err
	}
	s, err := model.ParseSignature(text)
	if err != nil {
		return nil, err
	}
	if s.Platform != "" && s.Platform != model.PlatformReactor {
		return nil, fmt.Errorf("the signature is of %q, no reactor: leave the platform away", s.Platform)
	}
	s.Platform = model.PlatformReactor
	if s.Inputs == nil {
		s.Inputs = []model.Field{}
	}
	_, err = json.Marshal(s)
	return s, err
}

// predict has the guest answer. Of one that has emitted its answer there may be nothing
// more.
func predict(ctx context.Context, m *runtime.Machine, r *model.Request, emits bool) (outputs []model.Tensor, err error) {
	var short [512]byte
	front, size, err := request(short[:], r)
	if err != nil {
		return nil, err
	}
	if size > MaxRequest {
		return nil, &model.InputError{Reason: fmt.Sprintf("the request has %d bytes, more than %d", size, MaxRequest)}
	}
	err = m.Together(ctx, func(call runtime.Calling) error {
		v, err := deliver(call, m, r, front, size)
		if err != nil || emits && v&0xffffffff == 0 {
			return err
		}
		frame, err := place(m, v)
		if err != nil {
			return errProtocol(err)
		}
		outputs, err = parseAnswer(bytes.Clone(frame))
		if err != nil && !isAnswer(err) {
			err = errProtocol(err)
		}
		return err
	})
	return outputs, err
}

// deliver has the guest take a request, and gives what it says to that.
func deliver(call runtime.Calling, m *runtime.Machine, r *model.Request, front []byte, size uint64) (uint64, error) {
	at, err := one(call(allocExport, size))
	if err != nil {
		return 0, err
	}
	if at = at & 0xffffffff; at == 0 {
		return 0, &model.ModelError{Type: "memory", Message: fmt.Sprintf("it has no room for a request of %d bytes", size)}
	}
	room, err := view(m, at, size)
	if err != nil {
		return 0, errProtocol(err)
	}
	room = room[copy(room, front):]
	for i := range r.Inputs {
		room = room[copy(room, r.Inputs[i].Data):]
	}
	return one(call(PredictExport, at, size))
}
