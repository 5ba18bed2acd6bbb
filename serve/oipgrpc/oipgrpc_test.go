package oipgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/inference/testmodels"
	"github.com/wherry-run/wherry/serve/oipgrpc"
	"github.com/wherry-run/wherry/serve/oipgrpc/pb"
)

func dial(t testing.TB, o oipgrpc.Options) *grpc.ClientConn {
	t.Helper()
	return dialTo(t, testmodels.Repository(t), o)
}

func dialTo(t testing.TB, r inference.Repository, o oipgrpc.Options) *grpc.ClientConn {
	t.Helper()
	return serve(t, oipgrpc.New(r, o))
}

// serve has a server take connections, and connects to it.
func serve(t testing.TB, s *grpc.Server) *grpc.ClientConn {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	c, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func raw(values ...float32) []byte { return model.Of("", values).Data }

func input(name string) *pb.ModelInferRequest_InferInputTensor {
	return &pb.ModelInferRequest_InferInputTensor{Name: name, Datatype: "FP32", Shape: []int64{1, 4}}
}

func request() *pb.ModelInferRequest {
	return &pb.ModelInferRequest{ModelName: "simple", Id: "7", Inputs: []*pb.ModelInferRequest_InferInputTensor{input("A"), input("B")},
		RawInputContents: [][]byte{raw(1, 2, 3, 4), raw(1, 1, 1, 1)}}
}

func text(v string) *pb.InferParameter {
	return &pb.InferParameter{ParameterChoice: &pb.InferParameter_StringParam{StringParam: v}}
}

func number(v int64) *pb.InferParameter {
	return &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: v}}
}

func TestInfer(t *testing.T) {
	c := pb.NewGRPCInferenceServiceClient(dial(t, oipgrpc.Options{}))
	var header, trailer metadata.MD
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "mine")
	out, err := c.ModelInfer(ctx, request(), grpc.Header(&header), grpc.Trailer(&trailer), grpc.UseCompressor(gzip.Name))
	if err != nil {
		t.Fatal(err)
	}
	if out.ModelName != "simple" || out.ModelVersion != "2" || out.Id != "7" || string(out.RawOutputContents[0]) != string(raw(2, 3, 4, 5)) || out.Outputs[1].Name != "DIFF" {
		t.Errorf("got %v", out)
	}
	if got := header.Get("x-request-id"); len(got) != 1 || got[0] != "mine" {
		t.Errorf("got header %v", header)
	}
	if got := trailer.Get("wherry-receipt"); len(got) != 1 || !strings.HasPrefix(got[0], "digest=sha256:0, ") {
		t.Errorf("got trailer %v", trailer)
	}
	r := request()
	r.RawInputContents = nil
	r.Inputs[0].Contents = &pb.InferTensorContents{Fp32Contents: []float32{1, 2, 3, 4}}
	r.Inputs[1].Contents = &pb.InferTensorContents{Fp32Contents: []float32{1, 1, 1, 1}}
	r.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "SUM", Parameters: map[string]*pb.InferParameter{"classification": number(1)}}}
	if out, err = c.ModelInfer(t.Context(), r); err != nil || string(out.RawOutputContents[0]) != "\x0a\x00\x00\x005.000000:3" || len(out.Outputs) != 1 {
		t.Errorf("got %v, %v", out, err)
	}
}

// TestRequestsBound: all requests together may have no more than a bound, and give back
// what they had.
func TestRequestsBound(t *testing.T) {
	size := int64(proto.Size(request()))
	for most, want := range map[int64]codes.Code{size: codes.OK, size - 1: codes.ResourceExhausted} {
		c := pb.NewGRPCInferenceServiceClient(dial(t, oipgrpc.Options{MaxRequests: most}))
		for range 2 {
			if _, err := c.ModelInfer(t.Context(), request()); status.Code(err) != want {
				t.Errorf("%d bytes where %d may be: %v", size, most, err)
			}
		}
		s, err := c.ModelStreamInfer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Send(request()); err != nil {
				t.Fatal(err)
			}
			out, err := s.Recv()
			if err != nil || (out.ErrorMessage == "") != (want == codes.OK) {
				t.Errorf("%d bytes of a stream where %d may be: %v, %v", size, most, out, err)
			}
		}
	}
}

