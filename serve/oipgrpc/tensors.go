package oipgrpc

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/oipgrpc/pb"
	"github.com/wherry-run/wherry/serve/repository"
)

// readRequest translates a request. Raw elements are parts of the message.
func readRequest(in *pb.ModelInferRequest) (c repository.Call, wants []inference.Want, err error) {
	c = repository.Call{Model: in.ModelName, Version: in.ModelVersion, Protocol: repository.ProtocolGRPC, Request: &model.Request{ID: in.Id}}
	if err := inference.Settle(&c, parameters(in.Parameters)); err != nil {
		return c, nil, err
	}
	raw := in.RawInputContents
	if len(in.Inputs) > model.MaxFields || len(in.Outputs) > model.MaxFields {
		return c, nil, &model.InputError{Reason: fmt.Sprintf("the request has more than %d tensors", model.MaxFields)}
	}
	if len(raw) > 0 && len(raw) != len(in.Inputs) {
		return c, nil, &model.InputError{Reason: fmt.Sprintf("raw_input_contents has %d entries, and there are %d inputs: it has one for each, or none", len(raw), len(in.Inputs))}
	}
	c.Request.Inputs = make([]model.Tensor, len(in.Inputs))
	for i, t := range in.Inputs {
		out := &c.Request.Inputs[i]
		*out = model.Tensor{Name: t.GetName(), Type: model.DataType(t.GetDatatype()), Shape: t.GetShape(), Parameters: parameters(t.GetParameters())}
		if out.Shape == nil {
			out.Shape = []int64{}
		}
		if err := inference.Shared(out.Name, out.Parameters); err != nil {
			return c, nil, err
		}
		if len(raw) == 0 {
			if out.Data, err = readContents(out, t.GetContents()); err != nil {
				return c, nil, err
			}
			continue
		}
		if t.GetContents() != nil {
			return c, nil, &model.InputError{Tensor: out.Name, Reason: "it has contents, where raw_input_contents has them all"}
		}
		if out.Data = raw[i]; out.Data == nil {
			out.Data = []byte{}
		}
	}
	if wants, err = readWants(in.Outputs); err != nil {
		return c, nil, err
	}
	c.Request.Outputs = inference.Names(wants)
	return c, wants, nil
}

func readWants(list []*pb.ModelInferRequest_InferRequestedOutputTensor) ([]inference.Want, error) {
	var wants []inference.Want
	for _, o := range list {
		w, err := inference.WantOf(o.GetName(), parameters(o.GetParameters()))
		if err != nil {
			return nil, err
		}
		wants = append(wants, w)
	}
	return wants, nil
}

// parameters translates parameters.
func parameters(in map[string]*pb.InferParameter) map[string]any {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]any, len(in))
	for key, p := range in {
		switch v := p.GetParameterChoice().(type) {
		case *pb.InferParameter_BoolParam:
			out[key] = v.BoolParam
		case *pb.InferParameter_Int64Param:
			out[key] = v.Int64Param
		case *pb.InferParameter_StringParam:
			out[key] = v.StringParam
		case *pb.InferParameter_DoubleParam:
			out[key] = v.DoubleParam
		case *pb.InferParameter_Uint64Param:
			out[key] = v.Uint64Param
		default:
			out[key] = nil
		}
	}
	return out
}

// parameter translates one back; nil when gRPC has no such value.
func parameter(value any) *pb.InferParameter {
	switch v := value.(type) {
	case bool:
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: v}}
	case int:
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: int64(v)}}
	case int64:
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: v}}
	case uint64:
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_Uint64Param{Uint64Param: v}}
	case float64:
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_DoubleParam{DoubleParam: v}}
	case string:
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_StringParam{StringParam: v}}
	}
	return nil
}

