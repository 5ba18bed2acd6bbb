package oci

import (
	"encoding/json"
	"fmt"
	"path"
)

// The labels of a config by which an image says what model it is.
const (
	// LabelModel is one of the constants Model....
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
	// LabelBatch says that requests which wait at the same time may be answered together,
	// by their rows: how many rows at most, and perhaps how long a request waits for
	// others, as "32" or "32 2ms".
	LabelBatch = "run.wherry.batch"
)

// Labels of an image that answers HTTP by itself, without a socket: serve/web reads
// them.
const (
	// LabelWeb is one of the constants Web....
	LabelWeb = "run.wherry.web"
	// LabelWebRoot is the folder of a static site; DefaultWebRoot without.
	LabelWebRoot = "run.wherry.web.root"
	// LabelWebFallback is the file of a static site that answers for every page that is
	// not there, such as /index.html: an application that has its routes in the browser.
	LabelWebFallback = "run.wherry.web.fallback"
	// LabelWebProxy begins labels that have the requests for a path, and all below it,
	// passed on to a server of the container's networks: the path stands behind it, and
	// the server's URL is the value.
	LabelWebProxy = "run.wherry.web.proxy."
)

// LabelPython is the version of Python that an image of our base has.
const LabelPython = "run.wherry.python"

// DefaultWebRoot is the folder of a static site.
const DefaultWebRoot = "/srv/http"

// What LabelWeb says.
const (
	// WebStatic is a folder of files.
	WebStatic = "static"
	// WebCGI is a program that is run for each request: CGI/1.1, RFC 3875.
	WebCGI = "cgi"
	// WebHandler is a reactor of WASI preview 1 that answers requests by its exports.
	WebHandler = "handler"
	// WebWSGI and WebASGI are Python applications, which the image's command names as it
	// would for a server of theirs.
	WebWSGI = "wsgi"
	WebASGI = "asgi"
)

// What LabelModel says.
const (
	ModelONNX   = "onnx"
	ModelPython = "python"
	// ModelWasm is a module that answers requests by its exports; see package
	// model/reactor.
	ModelWasm = "wasm"
	// ModelPipeline is several models, each of which takes what those before it give;
	// LabelSteps says which.
	ModelPipeline = "pipeline"
)

// MaxSignature bounds LabelSignature, in bytes.
const MaxSignature = 64 << 10

// LabelSteps are the models of a pipeline in their order: a list of ModelStep, as JSON
// of at most MaxSignature bytes.
const LabelSteps = "run.wherry.steps"

// MaxSteps bounds the models of a pipeline.
const MaxSteps = 16

// A ModelStep is one model of a pipeline.
type ModelStep struct {
	// Kind is ModelONNX or ModelPython, and Path the model's file in the image.
	Kind string `json:"model"`
	Path string `json:"path"`
	// Signature is as in LabelSignature.
	Signature json.RawMessage `json:"signature"`
}

// ParseSteps reads LabelSteps.
func ParseSteps(text string) ([]ModelStep, error) {
	if len(text) > MaxSignature {
		return nil, fmt.Errorf("read steps: %d bytes are more than %d", len(text), MaxSignature)
	}
	var list []ModelStep
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("read steps: %w", err)
	}
	if len(list) < 2 || len(list) > MaxSteps {
		return nil, fmt.Errorf("read steps: a pipeline has from 2 to %d, and this has %d", MaxSteps, len(list))
	}
	for i, s := range list {
		if s.Kind != ModelONNX && s.Kind != ModelPython || !path.IsAbs(s.Path) {
			return nil, fmt.Errorf("read steps: step %d is no model", i+1)
		}
	}
	return list, nil
}

// ONNXModule is where an image has ONNX Runtime beside other programs.
const ONNXModule = "/usr/local/bin/onnxruntime.wasm"
