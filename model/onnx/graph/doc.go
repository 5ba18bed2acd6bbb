// Package graph knows the ONNX file format: it reads a model, says what goes in
// and comes out of it, and makes of it what ONNX Runtime 1.18 can run. It does no
// I/O of its own and runs nothing. What it reads is hostile: every size, depth
// and count is bounded, and the weights stay where they lie in the file.
package graph
