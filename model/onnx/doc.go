// Package onnx answers requests with ONNX models: by ONNX Runtime itself, compiled to
// WebAssembly, in a container of package runtime.
//
// One instance has one model. [Open] starts an instance over a container; a
// model.Pool holds as many as are to answer at a time. Their weights are in memory
// once: an instance copies what it writes to.
//
// The package knows ONNX Runtime's exports, and which build of it has which names for
// them. What an ONNX file says is the business of package onnx/graph.
package onnx
