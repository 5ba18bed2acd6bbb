package oipgrpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	// Clients may compress their requests, and get their answers compressed.
	_ "google.golang.org/grpc/encoding/gzip"

	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/oipgrpc/pb"
	"github.com/wherry-run/wherry/serve/repository"
)

// Options are the bounds of the protocol, and what it says of the server.
type Options struct {
	// Version is that of the server.
	Version string
	// MaxMessage bounds a request, in bytes; 0 means DefaultMaxMessage.
	MaxMessage int
	// MaxRequests bounds the bytes that all infer requests which wait or are computed
	// have together; 0: no bound.
	MaxRequests int64
	// ReadTimeout is how long a client may take to send a request, and a second more for
	// each MinRate bytes of it; 0: as long as it likes.
	ReadTimeout time.Duration
	MinRate     int64
	// Idle is how long a connection without requests is kept; 0 means DefaultIdle.
	Idle time.Duration
	// Creds encrypt; nil: nothing does.
	Creds credentials.TransportCredentials
	// Streams bounds the requests of one connection that are worked on at once; 0
	// means DefaultStreams.
	Streams int
	// Settings are what clients may read and change of logs and traces; nil: none.
	Settings *inference.Settings
	// Guard says who may ask, and hears of each request; nil: everybody, nobody.
	Guard *Guard
	// Ending is closed when the server is to end: streams then end as soon as what
	// came by them is answered. nil: they end with their clients.
	Ending <-chan struct{}
}

// What holds where Options say nothing.
const (
	DefaultMaxMessage = 64 << 20
	DefaultStreams    = 1024
	DefaultIdle       = 5 * time.Minute
)

const (
	maxHeaders   = 32 << 10         // bytes of the headers of a request
	helloTimeout = 10 * time.Second // for a connection to become one of HTTP/2
	pingEvery    = time.Minute      // a connection that is silent is asked whether it is there
	pingTimeout  = 20 * time.Second
	leastPing    = 5 * time.Second // clients that ask more often are disconnected
	streamWindow = 128 << 10       // bytes of a stream that may wait until they are taken
	connWindow   = 4 << 20         // of a connection, without that anybody waits for the client's answer
	leastCalls   = 1024
	mostWatching = 1024
)

// New makes a server of the protocol, with the health service of gRPC and reflection.
// more are options beyond those, as credentials.
func New(m inference.Repository, o Options, more ...grpc.ServerOption) *grpc.Server {
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.Streams == 0 {
		o.Streams = DefaultStreams
	}
	if o.Settings == nil {
		o.Settings = &inference.Settings{}
	}
	if o.Guard == nil {
		o.Guard = &Guard{}
	}
	own := *o.Guard // of this server
	o.Guard = &own
	if o.Idle == 0 {
		o.Idle = DefaultIdle
	}
	if o.Creds == nil {
		o.Creds = insecure.NewCredentials()
	}
	in := &intake{first: o.ReadTimeout}
	if o.ReadTimeout > 0 {
		in.rate = max(o.MinRate, 1)
	}
	if o.MaxRequests > 0 { // one message always may
		in.most = max(o.MaxRequests, int64(o.MaxMessage))
		o.Guard.calls = &calls{most: max(in.most/streamWindow, leastCalls)}
	}
	o.Guard.watching = &calls{most: mostWatching}
	s := grpc.NewServer(append([]grpc.ServerOption{
		grpc.Creds(&counting{o.Creds, in}),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connWindow),
		grpc.MaxRecvMsgSize(o.MaxMessage),
		grpc.RPCDecompressor(deflate{int64(o.MaxMessage)}), //nolint:staticcheck // the other way is for the whole process
		grpc.MaxConcurrentStreams(uint32(o.Streams)),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.ConnectionTimeout(helloTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: o.Idle, Time: pingEvery, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: leastPing, PermitWithoutStream: true}),
		grpc.InTapHandle(o.Guard.tap),
		grpc.ChainUnaryInterceptor(o.Guard.unary),
		grpc.ChainStreamInterceptor(o.Guard.stream),
		grpc.WaitForHandlers(true),
	}, more...)...)
	pb.RegisterGRPCInferenceServiceServer(s, &service{models: m, options: o})
	healthpb.RegisterHealthServer(s, &health{models: m, ending: o.Ending})
	addReflection(s)
	return s
}

// health tells whether the server, or a model by its name, can answer.
type health struct {
	healthpb.UnimplementedHealthServer
	models inference.Repository
	ending <-chan struct{}
}

func (h *health) state(service string) (healthpb.HealthCheckResponse_ServingStatus, bool) {
	ready := h.models.Ready()
	if service != "" && service != pb.GRPCInferenceService_ServiceDesc.ServiceName {
		st, err := h.models.Status(service, "")
		if err != nil {
			return healthpb.HealthCheckResponse_SERVICE_UNKNOWN, false
		}
		ready = st.State == repository.StateReady
	}
	if ready {
		return healthpb.HealthCheckResponse_SERVING, true
	}
	return healthpb.HealthCheckResponse_NOT_SERVING, true
}

func (h *health) Check(_ context.Context, in *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	st, ok := h.state(in.Service)
	if !ok {
		return nil, status.Error(codes.NotFound, "there is no such service, nor a model of that name")
	}
	return &healthpb.HealthCheckResponse{Status: st}, nil
}

// lookEvery is how often it is looked whether what is watched has changed.
const lookEvery = time.Second

func (h *health) Watch(in *healthpb.HealthCheckRequest, stream healthpb.Health_WatchServer) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for told := healthpb.HealthCheckResponse_ServingStatus(-1); ; {
		if st, _ := h.state(in.Service); st != told {
			if err := stream.Send(&healthpb.HealthCheckResponse{Status: st}); err != nil {
				return err
			}
			told = st
		}
		select {
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-h.ending:
			return errEnding
		case <-tick.C:
		}
	}
}
