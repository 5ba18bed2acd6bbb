package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/packager"
	"github.com/wherry-run/wherry/packager/recipe"
	"github.com/wherry-run/wherry/runtime"
)

// buildxOptions are flags of build that are about what goes around a build: where the
// image goes, and what Docker's builder is told that has no need to be told here.
type buildxOptions struct {
	outputs           []string
	push, load, check bool
	progress          string
	platforms         []string
	network           string
	metadata          string
	attestations
	caches, hosts  []string
	squash, remove bool
	builder        string
}

// attestations are the flags about what is not made here, and about agents.
type attestations struct {
	provenance, sbom string
	ssh              []string
}

func (o *attestations) flags(f *pflag.FlagSet) {
	f.StringVar(&o.provenance, "provenance", "false", "false: no attestations are made")
	f.StringVar(&o.sbom, "sbom", "false", "false: no attestations are made")
	f.StringArrayVar(&o.ssh, "ssh", nil, "accepted: nothing in the sandbox can reach an agent")
}

func (o *attestations) validate() error {
	for name, value := range map[string]string{"provenance": o.provenance, "sbom": o.sbom} {
		if value != "false" && value != "" {
			return &ux.UsageError{Text: "--" + name + " " + value + ": no attestations are made; write --" + name + "=false"}
		}
	}
	return nil
}

func (o *buildxOptions) flags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.outputs, "output", "o", nil, "what to write besides: FOLDER, - for a tar, or type=local|tar|oci|docker,dest=PATH")
	f.BoolVar(&o.push, "push", false, "send the image to its registry, too")
	f.BoolVar(&o.load, "load", false, "accepted: what is built is here always")
	f.BoolVar(&o.check, "check", false, "say what cannot work, and build nothing")
	f.StringVar(&o.progress, "progress", "auto", "auto, plain, tty or quiet")
	f.StringSliceVar(&o.platforms, "platform", nil, "platform of the image: wasi/wasm or wasip1/wasm")
	f.StringVar(&o.network, "network", "none", "none: a RUN has no network")
	f.StringVar(&o.metadata, "metadata-file", "", "file to write the image's digests to, as JSON")
	o.attestations.flags(f)
	f.StringArrayVar(&o.caches, "cache-from", nil, "accepted: steps are remembered on this machine, by their content")
	f.StringArrayVar(&o.caches, "cache-to", nil, "accepted, as --cache-from")
	f.StringArrayVar(&o.hosts, "add-host", nil, "accepted: a RUN has no network")
	f.BoolVar(&o.squash, "squash", false, "accepted: layers stay apart, equal ones are stored once")
	f.BoolVar(&o.remove, "rm", true, "accepted: a build leaves no containers")
	f.BoolVar(&o.remove, "force-rm", true, "accepted, as --rm")
	f.StringVar(&o.builder, "builder", "", "accepted: there is one builder")
	for _, name := range []string{"cache-to", "add-host", "rm", "force-rm", "builder"} {
		_ = f.MarkHidden(name)
	}
}

func (o *buildxOptions) validate() error {
	for _, p := range o.platforms {
		if err := checkPlatform(p); err != nil {
			return err
		}
	}
	if !slices.Contains([]string{"none", "default"}, o.network) {
		return &hinted{&ux.UsageError{Text: "--network " + o.network + ": a RUN has no network"}, "ADD --checksum=sha256:... URL fetches a file, RUN pip install packages"}
	}
	if !slices.Contains([]string{"auto", "plain", "tty", "quiet"}, o.progress) {
		return &ux.UsageError{Text: "--progress " + o.progress + ": there are auto, plain, tty and quiet"}
	}
	if err := o.attestations.validate(); err != nil {
		return err
	}
	for _, text := range o.outputs {
		if _, err := parseOutput(text); err != nil {
			return err
		}
	}
	return nil
}

// output is one --output: a type and a place.
type output struct{ kind, dest string }

func parseOutput(text string) (output, error) {
	if !strings.Contains(text, "=") {
		if text == "-" {
			return output{"tar", "-"}, nil
		}
		return output{"local", text}, nil
	}
	bad := &ux.UsageError{Text: fmt.Sprintf("--output %q: write FOLDER, - or type=local|tar|oci|docker|image|registry,dest=PATH", text)}
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return output{}, bad
	}
	o := output{dest: "-"}
	for _, f := range fields {
		switch k, v, _ := strings.Cut(f, "="); k {
		case "type":
			o.kind = v
		case "dest":
			o.dest = v
		case "name", "push":
		default:
			return o, bad
		}
	}
	if !slices.Contains([]string{"local", "tar", "oci", "docker", "image", "registry"}, o.kind) || o.kind == "local" && o.dest == "-" {
		return o, bad
	}
	return o, nil
}

// checkRecipe is build --check: everything that cannot work, and nothing is built.
func (a *app) checkRecipe(file *recipe.File, args map[string]string) error {
	if problems := recipe.Problems(file, args); len(problems) > 0 {
		return problemList(file.Name, problems)
	}
	a.talk().Clear()
	_, err := fmt.Fprintln(a.Out, "Check complete, nothing found.")
	return err
}

// deliver takes a finished image where the flags say.
func (a *app) deliver(ctx context.Context, w *workshop, r *packager.Result, tags []string, o buildxOptions) error {
	if o.metadata != "" {
		b, err := json.MarshalIndent(map[string]string{
			"containerimage.digest": string(r.Index.Digest), "containerimage.config.digest": string(r.Config.Digest), "image.name": strings.Join(tags, ","),
		}, "", "  ")
		if err == nil {
			err = os.WriteFile(o.metadata, append(b, '\n'), 0o644)
		}
		if err != nil {
			return err
		}
	}
	for _, text := range o.outputs {
		out, err := parseOutput(text)
		if err == nil {
			err = a.write(ctx, w, r, tags, out)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", text, err)
		}
		o.push = o.push || out.kind == "registry"
	}
	if o.push && len(tags) == 0 {
		return &ux.UsageError{Text: "--push needs a name to push to: -t REGISTRY/NAME[:TAG]"}
	}
	for _, t := range tags {
		if o.push {
			if _, _, err := a.push(ctx, w.store, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// write writes an image, or its files, to a place.
func (a *app) write(ctx context.Context, w *workshop, r *packager.Result, tags []string, out output) error {
	var content func(io.Writer) error
	switch out.kind {
	case "oci", "docker":
		names := tags
		if len(names) == 0 {
			names = []string{string(r.Config.Digest)}
		}
		content = func(to io.Writer) error { return images.Save(ctx, w.store, to, names...) }
	case "tar", "local":
		image, err := images.OpenTarget(ctx, w.store, r.Index, images.Options{})
		if err != nil {
			return err
		}
		defer image.Close()
		content = func(to io.Writer) error { return runtime.ArchiveImage(ctx, to, image, "/") }
	default:
		return nil // it is here, or is pushed
	}
	switch {
	case out.kind == "local":
		if err := os.MkdirAll(out.dest, 0o755); err != nil {
			return err
		}
		pr, pw := io.Pipe()
		defer pr.Close()
		go func() { pw.CloseWithError(content(pw)) }()
		return state.UnpackHost(ctx, pr, out.dest, "")
	case out.dest == "-":
		return content(a.Out)
	}
	return writeFile(out.dest, content)
}
