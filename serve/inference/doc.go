// Package inference knows what requests and documents of the Open Inference
// Protocol mean, with the additions of Triton, whichever way they come: parameters
// of requests, the classification of outputs, configurations, statistics and
// settings. It knows no transport; serve/oip and serve/oipgrpc speak it.
package inference

import (
	"context"
	"strings"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/repository"
)

// A Repository is what the protocol asks of *repository.Repository.
type Repository interface {
	Infer(ctx context.Context, c *repository.Call) (*repository.Answer, error)
	Status(name, version string) (repository.Status, error)
	Index() []repository.Status
	Ready() bool
	Load(ctx context.Context, name string) error
	Unload(ctx context.Context, name string) error
	Statistics(name, version string) ([]repository.Statistics, error)
}

// ServerName is what the metadata of the server calls it.
const ServerName = "wherry"

// Extensions are the names of what is spoken beyond the protocol itself, as the
// metadata of the server lists them.
var Extensions = []string{
	"classification", "model_repository", "model_repository(unload_dependents)", "schedule_policy",
	"model_configuration", "binary_tensor_data", "parameters", "statistics", "trace", "logging", "generate",
}

// NoSharedMemory is the answer to whoever wants to pass tensors by shared memory.
const NoSharedMemory = "the server takes tensors in requests only: it has no shared memory"

// Resident lists the versions of a model that the server has, and of one of them
// what is known. The error is that of Status.
func Resident(r Repository, name, version string) (st repository.Status, versions []string, err error) {
	if st, err = r.Status(name, version); err != nil {
		return st, nil, err
	}
	for _, other := range r.Index() {
		if other.Name == st.Name {
			versions = append(versions, other.Version)
		}
	}
	return st, versions, nil
}

// Fields are fields of a signature as documents have them: one of any shape has one
// dimension of any length, for the protocol knows no other way to say so.
func Fields(list []model.Field) []model.Field {
	out := make([]model.Field, len(list))
	for i, f := range list {
		if f.Shape == nil {
			f.Shape = []int64{-1}
		}
		out[i] = f
	}
	return out
}

// Properties say more of a model than the protocol asks for.
func Properties(st repository.Status) map[string]string {
	more := map[string]string{}
	if st.Digest != "" {
		more["image_digest"] = st.Digest
	}
	if st.Signature != nil && st.Signature.Streams {
		more["streams"] = "true"
	}
	return more
}

// Loadable refuses to load a model that is not the one of the server's image.
func Loadable(parameters map[string]any) error {
	for key := range parameters {
		if key == "config" || strings.HasPrefix(key, "file:") {
			return refuse("a model is loaded from its image: the parameter %.80q cannot replace a part of it", key)
		}
	}
	return nil
}