// readContents writes elements that came in a field of their type as Tensor.Data has
// them. Which field that is, the type says; others must be empty.
func readContents(t *model.Tensor, c *pb.InferTensorContents) ([]byte, error) {
	if c == nil {
		c = &pb.InferTensorContents{}
	}
	size := t.Type.Size()
	if !t.Type.Valid() {
		return nil, &model.InputError{Tensor: t.Name, Reason: fmt.Sprintf("%.40q is no type of elements", string(t.Type))}
	}
	n := len(c.BoolContents) + len(c.IntContents) + len(c.Int64Contents) + len(c.UintContents) + len(c.Uint64Contents) +
		len(c.Fp32Contents) + len(c.Fp64Contents) + len(c.BytesContents)
	out := make([]byte, 0, n*size)
	le, used := binary.LittleEndian, 0
	switch t.Type {
	case model.Bool:
		used = len(c.BoolContents)
		for _, v := range c.BoolContents {
			b := byte(0)
			if v {
				b = 1
			}
			out = append(out, b)
		}
	case model.Int8, model.Int16, model.Int32:
		used = len(c.IntContents)
		for _, v := range c.IntContents {
			if low := int64(-1) << (8*size - 1); int64(v) < low || int64(v) > -1-low {
				return nil, beyond(t, v)
			}
			out = appendSized(out, uint32(v), size)
		}
	case model.Uint8, model.Uint16, model.Uint32:
		used = len(c.UintContents)
		for _, v := range c.UintContents {
			if uint64(v) >= 1<<(8*size) {
				return nil, beyond(t, v)
			}
			out = appendSized(out, v, size)
		}
	case model.Int64:
		used = len(c.Int64Contents)
		for _, v := range c.Int64Contents {
			out = le.AppendUint64(out, uint64(v))
		}
	case model.Uint64:
		used = len(c.Uint64Contents)
		for _, v := range c.Uint64Contents {
			out = le.AppendUint64(out, v)
		}
	case model.FP32:
		used = len(c.Fp32Contents)
		for _, v := range c.Fp32Contents {
			out = le.AppendUint32(out, math.Float32bits(v))
		}
	case model.FP64:
		used = len(c.Fp64Contents)
		for _, v := range c.Fp64Contents {
			out = le.AppendUint64(out, math.Float64bits(v))
		}
	case model.Bytes:
		used = len(c.BytesContents)
		for _, v := range c.BytesContents {
			out = append(le.AppendUint32(out, uint32(len(v))), v...)
		}
	}
	if used != n {
		return nil, &model.InputError{Tensor: t.Name, Reason: "its contents are in a field that is not of " + string(t.Type) + "; FP16 and BF16 come in raw_input_contents"}
	}
	return out, nil
}

func beyond[T int32 | uint32](t *model.Tensor, v T) error {
	return &model.InputError{Tensor: t.Name, Reason: fmt.Sprintf("%d is no %s", v, t.Type)}
}

// appendSized appends the low bytes of a number.
func appendSized(b []byte, v uint32, size int) []byte {
	switch size {
	case 1:
		return append(b, byte(v))
	case 2:
		return binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	return binary.LittleEndian.AppendUint32(b, v)
}

// response translates an answer. Its elements are raw, as Triton sends them.
func response(name, version, id string, outputs []model.Tensor) *pb.ModelInferResponse {
	list := make([]pb.ModelInferResponse_InferOutputTensor, len(outputs))
	out := &pb.ModelInferResponse{ModelName: name, ModelVersion: version, Id: id,
		Outputs: make([]*pb.ModelInferResponse_InferOutputTensor, len(outputs)), RawOutputContents: make([][]byte, len(outputs))}
	for i := range outputs {
		t, o := &outputs[i], &list[i]
		o.Name, o.Datatype, o.Shape = t.Name, string(t.Type), t.Shape
		for key, value := range t.Parameters {
			if p := parameter(value); p != nil {
				if o.Parameters == nil {
					o.Parameters = map[string]*pb.InferParameter{}
				}
				o.Parameters[key] = p
			}
		}
		out.Outputs[i], out.RawOutputContents[i] = o, t.Data
	}
	return out
}
