package packager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager/recipe"
)

// state is a stage between two steps.
type state struct {
	name  string
	index int
	// base is where the stage started; nil for scratch and toolchains.
	base   *Image
	config oci.Image
	// parts are the layers on top of the base.
	parts []part
	// lang and pinned are set in a toolchain stage.
	lang, pinned string
	// args are the ARGs in scope.
	args map[string]string
	// shell starts shell-form commands.
	shell []string
	// ownCmd says that this stage has set CMD itself.
	ownCmd bool
	// snapshot says that the stage asked for one, secret that a step of it was
	// given secrets.
	snapshot, secret bool
	// files is the union of all layers, made when first asked for.
	files *union
}

// part is one layer that a step has made.
type part struct {
	index  *layer.Index
	digest string // of the encoded index
	// weight is the path of a MODEL file; its layer is blob already.
	weight string
	blob   *oci.Layer
}

func newState(base *Image, epoch time.Time) *state {
	s := &state{base: base, args: map[string]string{}, shell: []string{"/bin/sh", "-c"}}
	if base != nil {
		s.config = base.Config
		s.config.History = slices.Clone(base.Config.History)
		s.config.Config = cloneConfig(base.Config.Config)
	}
	s.config.Created = &epoch
	s.config.Platform = oci.Platforms()[0]
	s.config.RootFS = ispec.RootFS{}
	return s
}

// fork starts a new stage where this one has ended.
func (s *state) fork() *state {
	n := *s
	n.config.History = slices.Clone(s.config.History)
	n.config.Config = cloneConfig(s.config.Config)
	n.parts = slices.Clone(s.parts)
	n.args = map[string]string{}
	n.shell = []string{"/bin/sh", "-c"}
	n.ownCmd, n.snapshot = false, false
	return &n
}

func cloneConfig(c oci.ImageConfig) oci.ImageConfig {
	c.Env = slices.Clone(c.Env)
	c.Cmd = slices.Clone(c.Cmd)
	c.Entrypoint = slices.Clone(c.Entrypoint)
	c.Labels = maps.Clone(c.Labels)
	c.ExposedPorts = maps.Clone(c.ExposedPorts)
	c.Volumes = maps.Clone(c.Volumes)
	return c
}

// layers are all layers as a rootfs reads them, bottom first.
func (s *state) layers(content layer.Content) []rootfs.Layer {
	var all []rootfs.Layer
	if s.base != nil {
		for _, l := range s.base.Layers {
			all = append(all, l.Files)
		}
	}
	for _, p := range s.parts {
		all = append(all, rootfs.Layer{Index: p.index, Content: content})
	}
	return all
}

// tree is the union of the layers.
func (s *state) tree(content layer.Content) *union {
	if s.files == nil {
		s.files = newUnion(s.layers(content))
	}
	return s.files
}

// push adds a layer and its line of history.
func (s *state) push(p part, createdBy string, epoch time.Time) {
	s.files = nil
	s.parts = append(s.parts, p)
	s.history(createdBy, epoch, false)
}

// pushAll adds the layers of one step, or its line of history alone.
func (s *state) pushAll(parts []part, createdBy string, epoch time.Time) {
	if len(parts) == 0 {
		s.history(createdBy, epoch, true)
	}
	for _, p := range parts {
		s.push(p, createdBy, epoch)
	}
}

func (s *state) history(createdBy string, epoch time.Time, empty bool) {
	s.config.History = append(s.config.History, ispec.History{
		Created: &epoch, CreatedBy: createdBy, Comment: "wherry", EmptyLayer: empty,
	})
}

// digest names the files of the stage.
func (s *state) digest() string {
	h := newKey("files")
	if s.base != nil {
		for _, l := range s.base.Layers {
			h.add(string(l.DiffID))
		}
	}
	for _, p := range s.parts {
		h.add(p.digest)
	}
	return h.sum()
}