func TestInferWrong(t *testing.T) {
	c := pb.NewGRPCInferenceServiceClient(dial(t, oipgrpc.Options{MaxMessage: 1 << 20}))
	for _, one := range []struct {
		change func(r *pb.ModelInferRequest)
		code   codes.Code
		want   string
	}{
		{func(r *pb.ModelInferRequest) { r.ModelName = "none" }, codes.NotFound, "no model"},
		{func(r *pb.ModelInferRequest) { r.ModelVersion = "9" }, codes.NotFound, "no version"},
		{func(r *pb.ModelInferRequest) { r.RawInputContents = r.RawInputContents[:1] }, codes.InvalidArgument, "1 entries, and there are 2 inputs"},
		{func(r *pb.ModelInferRequest) { r.RawInputContents[0] = []byte{1} }, codes.InvalidArgument, "1 bytes"},
		{func(r *pb.ModelInferRequest) { r.RawInputContents = nil }, codes.InvalidArgument, "0 bytes"},
		{func(r *pb.ModelInferRequest) {
			r.Inputs[0].Contents = &pb.InferTensorContents{Fp32Contents: []float32{1}}
		}, codes.InvalidArgument, "raw_input_contents has them all"},
		{func(r *pb.ModelInferRequest) {
			r.RawInputContents = nil
			r.Inputs[0].Contents = &pb.InferTensorContents{Fp64Contents: []float64{1}}
		}, codes.InvalidArgument, "not of FP32"},
		{func(r *pb.ModelInferRequest) {
			r.RawInputContents = nil
			r.Inputs[0].Datatype = "INT8"
			r.Inputs[0].Contents = &pb.InferTensorContents{IntContents: []int32{128}}
		}, codes.InvalidArgument, "128 is no INT8"},
		{func(r *pb.ModelInferRequest) {
			r.RawInputContents = nil
			r.Inputs[0].Datatype = "UINT16"
			r.Inputs[0].Contents = &pb.InferTensorContents{UintContents: []uint32{1 << 16}}
		}, codes.InvalidArgument, "65536 is no UINT16"},
		{func(r *pb.ModelInferRequest) { r.Inputs[0].Datatype = "what" }, codes.InvalidArgument, "no type"},
		{func(r *pb.ModelInferRequest) { r.Inputs[0] = nil }, codes.InvalidArgument, "no such input"},
		{func(r *pb.ModelInferRequest) {
			r.Inputs[0].Parameters = map[string]*pb.InferParameter{"shared_memory_region": text("x")}
		}, codes.InvalidArgument, "no shared memory"},
		{func(r *pb.ModelInferRequest) {
			r.Parameters = map[string]*pb.InferParameter{"sequence_id": number(1)}
		}, codes.InvalidArgument, "sequence"},
		{func(r *pb.ModelInferRequest) { r.RawInputContents[0] = make([]byte, 1<<20) }, codes.ResourceExhausted, "larger than max"},
	} {
		r := request()
		one.change(r)
		_, err := c.ModelInfer(t.Context(), r)
		if st := status.Convert(err); st.Code() != one.code || !strings.Contains(st.Message(), one.want) {
			t.Errorf("got %v, want %s %s", err, one.code, one.want)
		}
	}
}

