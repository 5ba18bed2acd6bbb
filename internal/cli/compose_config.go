package cli

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/packager/bases"
)

// configOptions are the flags of compose config.
type configOptions struct {
	format, output                                                string
	services, volumes, networks, models, images, profiles, values bool
	quiet, raw, variables, lock, resolve                          bool
	hash                                                          string
}

func (o *composeOptions) configCommand() *cobra.Command {
	var c configOptions
	cmd := &cobra.Command{
		Use: "config [OPTIONS] [SERVICE...]", Aliases: []string{"convert"}, Short: "Show the compose file as it is understood",
		RunE: func(cmd *cobra.Command, args []string) error { return o.config(cmd.Context(), c, args) },
	}
	f := cmd.Flags()
	f.StringVar(&c.format, "format", "yaml", "yaml or json")
	f.StringVarP(&c.output, "output", "o", "", "file to write to instead of standard output")
	f.BoolVar(&c.services, "services", false, "the names of services")
	f.BoolVar(&c.volumes, "volumes", false, "the names of volumes")
	f.BoolVar(&c.networks, "networks", false, "the names of networks")
	f.BoolVar(&c.models, "models", false, "the names of models")
	f.BoolVar(&c.images, "images", false, "the names of images")
	f.BoolVar(&c.profiles, "profiles", false, "the names of profiles")
	f.BoolVar(&c.values, "environment", false, "the variables that the file is read with")
	f.StringVar(&c.hash, "hash", "", "the hash by which changes of a service are recognised: of a service, or * for all")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "nothing; what is wrong is an error")
	f.BoolVar(&c.raw, "no-interpolate", false, "leave variables as they are written")
	f.BoolVar(&c.variables, "variables", false, "the variables that the file asks for")
	f.BoolVar(&c.resolve, "resolve-image-digests", false, "name images by their digests, which their registries tell")
	f.BoolVar(&c.lock, "lock-image-digests", false, "a file for -f that names the images by their digests, and nothing else")
	f.BoolVar(&o.loose.NoNormalize, "no-normalize", false, "leave out what is meant where nothing is written")
	f.BoolVar(&o.loose.NoPaths, "no-path-resolution", false, "leave paths as they are written")
	f.BoolVar(&o.loose.NoConsistency, "no-consistency", false, "show also what is at odds with itself")
	f.BoolVar(&o.loose.NoEnvFiles, "no-env-resolution", false, "leave files of variables unread")
	return cmd
}

func (o *composeOptions) config(ctx context.Context, c configOptions, services []string) error {
	o.raw = c.raw && !c.listing() || c.variables
	f, err := o.load(ctx)
	switch {
	case err != nil:
		return err
	case c.format != "yaml" && c.format != "json" && !c.variables:
		return &ux.UsageError{Text: "--format takes yaml or json"}
	case c.variables:
		return c.tellVariables(o.app, f)
	case o.raw:
		return c.write(o.app, func() ([]byte, error) { return c.encoded(f.Text) })
	}
	if err := f.Enable(services); err != nil {
		return err
	}
	if len(services) > 0 {
		if f.Project, err = f.Project.WithSelectedServices(services); err != nil {
			return &ux.UsageError{Text: err.Error()}
		}
	}
	if !o.all {
		f.Project = f.Project.WithoutUnnecessaryResources()
	}
	if c.quiet {
		return nil
	}
	list, err := c.names(f)
	if err != nil {
		return err
	}
	if c.resolve || c.lock { // what is in a variable goes to a registry with the image's name
		if err := o.consent(&compose.File{Wants: f.Wants}, nil); err != nil {
			return err
		}
		if err := o.resolveImages(ctx, f); err != nil {
			return err
		}
	}
	return c.write(o.app, func() ([]byte, error) {
		switch {
		case list != nil:
			return []byte(strings.Join(append(list, ""), "\n")), nil
		case c.lock:
			return c.encoded(func() ([]byte, error) { return locked(f) })
		case c.format == "json":
			b, err := f.Project.MarshalJSON()
			return append(literalJSON(b), '\n'), err
		}
		b, err := f.Project.MarshalYAML()
		if err != nil {
			return nil, err
		}
		return literalYAML(b)
	})
}

