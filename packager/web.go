package packager

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/servercmd"
	"github.com/wherry-run/wherry/oci"
)

// labelWeb writes how an image answers HTTP, where its program says that: the command of
// a server of Python, or a module that exports what such a module does. What the recipe
// says stays.
func (b *builder) labelWeb(s *state) error {
	labels := s.config.Config.Labels
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

// httpExport is what a reactor exports that answers HTTP: see serve/web/handler.
const httpExport = "wherry_http"

// application is the Python application that an image's command would serve. The error
// is servercmd.ErrNone where it is another program.
func application(s *state) (*servercmd.Application, error) {
	c := s.config.Config
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
