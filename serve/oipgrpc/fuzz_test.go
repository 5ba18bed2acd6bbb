package oipgrpc

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/oipgrpc/pb"
)

// FuzzRequest reads messages of clients. Elements that came in fields of their type
// must be as many bytes as they should be.
func FuzzRequest(f *testing.F) {
	for _, m := range []*pb.ModelInferRequest{
		{ModelName: "m", Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "INT8", Shape: []int64{2}, Contents: &pb.InferTensorContents{IntContents: []int32{1, -1}}}}},
		{Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "BYTES", Shape: []int64{1}, Contents: &pb.InferTensorContents{BytesContents: [][]byte{{1}}}}}},
		{Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "FP16", Shape: []int64{1}}}, RawInputContents: [][]byte{{0, 1}},
			Outputs: []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "y"}}, Parameters: map[string]*pb.InferParameter{"priority": parameter(1)}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m pb.ModelInferRequest
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		c, _, err := readRequest(&m)
		if err != nil {
			return
		}
		for i := range c.Request.Inputs {
			in := &c.Request.Inputs[i]
			if len(m.RawInputContents) > 0 || in.Type == model.Bytes {
				_ = in.Check() // must not panic
				continue
			}
			if size := in.Type.Size(); size == 0 || len(in.Data)%size != 0 {
				t.Fatalf("%s %s has %d bytes", in.Name, in.Type, len(in.Data))
			}
		}
		if out := response("m", "1", m.Id, c.Request.Inputs); len(out.RawOutputContents) != len(out.Outputs) {
			t.Fatal("an output has no elements")
		}
	})
}
