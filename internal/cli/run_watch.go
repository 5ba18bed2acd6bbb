package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/wherry-run/wherry/internal/changes"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager"
	"github.com/wherry-run/wherry/runtime"
)

// watchRun is wherry run --watch: versions of a folder, or of a module, one after another.
type watchRun struct {
	app     *app
	what    string
	args    []string
	options runOptions
	files   *changes.Files
	stop    context.CancelCauseFunc // ends it all
	now     *watchedRun
	applied *packager.Stage // what answers now, if that was taken over in place

	mu     sync.Mutex
	kind   string    // how the version that runs answers HTTP; "": it does not
	reload reloading // how it takes over another one; nil: not
	known  *heldImage
}

// watchedRun is one version that runs, until another one is run in its place.
type watchedRun struct {
	first  bool
	model  bool // it is served, and its server loads what its name leads to
	cancel context.CancelCauseFunc
	over   chan struct{}
	// once it is over:
	err   error
	alone bool // nobody had it end
}

// errReplaced ends a version in whose place the next one runs.
var errReplaced = errors.New("the next version takes its place")

// runWatched runs a folder, and has what changes in it take the place of what runs.
func (a *app) runWatched(ctx context.Context, what string, args []string, o runOptions) error {
	if err := watchable(what, o); err != nil {
		return err
	}
	files, err := a.watchedFiles(what, o)
	if err != nil {
		return err
	}
	a.talk() // there before there are several to share it
	w := &watchRun{app: a, what: what, args: args, options: o, files: files}
	a.watched = w
	following, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w.stop = stop
	image, err := w.open(ctx)
	if err != nil {
		return err
	}
	if err := a.mountable(ctx, image, o); err != nil {
		image.release()
		return err
	}
	a.talk().Clear()
	w.tell("following changes of " + what + "; Ctrl-C ends that")
	w.begin(ctx, image, true)
	err = changes.Follow(following, []*changes.Files{files}, func(_ int, s changes.Set) { w.changed(following, s) })
	w.now.cancel(context.Cause(ctx))
	<-w.now.over
	w.use(nil)
	switch {
	case !w.now.alone:
		return w.now.err // as without --watch
	case ctx.Err() != nil:
		return &exited{interruptCode(ctx), ""}
	}
	return err
}

// watchable refuses what cannot be followed.
func watchable(what string, o runOptions) error {
	switch {
	case o.life.detach:
		return &hinted{&ux.UsageError{Text: "-d and --watch are at odds: what follows changes stays in the foreground"}, "leave -d away"}
	case o.life.kept() || len(o.volumesFrom) > 0:
		return &hinted{&ux.UsageError{Text: "--watch is for a run that is not kept, without a supervisor"}, "leave --name, --restart, --cidfile, --volumes-from and the flags of logs and health checks away"}
	case o.stats != "" || o.statsFile != "" || o.recordHotSet != "":
		return &hinted{&ux.UsageError{Text: "--watch is for many runs, and --stats and --record-hot-set are for one"}, "leave --watch away"}
	case isPath(what):
		return nil
	}
	folder := "./FOLDER"
	if info, err := os.Stat(what); err == nil && info.IsDir() {
		folder = "./" + filepath.ToSlash(what)
	}
	return &hinted{&ux.UsageError{Text: "--watch follows the files of a folder, and " + what + " is an image: it does not change"},
		"write the folder that it is built of: wherry run --watch " + folder + "; files mounted by -v are seen as they are, without --watch"}
}

// watchedFiles are the files of a build, without what the run itself writes.
func (a *app) watchedFiles(what string, o runOptions) (*changes.Files, error) {
	info, err := os.Stat(what)
	if err != nil {
		return nil, noPath(what, err)
	}
	rules := changes.Rules{Context: info.IsDir(), Recipe: []string{recipeFile}}
	spec, err := a.spec(o)
	if err != nil {
		return nil, err
	}
	p, err := locate(a.env)
	if err != nil {
		return nil, err
	}
	written := []string{p.Data, p.Cache}
	for _, m := range spec.Mounts {
		written = append(written, m.Source)
	}
	for _, name := range written {
		if rel, ok := below(what, name); ok {
			rules.Ignore = append(rules.Ignore, rel)
		}
	}
	return changes.New(what, rules)
}

