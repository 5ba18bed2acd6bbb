package oipgrpc

import (
	"context"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/oipgrpc/pb"
)

func (s *service) TraceSetting(ctx context.Context, in *pb.TraceSettingRequest) (*pb.TraceSettingResponse, error) {
	if in.ModelName != "" {
		if _, err := s.models.Status(in.ModelName, ""); err != nil {
			return nil, failed(ctx, err)
		}
	}
	changes := make(map[string][]string, len(in.Settings))
	for key, value := range in.Settings {
		changes[key] = value.GetValue()
	}
	now, err := s.options.Settings.SetTrace(changes)
	if err != nil {
		return nil, failed(ctx, err)
	}
	out := &pb.TraceSettingResponse{Settings: map[string]*pb.TraceSettingResponse_SettingValue{}}
	for key, value := range now {
		out.Settings[key] = &pb.TraceSettingResponse_SettingValue{Value: value}
	}
	return out, nil
}

func (s *service) LogSettings(ctx context.Context, in *pb.LogSettingsRequest) (*pb.LogSettingsResponse, error) {
	changes := make(map[string]any, len(in.Settings))
	for key, value := range in.Settings {
		switch v := value.GetParameterChoice().(type) {
		case *pb.LogSettingsRequest_SettingValue_BoolParam:
			changes[key] = v.BoolParam
		case *pb.LogSettingsRequest_SettingValue_Uint32Param:
			changes[key] = uint64(v.Uint32Param)
		case *pb.LogSettingsRequest_SettingValue_StringParam:
			changes[key] = v.StringParam
		default:
			changes[key] = nil
		}
	}
	now, err := s.options.Settings.SetLog(changes)
	if err != nil {
		return nil, failed(ctx, err)
	}
	out := &pb.LogSettingsResponse{Settings: map[string]*pb.LogSettingsResponse_SettingValue{}}
	for key, value := range now {
		set := &pb.LogSettingsResponse_SettingValue{}
		switch v := value.(type) {
		case bool:
			set.ParameterChoice = &pb.LogSettingsResponse_SettingValue_BoolParam{BoolParam: v}
		case int:
			set.ParameterChoice = &pb.LogSettingsResponse_SettingValue_Uint32Param{Uint32Param: uint32(v)}
		case string:
			set.ParameterChoice = &pb.LogSettingsResponse_SettingValue_StringParam{StringParam: v}
		}
		out.Settings[key] = set
	}
	return out, nil
}

// noMemory is the answer to whoever wants to pass tensors by shared memory.
func noMemory(ctx context.Context) error {
	return failed(ctx, &model.InputError{Reason: inference.NoSharedMemory})
}

func (s *service) SystemSharedMemoryStatus(ctx context.Context, in *pb.SystemSharedMemoryStatusRequest) (*pb.SystemSharedMemoryStatusResponse, error) {
	if in.Name != "" {
		return nil, noMemory(ctx)
	}
	return &pb.SystemSharedMemoryStatusResponse{}, nil
}

func (s *service) SystemSharedMemoryRegister(ctx context.Context, _ *pb.SystemSharedMemoryRegisterRequest) (*pb.SystemSharedMemoryRegisterResponse, error) {
	return nil, noMemory(ctx)
}

func (s *service) SystemSharedMemoryUnregister(context.Context, *pb.SystemSharedMemoryUnregisterRequest) (*pb.SystemSharedMemoryUnregisterResponse, error) {
	return &pb.SystemSharedMemoryUnregisterResponse{}, nil
}

func (s *service) CudaSharedMemoryStatus(ctx context.Context, in *pb.CudaSharedMemoryStatusRequest) (*pb.CudaSharedMemoryStatusResponse, error) {
	if in.Name != "" {
		return nil, noMemory(ctx)
	}
	return &pb.CudaSharedMemoryStatusResponse{}, nil
}

func (s *service) CudaSharedMemoryRegister(ctx context.Context, _ *pb.CudaSharedMemoryRegisterRequest) (*pb.CudaSharedMemoryRegisterResponse, error) {
	return nil, noMemory(ctx)
}

func (s *service) CudaSharedMemoryUnregister(context.Context, *pb.CudaSharedMemoryUnregisterRequest) (*pb.CudaSharedMemoryUnregisterResponse, error) {
	return &pb.CudaSharedMemoryUnregisterResponse{}, nil
}
