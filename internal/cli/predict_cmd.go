package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/model"
)

// predictOptions are the flags of wherry predict.
type predictOptions struct {
	modelOptions
	json    string
	record  string
	name    string
	format  string
	outputs []string
	parts   bool // no format was asked for in which an answer is whole
}

func (a *app) predictCommand() *cobra.Command {
	var o predictOptions
	cmd := &cobra.Command{
		Use:   "predict [OPTIONS] IMAGE|FOLDER [NAME=VALUE | VALUE | @FILE]...",
		Short: "Ask a model",
		Long: `Ask a model: one request, or one for each row of a table.

A VALUE is a number, true, false or a text; several numbers have commas between;
lists are written as in JSON. Values without a NAME are the model's inputs in
their order. @FILE is what a file holds, and @- what is piped in: CSV, JSON,
NumPy's npy and npz, or, where the model takes a file, an image or a text, the
file itself. Without a NAME, a file holds all inputs: columns of CSV, keys of
JSON, arrays of npz. A text that begins with @ is written with two.

"wherry inspect IMAGE" shows what a model takes. What it answers is printed as a
table on a terminal, else as JSON. A model that gives its answer in parts has each
printed as it comes, a line for each; any other --format has the whole answer.`,
		Example: `  wherry predict iris:1 5.1 3.5 1.4 0.2
  wherry predict iris:1 petal_length=1.4 petal_width=0.2 sepal_length=5.1 sepal_width=3.5
  wherry predict iris:1 @flowers.csv --format csv
  wherry predict ocr:1 image=@receipt.png
  wherry predict digits:1 x=@digit.npy --record cases.json`,
		Args:              atLeast(1, "an image or a folder"),
		ValidArgsFunction: a.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.predict(cmd.Context(), args[0], args[1:], o)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(true)
	o.modelOptions.flags(f)
	o.native.flags(f)
	f.StringVar(&o.json, "json", "", "file with all inputs as JSON, or - for standard input: {NAME: VALUE, ...}, a list of such, or a request of the Open Inference Protocol")
	f.StringVar(&o.record, "record", "", "file of golden cases to add the request and the answer to")
	f.StringVar(&o.name, "name", "", "name of the golden case")
	f.StringVar(&o.format, "format", "", "table, json, csv, npy, npz, or v2: a response of the Open Inference Protocol")
	f.StringArrayVar(&o.outputs, "output", nil, "name of an output that is wanted; without it, all")
	return cmd
}

func (a *app) predict(ctx context.Context, what string, words []string, o predictOptions) error {
	if err := a.checkFormat(&o); err != nil {
		return err
	}
	m, err := a.openModel(ctx, what, o.modelOptions)
	if err != nil {
		return err
	}
	defer m.close()
	return a.predictAll(ctx, m, words, o)
}

// checkFormat says what answers look like.
func (a *app) checkFormat(o *predictOptions) error {
	o.parts = (o.format == "" || o.format == "json") && o.record == ""
	switch o.format {
	case "":
		o.format = "json"
		if ux.IsTerminal(a.Out) {
			o.format = "table"
		}
	case "npy", "npz":
		if ux.IsTerminal(a.Out) {
			return &hinted{&ux.UsageError{Text: "--format " + o.format + " is not for a terminal"}, "write it into a file: > answer." + o.format}
		}
	case "table", "json", "csv", "v2":
	default:
		return &ux.UsageError{Text: fmt.Sprintf("--format %s: write table, json, csv, npy, npz or v2", o.format)}
	}
	return nil
}

// predictAll has a model answer what was typed.
func (a *app) predictAll(ctx context.Context, m *askable, words []string, o predictOptions) error {
	in := inputReader{signature: m.Signature(), stdin: a.In}
	requests, err := in.requests(words, o.json)
	if err != nil {
		var wrong *model.InputError
		if errors.As(err, &wrong) {
			return badInput(m.Signature(), err, wrong.Tensor)
		}
		return err
	}
	if len(requests) == 0 {
		return &ux.UsageError{Text: "there are no rows, so there is nothing to ask"}
	}
	var answers []*model.Response
	partly := o.parts && m.Streams()
	for i, r := range requests {
		r.Outputs = o.outputs
		var response *model.Response
		var err error
		if partly {
			_, err = m.Stream(ctx, r, func(part *model.Response) error { return a.printPart(m.Signature(), part, o.format) })
		} else {
			response, err = m.Predict(ctx, r)
		}
		if err != nil {
			if len(requests) > 1 && ctx.Err() == nil {
				err = fmt.Errorf("request %d: %w", i+1, err)
			}
			return a.refused(m, err)
		}
		answers = append(answers, response)
	}
	a.compiling.hush()
	a.talk().Clear()
	if partly {
		return nil
	}
	if o.record != "" {
		if err := a.record(m, requests, answers, o); err != nil {
			return err
		}
	}
	return a.printAnswers(m.Signature(), requests, answers, o.format)
}

// record adds cases to a file of golden cases.
func (a *app) record(m *askable, requests []*model.Request, answers []*model.Response, o predictOptions) error {
	g := &model.Golden{Made: map[string]any{"by": "wherry predict --record", "image": m.name, "digest": m.digest()}}
	text, err := os.ReadFile(o.record)
	switch {
	case err == nil:
		if g, err = model.ParseGolden(text); err != nil {
			return fmt.Errorf("%s: %w", o.record, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	for i := range requests {
		name := o.name
		if name != "" && len(requests) > 1 {
			name = fmt.Sprintf("%s %d", name, i+1)
		}
		c, err := model.NewCase(name, m.Signature(), requests[i], answers[i])
		if err != nil {
			return fmt.Errorf("record: %w", err)
		}
		g.Cases = append(g.Cases, c)
	}
	if text, err = g.Text(); err != nil {
		return err
	}
	if err := replaceFile(o.record, text); err != nil {
		return err
	}
	a.talk().Line("recorded in %s: %d golden cases; MODEL --golden=%s in a Wasmfile puts them into the image", o.record, len(g.Cases), filepath.Base(o.record))
	return nil
}

// replaceFile writes a file as a whole, or not at all.
func replaceFile(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".wherry-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if merr := f.Chmod(0o644); err == nil {
		err = merr
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// maxInput bounds what is read of a file or a pipe for a request.
const maxInput = 2 << 30

// readAll reads a file, or what is piped in.
func readAll(name string, stdin io.Reader) ([]byte, error) {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(text) > maxInput {
		return nil, fmt.Errorf("read %s: it has more than %d bytes", name, int64(maxInput))
	}
	return text, nil
}
