// Package model knows what a model is to those who call it: tensors, the
// signature that says which of them go in and come out, and the Predictor that
// answers requests. Its words and its encodings are those of the Open Inference
// Protocol, version 2. What answers, ONNX Runtime or Python in a container, is
// known by the packages below it, and no transport is known here.
package model
