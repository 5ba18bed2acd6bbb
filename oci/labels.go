package oci

// The labels of a config by which an image says what model it is.
const (
	// LabelModel is ModelONNX or ModelPython.
	LabelModel = "run.wherry.model"
	// LabelModelPath is the model's file in the image.
	LabelModelPath = "run.wherry.model.path"
	// LabelSignature is the model's signature: the metadata document of the Open
	// Inference Protocol, as compact JSON of at most MaxSignature bytes.
	LabelSignature = "run.wherry.signature"
	// LabelGolden is the file in the image that has the model's golden cases.
	LabelGolden = "run.wherry.golden"
	// LabelTasks lists what the model is good for beyond its signature, with commas
	// between: embedding, classification, rerank; none for nothing. Without the label
	// the signature tells.
	LabelTasks = "run.wherry.tasks"
)

// What LabelModel says.
const (
	ModelONNX   = "onnx"
	ModelPython = "python"
)

// MaxSignature bounds LabelSignature, in bytes.
const MaxSignature = 64 << 10
