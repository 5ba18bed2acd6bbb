// Package ort runs ONNX Runtime's own build for WebAssembly, the one that its
// npm package onnxruntime-web brings for browsers, in our engine: a host for what
// Emscripten's programs import, the exports of ONNX Runtime as Go calls, and
// models in the shapes of well-known ones, written as ONNX with random weights.
//
// It knows one build: Package at its exact version, whose imports and exports
// have names of one or two letters. It is for measuring, not for serving.
package ort
