package oipgrpc

import (
	"context"
	"net/http"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/oipgrpc/pb"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// service answers the calls of the protocol.
type service struct {
	pb.UnimplementedGRPCInferenceServiceServer
	models  inference.Repository
	options Options
	held    atomic.Int64 // bytes of the infer requests under way
}

// hold counts the bytes of a request until release is called, if there may be so many.
func (s *service) hold(in *pb.ModelInferRequest) (release func(), err error) {
	if s.options.MaxRequests <= 0 {
		return func() {}, nil
	}
	n := int64(proto.Size(in))
	release = func() { s.held.Add(-n) }
	if s.held.Add(n) > s.options.MaxRequests {
		release()
		return nil, errFull
	}
	return release, nil
}

const fullText = "the server has as many bytes of requests as it may: ask again"

var errFull = status.Error(codes.ResourceExhausted, fullText)

func (s *service) ServerLive(context.Context, *pb.ServerLiveRequest) (*pb.ServerLiveResponse, error) {
	return &pb.ServerLiveResponse{Live: true}, nil
}

func (s *service) ServerReady(context.Context, *pb.ServerReadyRequest) (*pb.ServerReadyResponse, error) {
	return &pb.ServerReadyResponse{Ready: s.models.Ready()}, nil
}

// ModelReady says of a model that is not there what Triton says: that it is not ready.
func (s *service) ModelReady(_ context.Context, in *pb.ModelReadyRequest) (*pb.ModelReadyResponse, error) {
	st, err := s.models.Status(in.Name, in.Version)
	return &pb.ModelReadyResponse{Ready: err == nil && st.State == repository.StateReady}, nil
}

func (s *service) ServerMetadata(context.Context, *pb.ServerMetadataRequest) (*pb.ServerMetadataResponse, error) {
	return &pb.ServerMetadataResponse{Name: inference.ServerName, Version: s.options.Version, Extensions: inference.Extensions}, nil
}

// loaded is the status of a model whose signature is known.
func (s *service) loaded(name, version string) (repository.Status, []string, error) {
	st, versions, err := inference.Resident(s.models, name, version)
	if err == nil && st.Signature == nil {
		err = &repository.NotReadyError{Model: st.Name, Version: st.Version, Reason: st.Reason}
	}
	return st, versions, err
}

func (s *service) ModelMetadata(ctx context.Context, in *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	st, versions, err := s.loaded(in.Name, in.Version)
	if err != nil {
		return nil, failed(ctx, err)
	}
	fields := func(list []model.Field) []*pb.ModelMetadataResponse_TensorMetadata {
		var out []*pb.ModelMetadataResponse_TensorMetadata
		for _, f := range inference.Fields(list) {
			out = append(out, &pb.ModelMetadataResponse_TensorMetadata{Name: f.Name, Datatype: string(f.Type), Shape: f.Shape})
		}
		return out
	}
	return &pb.ModelMetadataResponse{Name: st.Name, Versions: versions, Platform: st.Signature.Platform,
		Inputs: fields(st.Signature.Inputs), Outputs: fields(st.Signature.Outputs), Properties: inference.Properties(st)}, nil
}

func (s *service) ModelConfig(ctx context.Context, in *pb.ModelConfigRequest) (*pb.ModelConfigResponse, error) {
	st, _, err := s.loaded(in.Name, in.Version)
	if err != nil {
		return nil, failed(ctx, err)
	}
	return &pb.ModelConfigResponse{Config: config(inference.ConfigOf(st))}, nil
}

func (s *service) ModelInfer(ctx context.Context, in *pb.ModelInferRequest) (*pb.ModelInferResponse, error) {
	release, err := s.hold(in)
	if err != nil {
		return nil, failed(ctx, err)
	}
	defer release()
	c, wants, err := readRequest(in)
	if err != nil {
		return nil, failed(ctx, err)
	}
	a, err := s.models.Infer(ctx, &c)
	if err != nil {
		return nil, failed(ctx, err)
	}
	outputs, err := s.classify(a, &c, wants)
	if err != nil {
		return nil, failed(ctx, err)
	}
	_ = grpc.SetTrailer(ctx, receipt(&a.Receipt)) // it has not ended
	return response(a.Receipt.Model, a.Receipt.Version, in.Id, outputs), nil
}

// classify puts classes in the place of outputs that are asked for as such.
func (s *service) classify(a *repository.Answer, c *repository.Call, wants []inference.Want) ([]model.Tensor, error) {
	for i := range wants {
		if wants[i].Classes == 0 {
			continue
		}
		st, err := s.models.Status(c.Model, c.Version)
		if err != nil {
			return nil, err
		}
		return inference.Classify(a, st.Signature, wants)
	}
	return a.Outputs, nil
}

// receipt is a receipt as metadata: the headers of HTTP.
func receipt(r *repository.Receipt) metadata.MD {
	h := http.Header{}
	route.SetReceipt(h, r)
	md := make(metadata.MD, len(h))
	for key, values := range h {
		md.Set(key, values...)
	}
	return md
}

func (s *service) ModelStatistics(ctx context.Context, in *pb.ModelStatisticsRequest) (*pb.ModelStatisticsResponse, error) {
	list, err := s.models.Statistics(in.Name, in.Version)
	if err != nil {
		return nil, failed(ctx, err)
	}
	return statistics(inference.StatisticsOf(list)), nil
}

func (s *service) RepositoryIndex(_ context.Context, in *pb.RepositoryIndexRequest) (*pb.RepositoryIndexResponse, error) {
	out := &pb.RepositoryIndexResponse{}
	for _, st := range s.models.Index() {
		if !in.Ready || st.State == repository.StateReady {
			out.Models = append(out.Models, &pb.RepositoryIndexResponse_ModelIndex{Name: st.Name, Version: st.Version, State: st.State, Reason: st.Reason})
		}
	}
	return out, nil
}

func (s *service) RepositoryModelLoad(ctx context.Context, in *pb.RepositoryModelLoadRequest) (*pb.RepositoryModelLoadResponse, error) {
	given := make(map[string]any, len(in.Parameters))
	for key := range in.Parameters {
		given[key] = nil
	}
	if err := inference.Loadable(given); err != nil {
		return nil, failed(ctx, err)
	}
	if err := s.models.Load(ctx, in.ModelName); err != nil {
		return nil, failed(ctx, err)
	}
	return &pb.RepositoryModelLoadResponse{}, nil
}

func (s *service) RepositoryModelUnload(ctx context.Context, in *pb.RepositoryModelUnloadRequest) (*pb.RepositoryModelUnloadResponse, error) {
	if err := s.models.Unload(ctx, in.ModelName); err != nil {
		return nil, failed(ctx, err)
	}
	return &pb.RepositoryModelUnloadResponse{}, nil
}