func TestDocuments(t *testing.T) {
	c := pb.NewGRPCInferenceServiceClient(dial(t, oipgrpc.Options{Version: "1.2.3", Settings: &inference.Settings{Level: new(slog.LevelVar)}}))
	ctx := t.Context()
	must := func(what string, ok bool, err error) {
		t.Helper()
		if err != nil || !ok {
			t.Errorf("%s: %v", what, err)
		}
	}
	fails := func(what string, err error, code codes.Code) {
		t.Helper()
		if status.Code(err) != code {
			t.Errorf("%s: got %v, want %s", what, err, code)
		}
	}
	live, err := c.ServerLive(ctx, &pb.ServerLiveRequest{})
	must("live", live.GetLive(), err)
	ready, err := c.ServerReady(ctx, &pb.ServerReadyRequest{})
	must("ready", ready.GetReady(), err)
	one, err := c.ModelReady(ctx, &pb.ModelReadyRequest{Name: "words"})
	must("model ready", one.GetReady(), err)
	server, err := c.ServerMetadata(ctx, &pb.ServerMetadataRequest{})
	must("server", server.GetName() == "wherry" && server.GetVersion() == "1.2.3", err)
	metadata, err := c.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: "simple"})
	must("metadata", metadata.GetInputs()[0].GetShape()[0] == -1 && len(metadata.GetVersions()) == 2, err)
	config, err := c.ModelConfig(ctx, &pb.ModelConfigRequest{Name: "words"})
	must("config", config.GetConfig().GetInput()[0].GetDataType() == pb.DataType_TYPE_STRING && config.GetConfig().GetBackend() == "python", err)
	if _, err = c.ModelInfer(ctx, request()); err != nil {
		t.Error(err)
	}
	stats, err := c.ModelStatistics(ctx, &pb.ModelStatisticsRequest{Name: "simple", Version: "2"})
	must("statistics", stats.GetModelStats()[0].GetInferenceStats().GetSuccess().GetCount() == 1 && stats.GetModelStats()[0].GetLastInference() > 0, err)
	index, err := c.RepositoryIndex(ctx, &pb.RepositoryIndexRequest{})
	must("index", len(index.GetModels()) == 3 && index.GetModels()[0].GetState() == "READY", err)
	_, err = c.RepositoryModelUnload(ctx, &pb.RepositoryModelUnloadRequest{ModelName: "words"})
	must("unload", true, err)
	one, err = c.ModelReady(ctx, &pb.ModelReadyRequest{Name: "words"})
	must("model ready", !one.GetReady(), err)
	_, err = c.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{ModelName: "words", Parameters: map[string]*pb.ModelRepositoryParameter{"file:1/model": {}}})
	fails("load a file", err, codes.InvalidArgument)
	_, err = c.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{ModelName: "words"})
	must("load", true, err)
	trace, err := c.TraceSetting(ctx, &pb.TraceSettingRequest{ModelName: "simple"})
	must("trace", trace.GetSettings()["trace_level"].GetValue()[0] == "OFF", err)
	_, err = c.TraceSetting(ctx, &pb.TraceSettingRequest{Settings: map[string]*pb.TraceSettingRequest_SettingValue{"trace_rate": {Value: []string{"7"}}}})
	fails("set trace", err, codes.InvalidArgument)
	logs, err := c.LogSettings(ctx, &pb.LogSettingsRequest{Settings: map[string]*pb.LogSettingsRequest_SettingValue{
		"log_verbose_level": {ParameterChoice: &pb.LogSettingsRequest_SettingValue_Uint32Param{Uint32Param: 1}}}})
	must("log", logs.GetSettings()["log_verbose_level"].GetUint32Param() == 1, err)
	memory, err := c.SystemSharedMemoryStatus(ctx, &pb.SystemSharedMemoryStatusRequest{})
	must("shared memory", len(memory.GetRegions()) == 0, err)
	_, err = c.SystemSharedMemoryUnregister(ctx, &pb.SystemSharedMemoryUnregisterRequest{})
	must("unregister", true, err)
	_, err = c.SystemSharedMemoryRegister(ctx, &pb.SystemSharedMemoryRegisterRequest{})
	fails("register", err, codes.InvalidArgument)
	_, err = c.CudaSharedMemoryStatus(ctx, &pb.CudaSharedMemoryStatusRequest{})
	must("CUDA", true, err)
	_, err = c.CudaSharedMemoryRegister(ctx, &pb.CudaSharedMemoryRegisterRequest{})
	fails("register", err, codes.InvalidArgument)
	_, err = c.CudaSharedMemoryUnregister(ctx, &pb.CudaSharedMemoryUnregisterRequest{})
	must("unregister", true, err)
}

// The answers of a stream are in the order of its requests; one that fails ends
// nothing but itself; those of many parts come with their id.
func TestStream(t *testing.T) {
	c := pb.NewGRPCInferenceServiceClient(dial(t, oipgrpc.Options{}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stream, err := c.ModelStreamInfer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	said := func(text, id string, parameters map[string]*pb.InferParameter) *pb.ModelInferRequest {
		return &pb.ModelInferRequest{ModelName: "words", Id: id, Parameters: parameters, RawInputContents: [][]byte{model.Of("", []string{text}).Data},
			Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "prompt", Datatype: "BYTES", Shape: []int64{1}}}}
	}
	final := map[string]*pb.InferParameter{"triton_enable_empty_final_response": {ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}}}
	const rounds = 50
	go func() {
		for i := range rounds {
			one := request()
			one.Id = fmt.Sprint("one ", i)
			_ = stream.Send(one)
			_ = stream.Send(said("a b c", fmt.Sprint("many ", i), final))
			_ = stream.Send(said("break", fmt.Sprint("bad ", i), nil))
		}
		_ = stream.CloseSend()
	}()
	var singles []string
	parts := map[string]string{}
	for {
		out, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		r := out.GetInferResponse()
		switch {
		case out.ErrorMessage != "":
			singles = append(singles, r.Id+" "+out.ErrorMessage)
		case r.ModelName == "words" && r.Parameters["triton_final_response"].GetBoolParam():
			parts[r.Id] += "."
		case r.ModelName == "words":
			parts[r.Id] += string(r.RawOutputContents[0][4:])
		default:
			singles = append(singles, r.Id)
		}
	}
	var want []string
	for i := range rounds {
		want = append(want, fmt.Sprint("one ", i), fmt.Sprintf("bad %d ValueError: no", i))
		if got := parts[fmt.Sprint("many ", i)]; got != "abc." {
			t.Errorf("many %d: got %s", i, got)
		}
	}
	if !slices.Equal(singles, want) {
		t.Errorf("got %v", singles)
	}
}

