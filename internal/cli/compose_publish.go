package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/version"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/registry"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/packager/bases"
)

func (o *composeOptions) publishCommand() *cobra.Command {
	var app, env bool
	var ociVersion string
	cmd := &cobra.Command{
		Use: "publish [OPTIONS] REGISTRY/NAME[:TAG]", Short: "Send a stack to a registry, as one artifact", Args: exactly(1, "a name in a registry"),
		Long: `Send a stack to a registry, as one artifact in Docker Compose's format: the compose file
with its variables as they are written, and the images of its services by their digests.
Images that are built here are sent first. wherry compose -f oci://NAME up runs it.`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.publish(cmd.Context(), args[0], env) },
	}
	f := cmd.Flags()
	f.Bool("resolve-image-digests", true, "accepted: images are named by their digests always")
	f.BoolVar(&app, "app", false, "accepted: images that are built here are sent always")
	f.StringVar(&ociVersion, "oci-version", "", "accepted: the artifact is one of OCI 1.1")
	o.yesFlag(f)
	f.BoolVar(&env, "with-env", false, "send what is in files of env_file, too: it becomes environment of the services, for everybody to read")
	return cmd
}

func (o *composeOptions) publish(ctx context.Context, name string, env bool) error {
	a := o.app
	ref, err := parseRef(name)
	if err != nil {
		return err
	}
	s, e, err := o.ready(ctx, nil)
	if err != nil {
		return err
	}
	given, err := o.given(ctx, env)
	if err != nil {
		return err
	}
	o.raw = true
	file, err := o.load(ctx)
	if err != nil {
		return err
	}
	pinned := publishable(s)
	if _, err := file.Publish(pinned, given, ""); err != nil { // before anything is sent
		return err
	}
	content, err := a.store(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	for _, name := range slices.Sorted(maps.Keys(pinned)) {
		if pinned[name], err = o.pinned(ctx, e, content, s.Services[name]); err != nil {
			return &compose.ServiceError{Service: name, Err: err}
		}
	}
	artifact, err := file.Publish(pinned, given, version.Get().Version)
	if err != nil {
		return err
	}
	lease, err := content.Lease(ctx)
	if err != nil {
		return err
	}
	defer lease.Release()
	for _, d := range artifact.Documents {
		if _, err := lease.Ingest(ctx, d.Descriptor, bytes.NewReader(d.Data)); err != nil {
			return err
		}
	}
	client, _ := a.client()
	if err := client.Push(ctx, ref, artifact.Manifest(), content, registry.PushOptions{}); err != nil {
		return registryError(ref.Registry, err)
	}
	a.talk().Clear()
	fmt.Fprintf(a.Err, "%s: digest: %s size: %d\n", ref.Tag, artifact.Manifest().Digest, artifact.Manifest().Size)
	ux.Line(a.Out, "oci://"+ref.String())
	return nil
}

// given are the variables of services that go with a stack; nil: those of files do not.
func (o *composeOptions) given(ctx context.Context, env bool) (map[string]map[string]string, error) {
	if !env {
		return nil, nil
	}
	f, err := o.load(ctx)
	if err != nil {
		return nil, err
	}
	return f.Given()
}

// publishable are the images of services that can be had from a registry.
func publishable(s *compose.Stack) map[string]string {
	out := map[string]string{}
	for name, service := range s.Services {
		image := service.Container.Image
		_, ours := bases.Lookup(image)
		ref, err := oci.ParseReference(image)
		here := service.Build != nil && (err != nil || ref.Registry == oci.DefaultRegistry && !strings.Contains(image, "/"))
		if !ours && !here && service.External == "" && !service.Model {
			out[name] = image
		}
	}
	return out
}

// pinned is the image of a service by its digest, in a registry. One that is built here
// is sent there.
func (o *composeOptions) pinned(ctx context.Context, e *compose.Engine, content *store.Store, s *compose.Service) (string, error) {
	image := s.Container.Image
	ref, err := parseRef(image)
	if err != nil {
		return "", err
	}
	if s.Build == nil {
		client, _ := o.app.client()
		d, err := client.Resolve(ctx, ref)
		if err != nil {
			return "", registryError(ref.Registry, err)
		}
		return ref.FamiliarName() + "@" + string(d.Digest), nil
	}
	if id, err := e.Images.ID(ctx, image); err != nil {
		return "", err
	} else if id == "" {
		if err := e.Images.Build(ctx, *s.Build); err != nil {
			return "", err
		}
	}
	_, d, err := o.app.push(ctx, content, image)
	if err != nil {
		return "", err
	}
	o.tell(compose.Step{Kind: "Image", Name: ref.Familiar(), Done: "Pushed"})
	return ref.FamiliarName() + "@" + string(d.Digest), nil
}

// stackLoader fetches stacks that were published: oci://NAME.
type stackLoader struct {
	app *app
	got map[string]string
}

// Accept tells names of stacks in registries.
func (stackLoader) Accept(name string) bool {
	_, ok := compose.Remote(name)
	return ok
}

// Load has the files of a stack on this machine, and gives the path of the compose file. A
// name is looked up once.
func (l stackLoader) Load(ctx context.Context, name string) (string, error) {
	if path, ok := l.got[name]; ok {
		return path, nil
	}
	path, err := l.fetch(ctx, name)
	if err == nil {
		l.got[name] = path
	}
	return path, err
}

func (l stackLoader) fetch(ctx context.Context, name string) (string, error) {
	text, _ := compose.Remote(name)
	ref, err := parseRef(text)
	if err != nil {
		return "", err
	}
	s, err := l.app.store(ctx)
	if err != nil {
		return "", err
	}
	defer s.Close()
	lease, err := s.Lease(ctx)
	if err != nil {
		return "", err
	}
	defer lease.Release()
	client, _ := l.app.client()
	d, err := client.Fetch(ctx, ref, &stackSink{Sink: lease, left: maxStack})
	l.app.talk().Clear()
	if errors.Is(err, compose.ErrNoStack) {
		return "", noStack(ref, compose.ErrNoStack)
	}
	if err != nil {
		return "", registryError(ref.Registry, err)
	}
	data, err := s.ReadBlob(d, maxStackManifest)
	if err != nil {
		return "", err
	}
	files, env, err := compose.ArtifactLayers(data, d.MediaType)
	if err != nil {
		return "", noStack(ref, err)
	}
	if len(files) > 1 {
		return "", fmt.Errorf("%s: it has %d compose files, and one is read", ref.Familiar(), len(files))
	}
	p, err := locate(l.app.env)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(p.Cache, "compose", d.Digest.Encoded())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	for i, list := range [][]ispec.Descriptor{files, env} {
		for n, f := range list {
			data, err := s.ReadBlob(f, f.Size)
			if err != nil {
				return "", err
			}
			if err := copyWhole(filepath.Join(dir, compose.ArtifactName(n, i == 1)), bytes.NewReader(data)); err != nil {
				return "", err
			}
		}
	}
	return filepath.Join(dir, compose.ArtifactName(0, false)), nil
}

// noStack says of what is no stack how it is run.
func noStack(ref oci.Reference, err error) error {
	if errors.Is(err, compose.ErrNoStack) {
		return &hinted{fmt.Errorf("%s: %w", ref.Familiar(), err), "an image is run by wherry run " + ref.Familiar()}
	}
	return err
}

// maxStackManifest bounds the manifest of a stack, maxStack all that it has.
const (
	maxStackManifest = 1 << 20
	maxStack         = 16 << 20
)

// stackSink takes no more than a stack has: an image, or what a registry says is a stack, is
// not fetched to find out that it is none.
type stackSink struct {
	oci.Sink
	mu   sync.Mutex
	left int64
}

// Ingest refuses what is too much before it is read.
func (s *stackSink) Ingest(ctx context.Context, want ispec.Descriptor, r io.Reader) (ispec.Descriptor, error) {
	s.mu.Lock()
	s.left -= max(want.Size, 1)
	over := s.left < 0
	s.mu.Unlock()
	if over {
		return ispec.Descriptor{}, compose.ErrNoStack
	}
	return s.Sink.Ingest(ctx, want, r)
}
