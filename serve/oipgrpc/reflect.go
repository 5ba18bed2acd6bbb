package oipgrpc

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionalpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/wherry-run/wherry/serve/oipgrpc/pb"
)

// reflection tells clients as grpcurl which services there are, and their messages, in
// the files that their code was generated from. gRPC's own can describe anything, for
// which it reads the description of descriptions whenever a program starts that it is
// a part of; ours has four files, none of which imports another or has extensions.
type reflection struct {
	reflectionpb.UnimplementedServerReflectionServer
	server *grpc.Server
	files  func() (map[string][]byte, error) // by their paths, encoded
}

// addReflection adds reflection to a server that has its services. Both versions of the
// protocol have the same messages.
func addReflection(s *grpc.Server) {
	r := &reflection{server: s, files: sync.OnceValues(readFiles)}
	v1 := reflectionpb.ServerReflection_ServiceDesc
	s.RegisterService(&v1, r)
	v1.ServiceName = reflectionalpha.ServerReflection_ServiceDesc.ServiceName
	v1.Metadata = reflectionalpha.ServerReflection_ServiceDesc.Metadata
	s.RegisterService(&v1, r)
}

// readFiles gives the files of our services, as the generated code has them.
func readFiles() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, m := range []interface {
		Descriptor() ([]byte, []int)
		ProtoReflect() protoreflect.Message
	}{
		&pb.ServerLiveRequest{}, &healthpb.HealthCheckRequest{}, &reflectionpb.ServerReflectionRequest{}, &reflectionalpha.ServerReflectionRequest{},
	} {
		packed, _ := m.Descriptor() // the way to the bytes that is older than descriptors, and needs none
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, fmt.Errorf("read a description of messages: %w", err)
		}
		raw, err := io.ReadAll(z)
		if err != nil {
			return nil, fmt.Errorf("read a description of messages: %w", err)
		}
		files[m.ProtoReflect().Descriptor().ParentFile().Path()] = raw
	}
	return files, nil
}

// ServerReflectionInfo answers questions one after the other.
func (r *reflection) ServerReflectionInfo(stream reflectionpb.ServerReflection_ServerReflectionInfoServer) error {
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		out, err := r.answer(in)
		if err != nil {
			return err
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
}

func (r *reflection) answer(in *reflectionpb.ServerReflectionRequest) (*reflectionpb.ServerReflectionResponse, error) {
	out := &reflectionpb.ServerReflectionResponse{ValidHost: in.Host, OriginalRequest: in}
	files, err := r.files()
	if err != nil {
		return nil, err
	}
	switch q := in.MessageRequest.(type) {
	case *reflectionpb.ServerReflectionRequest_ListServices:
		list := &reflectionpb.ListServiceResponse{}
		for _, name := range slices.Sorted(maps.Keys(r.server.GetServiceInfo())) {
			list.Service = append(list.Service, &reflectionpb.ServiceResponse{Name: name})
		}
		out.MessageResponse = &reflectionpb.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: list}
	case *reflectionpb.ServerReflectionRequest_FileByFilename:
		tellFile(out, files[q.FileByFilename], q.FileByFilename)
	case *reflectionpb.ServerReflectionRequest_FileContainingSymbol:
		tellFile(out, files[pathOf(q.FileContainingSymbol)], q.FileContainingSymbol)
	case *reflectionpb.ServerReflectionRequest_FileContainingExtension:
		tellFile(out, nil, fmt.Sprintf("extension %d of %s", q.FileContainingExtension.GetExtensionNumber(), q.FileContainingExtension.GetContainingType()))
	case *reflectionpb.ServerReflectionRequest_AllExtensionNumbersOfType:
		if files[pathOf(q.AllExtensionNumbersOfType)] == nil {
			tellFile(out, nil, q.AllExtensionNumbersOfType)
			break
		}
		out.MessageResponse = &reflectionpb.ServerReflectionResponse_AllExtensionNumbersResponse{
			AllExtensionNumbersResponse: &reflectionpb.ExtensionNumberResponse{BaseTypeName: q.AllExtensionNumbersOfType}}
	default:
		return nil, status.Error(codes.InvalidArgument, "the request asks nothing that is known here")
	}
	return out, nil
}

// pathOf is the path of the file that describes a service, a message or a part of
// one; "" when there is none.
func pathOf(symbol string) string {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(symbol))
	if err != nil {
		return ""
	}
	return d.ParentFile().Path()
}

// tellFile answers with a file, or that there is none for what was asked.
func tellFile(out *reflectionpb.ServerReflectionResponse, file []byte, asked string) {
	if file == nil {
		out.MessageResponse = &reflectionpb.ServerReflectionResponse_ErrorResponse{
			ErrorResponse: &reflectionpb.ErrorResponse{ErrorCode: int32(codes.NotFound), ErrorMessage: fmt.Sprintf("there is no %.200q here", asked)}}
		return
	}
	out.MessageResponse = &reflectionpb.ServerReflectionResponse_FileDescriptorResponse{
		FileDescriptorResponse: &reflectionpb.FileDescriptorResponse{FileDescriptorProto: [][]byte{file}}}
}
