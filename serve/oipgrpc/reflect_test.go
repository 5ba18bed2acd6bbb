package oipgrpc_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionalpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/wherry-run/wherry/serve/oipgrpc"
)

// ask has a server answer questions of reflection in one stream.
func ask(t *testing.T, conn *grpc.ClientConn, questions ...*reflectionpb.ServerReflectionRequest) []*reflectionpb.ServerReflectionResponse {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var list []*reflectionpb.ServerReflectionResponse
	for _, q := range questions {
		if err := stream.Send(q); err != nil {
			t.Fatal(err)
		}
		a, err := stream.Recv()
		if err != nil {
			t.Fatalf("%v: %v", q, err)
		}
		list = append(list, a)
	}
	return list
}

func symbol(name string) *reflectionpb.ServerReflectionRequest {
	return &reflectionpb.ServerReflectionRequest{Host: "h", MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}}
}

func file(name string) *reflectionpb.ServerReflectionRequest {
	return &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_FileByFilename{FileByFilename: name}}
}

func extensions(name string) *reflectionpb.ServerReflectionRequest {
	return &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_AllExtensionNumbersOfType{AllExtensionNumbersOfType: name}}
}

func services() *reflectionpb.ServerReflectionRequest {
	return &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{ListServices: "*"}}
}

// TestReflectionLikeGRPC holds the answers against those of gRPC's own reflection over
// the same services. Files may be other bytes of the same description.
func TestReflectionLikeGRPC(t *testing.T) {
	questions := []*reflectionpb.ServerReflectionRequest{
		services(), file("inference.proto"), file("grpc/health/v1/health.proto"), file("none.proto"), file("google/protobuf/descriptor.proto"),
		symbol("inference.GRPCInferenceService"), symbol("inference.GRPCInferenceService.ModelInfer"), symbol("inference.ModelInferRequest.InferInputTensor"),
		symbol("inference.ModelInferRequest.model_name"), symbol("grpc.health.v1.Health"), symbol("grpc.reflection.v1.ServerReflection"),
		symbol("grpc.reflection.v1alpha.ServerReflection"), symbol("none.Such"), symbol(""), symbol(".."),
		extensions("inference.ModelInferRequest"), extensions("none.Such"),
		{MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingExtension{FileContainingExtension: &reflectionpb.ExtensionRequest{ContainingType: "inference.ModelInferRequest", ExtensionNumber: 7}}},
	}
	conn := dial(t, oipgrpc.Options{})
	got := ask(t, conn, questions...)
	theirs := grpc.NewServer()
	for _, service := range got[0].GetListServicesResponse().GetService() { // of theirs only the names are asked for
		if name := service.Name; name != reflectionpb.ServerReflection_ServiceDesc.ServiceName && name != reflectionalpha.ServerReflection_ServiceDesc.ServiceName {
			theirs.RegisterService(&grpc.ServiceDesc{ServiceName: name, HandlerType: (*any)(nil)}, nil)
		}
	}
	reflection.Register(theirs)
	want := ask(t, serve(t, theirs), questions...)
	for i, q := range questions {
		if code := want[i].GetErrorResponse(); code != nil && got[i].GetErrorResponse() != nil {
			code.ErrorMessage, got[i].GetErrorResponse().ErrorMessage = "", ""
		}
		if i == 4 { // a file of the program that is of none of the services: theirs tells it
			if got[i].GetErrorResponse().GetErrorCode() != int32(codes.NotFound) {
				t.Errorf("%v: %v", q, got[i])
			}
			continue
		}
		normal(t, got[i])
		normal(t, want[i])
		if !proto.Equal(got[i], want[i]) {
			t.Errorf("%v\ngot  %.300v\nwant %.300v", q, got[i], want[i])
		}
	}
}

// normal writes files in one way, of several that mean the same.
func normal(t *testing.T, a *reflectionpb.ServerReflectionResponse) {
	t.Helper()
	files := a.GetFileDescriptorResponse().GetFileDescriptorProto()
	for i, raw := range files {
		var f descriptorpb.FileDescriptorProto
		if err := proto.Unmarshal(raw, &f); err != nil {
			t.Fatal(err)
		}
		if _, err := protodesc.NewFile(&f, nil); err != nil { // and clients can use it, alone
			t.Fatal(err)
		}
		files[i], _ = proto.MarshalOptions{Deterministic: true}.Marshal(&f)
	}
}

// TestReflectionAlpha asks by the older name, as most clients try.
func TestReflectionAlpha(t *testing.T) {
	stream, err := reflectionalpha.NewServerReflectionClient(dial(t, oipgrpc.Options{})).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(&reflectionalpha.ServerReflectionRequest{MessageRequest: &reflectionalpha.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "inference.ModelInferRequest"}})
	a, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var f descriptorpb.FileDescriptorProto
	if err := proto.Unmarshal(a.GetFileDescriptorResponse().GetFileDescriptorProto()[0], &f); err != nil {
		t.Fatal(err)
	}
	d, err := protodesc.NewFile(&f, nil)
	if err != nil || d.Services().ByName("GRPCInferenceService").Methods().ByName(protoreflect.Name("ModelInfer")) == nil {
		t.Errorf("%v, %v", d, err)
	}
	_ = stream.Send(&reflectionalpha.ServerReflectionRequest{})
	if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("no question: %v", err)
	}
}