func TestHealthAndReflection(t *testing.T) {
	conn := dial(t, oipgrpc.Options{})
	c := healthpb.NewHealthClient(conn)
	for _, service := range []string{"", "inference.GRPCInferenceService", "words"} {
		if out, err := c.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service}); err != nil || out.Status != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%q: got %v, %v", service, out, err)
		}
	}
	if _, err := c.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "none"}); status.Code(err) != codes.NotFound {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	w, err := c.Watch(ctx, &healthpb.HealthCheckRequest{Service: "words"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []healthpb.HealthCheckResponse_ServingStatus{healthpb.HealthCheckResponse_SERVING, healthpb.HealthCheckResponse_NOT_SERVING} {
		out, err := w.Recv()
		if err != nil || out.Status != want {
			t.Fatalf("got %v, %v", out, err)
		}
		if _, err := pb.NewGRPCInferenceServiceClient(conn).RepositoryModelUnload(ctx, &pb.RepositoryModelUnloadRequest{ModelName: "words"}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
	out, err := r.Recv()
	if err != nil || !strings.Contains(out.String(), "inference.GRPCInferenceService") {
		t.Errorf("got %v, %v", out, err)
	}
}

// A server with keys answers none but those who have one, save for its health.
func TestKeys(t *testing.T) {
	keys, err := guard.NewKeys("ann-0123456789", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan *guard.Record, 10)
	done := func(_ context.Context, r *guard.Record) { heard <- r }
	c := pb.NewGRPCInferenceServiceClient(dial(t, oipgrpc.Options{Guard: &oipgrpc.Guard{Keys: keys, Done: done}}))
	if _, err := c.ServerReady(t.Context(), &pb.ServerReadyRequest{}); err != nil {
		t.Error(err)
	}
	if r := <-heard; r.Status != 200 || r.Path != "/inference.GRPCInferenceService/ServerReady" {
		t.Errorf("got %+v", r)
	}
	for key, want := range map[string]codes.Code{"": codes.Unauthenticated, "Bearer wrong-0123456789": codes.Unauthenticated, "Bearer ann-0123456789": codes.OK} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", key)
		_, err := c.ModelInfer(ctx, request())
		if status.Code(err) != want {
			t.Errorf("%q: got %v", key, err)
		}
		if r := <-heard; (r.Status == 200) != (want == codes.OK) || (r.Key != "") != (want == codes.OK) {
			t.Errorf("%q: got %+v", key, r)
		}
	}
	stream, err := c.ModelStreamInfer(t.Context())
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("got %v", err)
	}
}

// A call that does not come to its end is ended; a stream lives on.
func TestLongest(t *testing.T) {
	conn := dial(t, oipgrpc.Options{Guard: &oipgrpc.Guard{Longest: 50 * time.Millisecond}})
	started := time.Now()
	half, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, "/inference.GRPCInferenceService/ModelInfer")
	if err != nil {
		t.Fatal(err)
	}
	if err := half.RecvMsg(&pb.ModelInferResponse{}); err == nil || time.Since(started) > 30*time.Second {
		t.Errorf("got %v after %s", err, time.Since(started))
	}
	stream, err := pb.NewGRPCInferenceServiceClient(conn).ModelStreamInfer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if err := stream.Send(request()); err != nil {
		t.Fatal(err)
	}
	if out, err := stream.Recv(); err != nil || out.ErrorMessage != "" {
		t.Errorf("got %v, %v", out, err)
	}
}

// A server that is to end answers what it has, and then ends the streams of clients
// that would stay.
func TestEnding(t *testing.T) {
	ending := make(chan struct{})
	conn := dial(t, oipgrpc.Options{Ending: ending})
	stream, err := pb.NewGRPCInferenceServiceClient(conn).ModelStreamInfer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := stream.Send(request()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if out, err := stream.Recv(); err != nil || out.ErrorMessage != "" {
			t.Fatal(out, err)
		}
	}
	close(ending)
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
	for err = nil; err == nil; _, err = w.Recv() {
	}
	if status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
}

func BenchmarkInfer(b *testing.B) {
	c := pb.NewGRPCInferenceServiceClient(dial(b, oipgrpc.Options{}))
	b.SetParallelism(16)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := c.ModelInfer(b.Context(), request()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// TestLocked: who may ask models may not unload them.
func TestLocked(t *testing.T) {
	conn := dialTo(t, inference.Locked(testmodels.Repository(t)), oipgrpc.Options{})
	_, err := pb.NewGRPCInferenceServiceClient(conn).RepositoryModelUnload(t.Context(), &pb.RepositoryModelUnloadRequest{ModelName: "words"})
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("unload: %v", err)
	}
}
