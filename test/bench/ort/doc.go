// Package ort writes models as ONNX, without a library of its own for that: small ones
// for tests, and models in the shapes of well-known ones with random weights.
package ort
