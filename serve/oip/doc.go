// Package oip knows the Open Inference Protocol, version 2, over HTTP as Triton's
// and KServe's clients speak it: JSON and binary tensors, metadata, the repository
// and its statistics; and version 1 of KServe's :predict.
package oip