// listing tells whether a flag asks for names.
func (c configOptions) listing() bool {
	return c.services || c.volumes || c.networks || c.models || c.images || c.profiles || c.values || c.hash != ""
}

// encoded is a file in YAML as the flags want it.
func (c configOptions) encoded(text func() ([]byte, error)) ([]byte, error) {
	b, err := text()
	if err != nil || c.format == "yaml" {
		return b, err
	}
	var model any
	if err := yaml.Unmarshal(b, &model); err != nil {
		return nil, err
	}
	b, err = json.MarshalIndent(model, "", "  ")
	return append(b, '\n'), err
}

// tellVariables lists the variables that a file asks for.
func (c configOptions) tellVariables(a *app, f *compose.File) error {
	format := c.format
	if format == "yaml" {
		format = ""
	}
	return ux.List(a.Out, format, []ux.Column{
		{Heading: "NAME", Field: "Name"}, {Heading: "REQUIRED", Field: "Required"}, {Heading: "DEFAULT VALUE", Field: "DefaultValue"}, {Heading: "ALTERNATE VALUE", Field: "PresenceValue"},
	}, f.Variables())
}

// resolveImages names the images of a file by their digests.
func (o *composeOptions) resolveImages(ctx context.Context, f *compose.File) error {
	client, _ := o.app.client()
	for name, service := range f.Project.Services {
		_, ours := bases.Lookup(service.Image)
		if service.Image == "" || service.Build != nil || ours {
			continue
		}
		ref, err := parseRef(service.Image)
		if err != nil {
			return &compose.ServiceError{Service: name, Err: err}
		}
		if ref.Digest != "" {
			continue
		}
		d, err := client.Resolve(ctx, ref)
		if err != nil {
			return &compose.ServiceError{Service: name, Err: registryError(ref.Registry, err)}
		}
		service.Image = ref.Familiar() + "@" + string(d.Digest)
		f.Project.Services[name] = service
	}
	o.app.talk().Clear()
	return nil
}

// locked is a file that says of the services of another one their images alone.
func locked(f *compose.File) ([]byte, error) {
	type image struct {
		Image string `yaml:"image"`
	}
	services := map[string]image{}
	for name, service := range f.Project.Services {
		if service.Image != "" {
			services[name] = image{service.Image}
		}
	}
	return yaml.Marshal(map[string]any{"services": services})
}

// write writes a text where the flags say.
func (c configOptions) write(a *app, render func() ([]byte, error)) error {
	text, err := render()
	if err != nil || c.quiet {
		return err
	}
	if c.output != "" {
		return os.WriteFile(c.output, text, 0o644)
	}
	if ux.IsTerminal(a.Out) {
		text = []byte(ux.Printable(string(text)))
	}
	_, err = a.Out.Write(text)
	return err
}

// names are what one of the flags asks for; nil is none of them.
func (c configOptions) names(f *compose.File) ([]string, error) {
	p := f.Project
	list := []string{}
	switch {
	case c.services:
		list = append(list, p.ServiceNames()...)
	case c.volumes:
		list = append(list, p.VolumeNames()...)
	case c.networks:
		list = append(list, p.NetworkNames()...)
	case c.models:
		for name := range p.Models {
			list = append(list, name)
		}
	case c.profiles:
		for _, s := range p.AllServices() {
			list = append(list, s.Profiles...)
		}
	case c.values:
		for name, value := range p.Environment {
			list = append(list, name+"="+value)
		}
	case c.images, c.hash != "":
		s, err := f.Plan()
		if err != nil {
			return nil, err
		}
		for _, service := range s.Services {
			switch {
			case service.External != "":
			case c.images:
				list = append(list, service.Container.Image)
			case c.hash == "*" || slices.Contains(strings.Split(c.hash, ","), service.Name):
				hash, err := service.Hash()
				if err != nil {
					return nil, err
				}
				list = append(list, service.Name+" "+hash)
			}
		}
	default:
		return nil, nil
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}
