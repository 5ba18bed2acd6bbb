package packager

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/servercmd"
	"github.com/wherry-run/wherry/oci"
)

// labelWeb writes how an image answers HTTP, where its program says that: the command of
// a server of Python, or a module that exports what such a module does. What the recipe
// says stays.
func (b *builder) labelWeb(s *state) error {
	labels := s.config.Config.Labels
	b.adviseSite(s)
	if s.said(oci.LabelWeb) || labels[LabelModel] != "" {
		return nil
	}
	a, err := application(s)
	switch {
	case err == nil:
		s.label(oci.LabelWeb, a.Protocol)
		return nil
	case !errors.Is(err, servercmd.ErrNone):
		return fmt.Errorf("the image's command: %w", err)
	}
	file, n, err := b.program(s)
	if err != nil || file == "" || labels[oci.LabelPython] != "" {
		return err
	}
	is, err := exports(n, httpExport)
	if is {
		s.label(oci.LabelWeb, oci.WebHandler)
	}
	return err
}

// adviseSite tells of a site of files that has none where they are looked for, but
// elsewhere.
func (b *builder) adviseSite(s *state) {
	c := s.config.Config
	if c.Labels[oci.LabelWeb] != oci.WebStatic || len(c.Entrypoint)+len(c.Cmd) > 0 {
		return
	}
	root := cmp.Or(c.Labels[oci.LabelWebRoot], oci.DefaultWebRoot)
	files := s.tree(b.Store)
	place := "" // the folder of a file that is out of it
	for name, n := range files.nodes {
		if n.kind == layer.Dir {
			continue
		}
		if under := clean(root); under == "" || strings.HasPrefix(name, under+"/") || name == under {
			return
		}
		if dir := "/" + path.Dir(name); place == "" || len(dir) < len(place) || len(dir) == len(place) && dir < place {
			place = path.Clean(dir)
		}
	}
	if place != "" {
		b.note(s, "nothing is in %s, where the files of the site are looked for, but in %s: write COPY . %[1]s/, or LABEL %[3]s=%[2]s", root, place, oci.LabelWebRoot)
	}
}

// httpExport is what a reactor exports that answers HTTP: see serve/web/handler.
const httpExport = "wherry_http"

// application is the Python application that an image's command would serve. The error
// is servercmd.ErrNone where it is another program.
func application(s *state) (*servercmd.Application, error) { return applicationOf(s.config.Config) }

func applicationOf(c oci.ImageConfig) (*servercmd.Application, error) {
	if c.Labels[oci.LabelPython] == "" {
		return nil, servercmd.ErrNone
	}
	return servercmd.Parse(slices.Concat(c.Entrypoint, c.Cmd), func(name string) string {
		for _, kv := range slices.Backward(c.Env) {
			if value, ok := strings.CutPrefix(kv, name+"="); ok {
				return value
			}
		}
		return ""
	})
}

// recordedConfig is the config of an image as it is recorded: its program is its command,
// or what answers for that.
func recordedConfig(s *state) oci.ImageConfig {
	c := s.config.Config
	if a, err := application(s); err == nil {
		c.Entrypoint, c.Cmd = a.Args(), nil
	}
	return c
}

// isPythonWeb recognises the images with an application of Python, which are snapshotted
// without being asked.
func isPythonWeb(s *state) bool {
	_, err := application(s)
	return err == nil
}