// below is what a path is called below a folder; false when it is not there.
func below(folder, name string) (string, bool) {
	folder, err := filepath.Abs(folder)
	if err != nil || name == "" {
		return "", false
	}
	if name, err = filepath.Abs(name); err != nil {
		return "", false
	}
	rel, err := filepath.Rel(folder, name)
	return filepath.ToSlash(rel), err == nil && rel != "." && filepath.IsLocal(rel)
}

// mountable sees to what is mounted, once for all versions.
func (a *app) mountable(ctx context.Context, image runtime.Image, o runOptions) error {
	unnamed, err := needsVolumes(image, o)
	if err != nil {
		return err
	}
	if unnamed {
		return &hinted{&ux.UsageError{Text: "with --read-only and --watch a volume needs a name: versions share it"}, "write -v NAME:/FOLDER"}
	}
	return a.fillNamed(ctx, image, o)
}

// tell says what was done.
func (w *watchRun) tell(text string) { w.app.talk().Line("watch: %s", text) }

// open builds what is run, and opens it.
func (w *watchRun) open(ctx context.Context) (*heldImage, error) {
	image, done, err := w.app.openTarget(ctx, w.what, &runtime.Spec{}, w.options)
	if err != nil {
		return nil, err
	}
	return &heldImage{Image: image, users: 1, done: done}, nil
}

// spec is what a version is run with.
func (w *watchRun) spec() (runtime.Spec, error) {
	spec, err := w.app.spec(w.options)
	if len(w.args) > 0 {
		spec.Args = w.args
	}
	spec.Stdin = w.app.In // as always where a path is run
	return spec, err
}

// begin runs a version, and holds its image.
func (w *watchRun) begin(ctx context.Context, image *heldImage, first bool) {
	v := &watchedRun{first: first, model: serves(image, w.args, w.options), over: make(chan struct{})}
	ctx, v.cancel = context.WithCancelCause(ctx)
	w.now, w.applied = v, nil
	w.use(image)
	go func() {
		defer close(v.over)
		spec, err := w.spec()
		if err == nil {
			err = w.app.runImage(ctx, w.what, image.Image, image.hold(), w.args, spec, w.options, nil, nil)
		}
		v.err = err
		w.serving(ctx, "", nil)
		if v.alone = ctx.Err() == nil; v.alone {
			w.ended(ctx, v)
		}
	}()
}

// ended tells of a version that has ended by itself. A first one that we could not run
// ends it all.
func (w *watchRun) ended(ctx context.Context, v *watchedRun) {
	if v.first && ours(v.err) {
		w.stop(v.err)
		return
	}
	w.app.talk().Clear()
	if _, m := judge(ctx, v.err); m.Text != "" {
		ux.PrintError(w.app.Err, m)
	}
	w.tell("it has ended; the next change runs it again")
}

// serving hears how a server takes over other files, or, with nil, that it ends. Nobody
// watches where w is nil.
func (w *watchRun) serving(ctx context.Context, kind string, reload reloading) {
	if w == nil {
		return
	}
	w.mu.Lock()
	w.kind, w.reload = kind, reload
	known := w.known
	w.mu.Unlock()
	if reload != nil && known != nil && (kind == oci.WebWSGI || kind == oci.WebASGI) {
		done := known.hold()
		go func() { _ = reload(ctx, known.Image, true, done) }() // else the first change takes longer
	}
}

// use has versions from now on begin with what is known of an image.
func (w *watchRun) use(image *heldImage) {
	w.mu.Lock()
	old := w.known
	w.known = image
	w.mu.Unlock()
	if old != nil {
		old.release()
	}
}

