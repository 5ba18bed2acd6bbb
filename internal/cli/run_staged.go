package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager"
	"github.com/wherry-run/wherry/runtime"
)

// heldImage is an open image that several use: it is closed when nobody does.
type heldImage struct {
	runtime.Image
	done func()

	mu    sync.Mutex
	users int
}

// hold is one more user, who calls what it returns in the end.
func (h *heldImage) hold() (release func()) {
	h.mu.Lock()
	h.users++
	h.mu.Unlock()
	return sync.OnceFunc(h.release)
}

func (h *heldImage) release() {
	h.mu.Lock()
	h.users--
	last := h.users == 0
	h.mu.Unlock()
	if last {
		h.done()
	}
}

// stagedImage is a finished stage, with what is known of the image that was built of the
// one before.
type stagedImage struct {
	overImage
	stage *packager.Stage
}

// Config is the stage's.
func (s stagedImage) Config() ispec.ImageConfig { return s.stage.Config.ImageConfig }

// Layers are the stage's.
func (s stagedImage) Layers() []layer.Layer { return s.stage.Layers }

// restaged is an image with the files of a stage. ok is false where these are more than
// other files of the same program: what its config says, or the packages below them.
func restaged(image runtime.Image, stage *packager.Stage) (s stagedImage, ok bool) {
	before := packager.StageOf(image.Layers())
	ok = sameConfig(image.Config(), stage.Config.ImageConfig)
	over := holding(image, func(snap *oci.Snapshot) bool {
		holds := !stage.Alters(before, snap.Reads.Dirs)
		if !holds && !ofProgram(snap) {
			ok = false // a new one has to be made, for a start from there
		}
		return holds
	})
	return stagedImage{over, stage}, ok
}

// sameConfig compares configs as they are written.
func sameConfig(x, y ispec.ImageConfig) bool {
	a, aerr := json.Marshal(x)
	b, berr := json.Marshal(y)
	return aerr == nil && berr == nil && bytes.Equal(a, b)
}

// buildStage builds the files of a folder that is run.
func (a *app) buildStage(ctx context.Context, w *workshop, folder string) (stage *packager.Stage, err error) {
	err = a.building(w, folder, buildOptions{}, func(o packager.Options) error {
		o.Progress = notes{o.Progress}
		stage, err = packager.BuildStage(ctx, o)
		return err
	})
	return stage, err
}

// notes are what a build has to tell besides its steps.
type notes struct{ packager.Progress }

// Report passes notes on.
func (n notes) Report(e packager.Event) {
	if e.Note != "" {
		n.Progress.Report(e)
	}
}
