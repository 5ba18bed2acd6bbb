package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
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
	var format, kind string
	var hotSet, size bool
	cmd := &cobra.Command{
		Use:   "inspect CONTAINER|IMAGE|VOLUME...",
		Short: "Show everything known about containers, images and volumes",
		Long: `Show everything known about containers, images and volumes.

Of an image, Programs lists the WebAssembly modules in the image: loaded in parts, with how
many functions from the beginning and how many groups when they are needed; or
whole, and why. Accelerated are those of its functions that kernels of this machine
stand in for, unless --no-accel or --deterministic asks for the same bits on every
processor. Derived.Snapshots lists where programs start from: their size,
and what a run must have as it was at the build. Model is what a model takes and gives,
and its Backends what can run it here: the sandbox, unless --backend native is asked for.`,
		Args:              atLeast(1, "at least one container, image or volume"),
		ValidArgsFunction: a.complete,
		RunE: a.onStore(func(ctx context.Context, s *store.Store, args []string) error {
			if hotSet {
				if err := missedUsage(args, format); err != nil {
					return err
				}
				return a.printMissed(ctx, s, args[0])
			}
			return a.inspect(ctx, s, args, kind, format, size)
		}),
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "Go template, or json")
	cmd.Flags().BoolVar(&hotSet, "hot-set", false, "print the functions that its programs ran here and that were not foreseen, for build --hot-set")
	cmd.Flags().StringVar(&kind, "type", "", "what is meant: container, image or volume")
	cmd.Flags().BoolVarP(&size, "size", "s", false, "show how much containers wrote")
	return cmd
}

// inspect shows what words name: containers, else images, else volumes, unless kind
// says which.
func (a *app) inspect(ctx context.Context, s *store.Store, words []string, kind, format string, size bool) error {
	switch kind {
	case "", "container", "image", "volume":
	default:
		return &ux.UsageError{Text: "--type " + kind + ": there are container, image and volume"}
	}
	all := []any{}
	var errs []error
	for _, w := range words {
		v, err := a.inspectOne(ctx, s, w, kind, size)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, v)
	}
	if format == "" || format == "json" {
		if len(all) > 0 || len(words) != 1 {
			errs = append(errs, ux.Object(a.Out, format, all))
		}
		return joined(errs)
	}
	for _, v := range all {
		if err := ux.Object(a.Out, format, v); err != nil {
			return err
		}
	}
	return joined(errs)
}

func (a *app) inspectOne(ctx context.Context, s *store.Store, name, kind string, size bool) (any, error) {
	var missing *state.NotFoundError
	if kind == "" || kind == "container" {
		v, err := a.inspectContainer(ctx, name, size)
		if err == nil || kind != "" || !errors.As(err, &missing) {
			return v, err
		}
	}
	if kind == "" || kind == "image" {
		v, err := a.inspectImage(ctx, s, name)
		if err == nil || kind != "" || !errors.As(err, new(*images.NotFoundError)) {
			return v, err
		}
	}
	v, err := a.inspectVolume(name)
	if kind == "" && errors.As(err, &missing) {
		return nil, &hinted{fmt.Errorf("no container, image or volume is called %s", name), "wherry ps -a, wherry images and wherry volume ls list them"}
	}
	return v, err
}

func (a *app) inspectImage(ctx context.Context, s *store.Store, name string) (any, error) {
	i, err := images.Inspect(ctx, s, name)
	if err != nil {
		return nil, err
	}
	programs, m, err := a.programs(ctx, s, name)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		a.talk().Line("warning: the programs in %s cannot be listed: %v", name, err)
	}
	return inspection{i, m, programs}, nil
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
