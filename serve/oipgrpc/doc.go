// Package oipgrpc knows the Open Inference Protocol, version 2, over gRPC as
// Triton's and KServe's clients speak it, and the health of gRPC. What requests and
// documents mean is known by serve/inference.
package oipgrpc
