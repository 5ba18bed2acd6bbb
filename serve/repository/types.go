// Package repository knows which models a server has and who may use them when:
// names and versions, loading and unloading within a bound of memory, changing a
// model for a newer one under load, and the queue before each, which puts requests
// together into batches and turns away what cannot be answered in time. It knows
// Predictors and no protocol; its words are those of Triton's model repository.
package repository

import (
	"context"
	"time"

	"github.com/wherry-run/wherry/model"
)

// A Source opens one version of a model.
type Source struct {
	// Name and Version are what clients call it. An empty Version is "1".
	Name, Version string
	// Open makes it ready to answer. It is called again when the model was unloaded,
	// or is to be changed for what the same name means now.
	Open func(ctx context.Context) (*Loaded, error)
}

// Loaded is a model that is ready to answer.
type Loaded struct {
	model.Predictor
	// Digest is that of its image, "sha256:...", or "".
	Digest string
	// Instances is how many requests it answers at once; 0 means 1.
	Instances int
	// Batch says whether requests may be put together; the zero value: not.
	Batch Batching
	// Tasks say what it is good for beyond its signature, as TaskEmbedding.
	Tasks []string
	// Examples are golden cases of it, of which forms and documents show the inputs:
	// a few small ones.
	Examples []model.Case
	// Memory gives the bytes that it holds now; nil when nobody knows.
	Memory func() int64
	// Once says that it cannot be opened again: it is not unloaded to make room.
	Once bool
	// Close ends what Open made, after the Predictor; nil when there is nothing.
	Close func(ctx context.Context) error
}

// Tasks of models, for protocols that are made for one.
const (
	TaskEmbedding      = "embedding"      // texts in, vectors out
	TaskClassification = "classification" // texts in, scores of labels out
	TaskRerank         = "rerank"         // a query and texts in, a score each out
)

// Batching says how requests for one model are put together: along the first
// dimension, as Triton's dynamic batcher.
type Batching struct {
	// Max is how many rows one batch may have; 0 and 1 mean that none are put
	// together.
	Max int
	// Delay is how long a request waits for others while an instance is free.
	Delay time.Duration
}

// A Call is one infer request and what its scheduling needs.
type Call struct {
	// Model and Version name who is asked. "" is the default model, and the version
	// that is served by default.
	Model, Version string
	Request        *model.Request
	// Priority orders those that wait: 1 goes first; 0 is the middle.
	Priority int
	// Timeout bounds waiting and computing; 0 means the server's own bound.
	Timeout time.Duration
	// Protocol is the way it came, for metrics and logs: one of the constants
	// Protocol....
	Protocol string
	// Emit gets each part of an answer that a generator gives; nil when the whole
	// answer is wanted at once. After an error of it the request is canceled.
	Emit func(*model.Response) error
}

// The protocols.
const (
	ProtocolREST    = "oip-rest"
	ProtocolGRPC    = "oip-grpc"
	ProtocolV1      = "kserve-v1"
	ProtocolPredict = "predict"
	ProtocolOpenAI  = "openai"
	ProtocolCog     = "cog"
	ProtocolMLflow  = "mlflow"
	ProtocolTEI     = "tei"
	ProtocolOllama  = "ollama"
)

// An Answer is what a Call came to.
type Answer struct {
	*model.Response
	Receipt Receipt
}

// A Receipt says who answered and what that took.
type Receipt struct {
	Model, Version string
	// Digest is that of the image that answered.
	Digest string
	// Fuel and Memory (bytes, peak) are the guest's; of a batch they are the whole
	// batch's, and Rows how many of Batch rows were this request's. Of a request that
	// failed they are what was done until then.
	Fuel, Memory uint64
	// Wasted is its share of the fuel of batches that failed, before it was answered
	// alone.
	Wasted      uint64
	Rows, Batch int
	// Kernels names what of the host did some of the guest's work, "" for nothing:
	// model.Usage.Kernels.
	Kernels string
	// Queue passed before an instance took it, Compute in the instance.
	Queue, Compute time.Duration
}

// Share is what a request had of the fuel of its batch: all requests of it together
// count that once.
func (r *Receipt) Share() uint64 {
	rows := max(r.Rows, 1)
	if r.Batch <= rows {
		return r.Fuel
	}
	return uint64(float64(r.Fuel) * float64(rows) / float64(r.Batch))
}

// States of a model, in Triton's words.
const (
	StateUnavailable = "UNAVAILABLE"
	StateLoading     = "LOADING"
	StateReady       = "READY"
	StateUnloading   = "UNLOADING"
)

// A Status is what is known of one version of a model.
type Status struct {
	Name, Version string
	State         string // one of the constants State...
	Reason        string // why it is not ready; "" when it is
	Default       bool   // it answers when no version, or no model, is named
	// Signature, Digest, Batch, Tasks and Examples are known once it was loaded.
	Signature *model.Signature
	Digest    string
	Batch     Batching
	Tasks     []string
	Examples  []model.Case
	Instances int
	Memory    int64 // bytes; 0: unknown
	// Asleep models were unloaded to make room, and are loaded when they are asked.
	Asleep bool
	// Waiting and Running are the requests that wait for an instance, and have one.
	Waiting, Running int
}
