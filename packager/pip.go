package packager

import (
	"context"
	"errors"
	"fmt"

	"github.com/wherry-run/wherry/internal/rootfs"
)

// pipInstall hands a pip install to the installer.
func (b *builder) pipInstall(ctx context.Context, s *state, j job, layers []rootfs.Layer, env []string, files []RunFile) (*Changes, error) {
	if b.Pip == nil {
		return nil, errors.New("there is no pip here")
	}
	tree, err := rootfs.New(rootfs.Options{Layers: layers, ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("open the stage's files: %w", err)
	}
	defer tree.Close()
	return b.Pip.Install(ctx, PipRequest{
		Args: j.pip, Dir: s.dir(), Env: env, Config: s.config, Layers: layers, Root: tree.FS(), Files: files,
		Runner: b.Runner, Epoch: b.Epoch, Stdout: b.Stdout, Stderr: b.Stderr,
	})
}