// environment is ENV and the ARGs in scope; ENV wins, as in Docker.
func (s *state) environment() []string {
	set := map[string]bool{}
	for _, kv := range s.config.Config.Env {
		name, _, _ := strings.Cut(kv, "=")
		set[name] = true
	}
	env := slices.Clone(s.config.Config.Env)
	for _, name := range sortedKeys(s.args) {
		if !set[name] {
			env = append(env, name+"="+s.args[name])
		}
	}
	return env
}

func (s *state) expander(escape rune) instructions.SingleWordExpander {
	env := shell.EnvsFromSlice(s.environment())
	lex := shell.NewLex(escape)
	return func(word string) (string, error) {
		out, _, err := lex.ProcessWord(word, env)
		return out, err
	}
}

// rawExpander is for the text of heredocs, where quotes mean nothing.
func (s *state) rawExpander() instructions.SingleWordExpander {
	env := shell.EnvsFromSlice(s.environment())
	return func(word string) (string, error) {
		lex := shell.NewLex('\\')
		lex.SkipProcessQuotes = true
		out, _, err := lex.ProcessWord(word, env)
		return out, err
	}
}

// absolute joins a path of the recipe to the working directory.
func (s *state) absolute(name string) string {
	name = strings.ReplaceAll(name, `\`, `/`)
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Clean(path.Join("/", s.config.Config.WorkingDir, name))
}

// from prepares what a stage starts with.
func (b *builder) from(ctx context.Context, def recipe.Stage, i int) (*state, error) {
	name, err := b.Recipe.ExpandFrom(def, b.BuildArgs)
	if err != nil {
		return nil, err
	}
	from, err := recipe.ResolveFrom(name, b.Recipe.Stages[:i])
	if err != nil {
		return nil, err
	}
	switch from.Kind {
	case recipe.Scratch:
		return newState(nil, b.Epoch), nil
	case recipe.FromStage:
		earlier, err := b.stage(ctx, from.Stage)
		if err != nil {
			return nil, err
		}
		return earlier.fork(), nil
	case recipe.Toolchain:
		if b.Toolchain == nil {
			return nil, errors.New("FROM toolchain: calls compilers of this machine, and whoever builds here gave none\nin Go: packager.Options.Toolchain")
		}
		s := newState(nil, b.Epoch)
		s.lang, s.pinned = from.Name, from.Version
		return s, nil
	}
	img, err := b.image(ctx, from)
	if err != nil {
		return nil, err
	}
	return newState(img, b.Epoch), nil
}

// arg brings an ARG into scope: the value given, else the one from before the
// first FROM (when it stands without a value), else its default.
func (b *builder) arg(s *state, c *instructions.ArgCommand) error {
	for _, arg := range c.Args {
		b.used[arg.Key] = true
		value, ok := b.BuildArgs[arg.Key]
		if !ok && arg.Value != nil {
			value, ok = *arg.Value, true
		}
		if !ok {
			value, ok = b.global[arg.Key]
		}
		if !ok {
			value, ok = automatic[arg.Key]
		}
		if ok {
			s.args[arg.Key] = value
		}
	}
	s.history("ARG "+argText(c), b.Epoch, true)
	return nil
}

// automatic are the values that BuildKit gives to ARGs that ask for them.
var automatic = map[string]string{
	"TARGETPLATFORM": "wasip1/wasm", "TARGETOS": "wasip1", "TARGETARCH": "wasm", "TARGETVARIANT": "",
	"BUILDPLATFORM": "wasip1/wasm", "BUILDOS": "wasip1", "BUILDARCH": "wasm", "BUILDVARIANT": "",
}

// argText is the ARG as it stands in the recipe: values that were given do not
// belong into the history.
func argText(c *instructions.ArgCommand) string {
	var words []string
	for _, arg := range c.Args {
		if arg.Value == nil {
			words = append(words, arg.Key)
		} else {
			words = append(words, fmt.Sprintf("%s=%s", arg.Key, *arg.Value))
		}
	}
	return strings.Join(words, " ")
}

func sortedKeys[M ~map[K]V, K cmp.Ordered, V any](m M) []K {
	return slices.Sorted(maps.Keys(m))
}
