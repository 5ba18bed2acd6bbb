// Package pb has the messages of the Open Inference Protocol over gRPC, generated
// from inference.proto.
package pb

//go:generate ./generate
