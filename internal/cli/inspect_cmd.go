package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/runtime"
)

// inspection is what inspect shows of one image.
type inspection struct {
	*images.Inspection
	// Model says what the image answers, when it is a model.
	Model *modelInfo `json:"Model,omitempty"`
	// Programs are the modules in the image that can be run, and how they are loaded.
	Programs []runtime.ProgramInfo `json:"Programs,omitempty"`
}

// modelInfo is what inspect shows of a model.
type modelInfo struct {
	Kind      string           `json:"Kind"`
	Path      string           `json:"Path,omitempty"`
	Golden    string           `json:"Golden,omitempty"` // the file of its golden cases
	Signature *model.Signature `json:"Signature,omitempty"`
	// Backends say what can run it here, the default first.
	Backends []modelBackend `json:"Backends,omitempty"`
}

// modelOf reads what an image says of its model; nil when it is none.
func modelOf(image runtime.Image) (*modelInfo, error) {
	kind := wherry.Kind(image)
	if kind == "" {
		return nil, nil
	}
	labels := image.Config().Labels
	s, err := wherry.SignatureOf(image)
	return &modelInfo{Kind: kind, Path: labels[oci.LabelModelPath], Golden: labels[oci.LabelGolden], Signature: s, Backends: backendsOf(kind)}, err
}

func (a *app) inspectCommand() *cobra.Command {
	var format string
	var hotSet bool
	cmd := &cobra.Command{
		Use:   "inspect IMAGE...",
		Short: "Show everything known about images",
		Long: `Show everything known about images.

Programs lists the WebAssembly modules in the image: loaded in parts, with how
many functions from the beginning and how many groups when they are needed; or
whole, and why. Accelerated are those of its functions that kernels of this machine
stand in for, unless --no-accel or --deterministic asks for the same bits on every
processor. Derived.Snapshots lists where programs start from: their size,
and what a run must have as it was at the build. Model is what a model takes and gives,
and its Backends what can run it here: the sandbox, unless --backend native is asked for.`,
		Args:              atLeast(1, "at least one image"),
		ValidArgsFunction: a.complete,
		RunE: a.onStore(func(ctx context.Context, s *store.Store, args []string) error {
			if hotSet {
				if err := missedUsage(args, format); err != nil {
					return err
				}
				return a.printMissed(ctx, s, args[0])
			}
			all := []inspection{}
			for _, name := range args {
				i, err := images.Inspect(ctx, s, name)
				if err != nil {
					return err
				}
				programs, m, err := a.programs(ctx, s, name)
				if err != nil {
					if ctx.Err() != nil {
						return err
					}
					a.talk().Line("warning: the programs in %s cannot be listed: %v", name, err)
				}
				all = append(all, inspection{i, m, programs})
			}
			if format == "" || format == "json" {
				return ux.Object(a.Out, format, all)
			}
			for _, i := range all {
				if err := ux.Object(a.Out, format, i); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "Go template, or json")
	cmd.Flags().BoolVar(&hotSet, "hot-set", false, "print the functions that its programs ran here and that were not foreseen, for build --hot-set")
	cmd.Flags().String("type", "image", "accepted for Docker's sake")
	return cmd
}

// programs opens an image and lists its programs, and the model that it is.
func (a *app) programs(ctx context.Context, s *store.Store, name string) ([]runtime.ProgramInfo, *modelInfo, error) {
	image, err := images.Open(ctx, s, name, images.Options{Pull: images.PullNever})
	if err != nil {
		return nil, nil, err
	}
	defer image.Close()
	m, err := modelOf(image)
	if err != nil {
		a.talk().Line("warning: what %s says of its model cannot be read: %v", name, err)
	}
	rt, err := a.runtime(ctx)
	if err != nil {
		return nil, m, err
	}
	defer rt.Close(context.WithoutCancel(ctx))
	programs, err := rt.Programs(ctx, image)
	return programs, m, err
}
