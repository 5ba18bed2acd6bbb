package scaffold

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"unicode"
)

// MLmodel is the file that makes a folder one of MLflow.
const MLmodel = "MLmodel"

// MLflow looks at the folder of an MLflow model and drafts what its image needs.
func MLflow(ctx context.Context, o Options) (*Draft, error) {
	o.Model = MLmodel
	s, err := start(ctx, o.Sandbox, o.Folder)
	if err != nil {
		return nil, err
	}
	defer s.close()
	r, err := readPickle(s, o)
	if err != nil {
		return nil, err
	}
	m := r.MLflow
	if m == nil || !fs.ValidPath(m.File) && m.File != "" || strings.ContainsFunc(m.File, unicode.IsControl) {
		return nil, fmt.Errorf("%s names no file of its folder", MLmodel)
	}
	switch m.Flavor {
	case "sklearn":
		o.Model = m.File
		d, err := pickled(ctx, s, r, o)
		if err != nil {
			return nil, err
		}
		d.Found = "MLflow model: " + d.Found
		if m.Code != "" {
			d.Notes = append(d.Notes, "the model has code of its own in "+comment(m.Code)+": COPY it in the Wasmfile, and put it on sys.path in predict.py")
		}
		return d, nil
	case "onnx":
		o.Model = m.File
		d, err := ONNX(ctx, o)
		if err == nil {
			d.Found = "MLflow model: " + d.Found
		}
		return d, err
	case "xgboost", "lightgbm":
		return nil, &RefusedError{
			Reason: fmt.Sprintf("the MLflow model is of %s, which is native code without a WebAssembly build", m.Flavor),
			Advice: fmt.Sprintf("make ONNX of it where you train: onnxmltools.convert_%s(mlflow.%[1]s.load_model(...), initial_types=...), then: wherry init model.onnx", m.Flavor),
		}
	}
	return nil, &RefusedError{
		Reason: fmt.Sprintf("the MLflow model has the flavour %q, of which nothing can be made by itself", comment(m.Flavor)),
		Advice: "write a predict.py that loads what is in " + shellWord(filepath.Join(o.Folder)) + ", or export the model to ONNX",
	}
}
