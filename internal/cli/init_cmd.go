package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/packager"
)

// initOptions are the flags of wherry init.
type initOptions struct {
	native bool
	force  bool
}

func (a *app) initCommand() *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init [FOLDER | MODEL [NOTEBOOK|SCRIPT]]",
		Short: "Write a Wasmfile for a folder, or all that a model needs",
		Long: `Write a Wasmfile for what a folder holds, as "wherry build" would take it.

Of a model more is written, beside it: predict.py, a Wasmfile and cases.json with
golden cases for "wherry test". MODEL is a pickle (.pkl, .joblib), a model.onnx,
or the folder of an MLflow model or a Hugging Face one. The notebook or script
that made a pickle tells what it does to its data, and gives example rows.

A pickle is a program: it is read in the sandbox, never by this machine's own
Python. Lines that hold a guess are marked with EDIT.`,
		Example: `  wherry init
  wherry init model.pkl churn.ipynb
  wherry init model.onnx
  wherry init ./mlruns/1/models/m-abc/artifacts`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			what := "."
			if len(args) > 0 {
				what = args[0]
			}
			source := ""
			if len(args) > 1 {
				source = args[1]
			}
			target, err := findModel(what, source, o.force)
			if err != nil {
				return err
			}
			if target != nil {
				return a.initModel(cmd.Context(), *target, o)
			}
			if source != "" {
				return &ux.UsageError{Text: what + " is a folder; a notebook or script goes with a model file"}
			}
			return a.initFolder(what)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.native, "native", false, "answer the golden cases with this machine's Python, outside of the sandbox: for models that you trust")
	f.BoolVar(&o.force, "force", false, "replace files that are there already")
	return cmd
}

// initFolder writes down what build recognises, and a model if that is all there
// is.
func (a *app) initFolder(folder string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	guess, err := packager.Recognise(root.FS())
	if err != nil {
		err = fmt.Errorf("%s: %w", folder, err)
		if models := modelsOf(root.FS()); len(models) > 0 {
			return &hinted{err, "take a model of it: wherry init " + filepath.Join(folder, models[0])}
		}
		return err
	}
	f, err := root.OpenFile("Wasmfile", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return &hinted{fmt.Errorf("%s has a Wasmfile already", folder), "build it: wherry build " + folder}
	}
	if err != nil {
		return err
	}
	if _, err := f.WriteString(guess.Recipe); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	ux.Line(a.Err, guess.Why+"; wrote Wasmfile")
	ux.Line(a.Err, "run it: wherry run "+asPath(folder))
	return nil
}

// modelsOf are the files of a folder that init takes as a model.
func modelsOf(files fs.FS) []string {
	var found []string
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && modelKind(e.Name()) != "" {
			found = append(found, e.Name())
		}
	}
	return found
}

// asPath writes a folder so that run takes it as a path.
func asPath(folder string) string {
	if isPath(folder) {
		return folder
	}
	return "." + string(os.PathSeparator) + folder
}