// changed follows a change.
func (w *watchRun) changed(ctx context.Context, s changes.Set) {
	began := time.Now()
	done, err := w.follow(ctx)
	if ctx.Err() != nil {
		return
	}
	w.app.talk().Clear()
	what := s.String()
	if what == "." {
		what = w.what
	}
	if err == nil {
		w.tell(done + " in " + rounded(time.Since(began)) + ": " + what)
		return
	}
	if _, m := judge(ctx, err); m.Text != "" {
		ux.PrintError(w.app.Err, m)
	}
	w.tell(done + ": " + what)
}

// What is done for a change, in words.
const (
	doneNothing  = "nothing of it is in the image: looked"
	doneReloaded = "reloaded"
	doneReplaced = "built and replaced"
	doneModel    = "built, and the model is loaded anew"
	doneAgain    = "built and run again"
	failedBuild  = "not built, and what runs goes on"
	failedReload = "reloaded, but the application does not begin; the next change may mend it"
)

// follow has what has changed take the place of what runs.
func (w *watchRun) follow(ctx context.Context) (string, error) {
	w.mu.Lock()
	kind, reload := w.kind, w.reload
	w.mu.Unlock()
	if reload != nil {
		if done, err := w.inPlace(ctx, kind, reload); done != "" {
			return done, err
		}
	}
	image, err := w.open(ctx)
	if err != nil {
		return failedBuild, err
	}
	spec, err := w.spec()
	if err != nil {
		image.release()
		return failedBuild, err
	}
	is := webKind(image, spec, w.options)
	switch {
	case reload != nil && is == kind && !serves(image, w.args, w.options):
		w.use(image)
		w.applied = nil
		return replaced(doneReplaced, reload(ctx, image.Image, false, image.hold()))
	case w.now.model && serves(image, w.args, w.options) && !w.now.isOver():
		image.release()
		return doneModel, nil // tagWatch sees it
	}
	if err := w.compiled(ctx, image, is); err != nil {
		image.release()
		return failedBuild, err
	}
	w.now.cancel(errReplaced)
	<-w.now.over
	w.begin(ctx, image, false)
	return doneAgain, nil
}

// replaced is what was done when a server was given other files.
func replaced(done string, err error) (string, error) {
	if err != nil {
		return failedReload, err
	}
	return done, nil
}

func (v *watchedRun) isOver() bool {
	select {
	case <-v.over:
		return true
	default:
		return false
	}
}

// inPlace has a server take over the files of a build, of which no image is made. It does
// nothing, and says "", where more than files has changed: then an image is built.
func (w *watchRun) inPlace(ctx context.Context, kind string, reload reloading) (string, error) {
	work, err := w.app.workshop(ctx)
	if err != nil {
		return failedBuild, err
	}
	drop := func() { work.close(context.WithoutCancel(ctx)) }
	stage, err := w.app.buildStage(ctx, work, w.what)
	if err != nil {
		drop()
		return failedBuild, err
	}
	w.mu.Lock()
	known := w.known
	w.mu.Unlock()
	spec, err := w.spec()
	image, ok := restaged(known.Image, stage)
	if err != nil || !ok || webKind(image, spec, w.options) != kind {
		drop()
		return "", nil
	}
	if w.applied != nil && stage.Same(w.applied) {
		drop()
		return doneNothing, nil
	}
	work.filesOnly(ctx)
	release := known.hold()
	w.applied = stage
	return replaced(doneReloaded, reload(ctx, image, false, func() {
		release()
		drop()
	}))
}

// compiled has an image of a program at hand before it takes another one's place. What
// answers HTTP or is a model on a base of ours comes with what it needs.
func (w *watchRun) compiled(ctx context.Context, image runtime.Image, kind string) error {
	labels := image.Config().Labels
	if kind == oci.WebStatic || labels[oci.LabelPython] != "" || labels[packager.LabelONNX] != "" {
		return nil
	}
	rt, err := w.app.runtime(ctx)
	if err != nil {
		return err
	}
	defer closeRuntime(ctx, rt)
	_, err = rt.Warm(ctx, image, runtime.WarmSpec{Workers: warmWorkers})
	return err
}
