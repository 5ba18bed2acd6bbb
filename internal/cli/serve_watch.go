package cli

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/serve/repository"
)

// watchInterval is how often tags are looked at: one look at a file, mostly.
const watchInterval = time.Second

// watchSettled is how old the list of images must be, to be sure that it was not
// written again since in the same moment of the file system's clock.
const watchSettled = 3 * time.Second

// tagWatch follows the tags of served models.
type tagWatch struct {
	app     *app
	store   *store.Store
	served  *repository.Repository
	models  []*servedModel
	read    time.Time                      // the list of images, as it was written then
	refused map[*servedModel]digest.Digest // what could not be loaded; once is enough
}

// attend does what a running server has to have done, until ctx ends: it loads models
// anew whose tags are moved, if it is to follow them, and looks for that and reads the
// server's files at once when it is asked to by a hangup. It returns what ends that.
func (a *app) attend(ctx context.Context, r *repository.Repository, models []*servedModel, follow bool) (leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	asked, stop := hangups()
	now := make(chan struct{}, 1)
	go a.watchTags(ctx, r, models, follow, now)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-asked:
				a.say("asked by a signal, the server looks for new keys, certificates and tags")
				for _, again := range a.again {
					again()
				}
				select {
				case now <- struct{}{}:
				default: // that is to be done already
				}
			}
		}
	}()
	return func() {
		cancel()
		stop()
	}
}

// watchTags loads models anew whose tags are moved, now and then or when it is told to,
// until ctx ends.
func (a *app) watchTags(ctx context.Context, r *repository.Repository, models []*servedModel, follow bool, now <-chan struct{}) {
	w := &tagWatch{app: a, served: r, refused: map[*servedModel]digest.Digest{}}
	for _, m := range models {
		if !m.ref.IsZero() && m.ref.Digest == "" {
			w.models = append(w.models, m)
		}
	}
	if len(w.models) == 0 {
		return
	}
	var err error
	if w.store, err = a.store(ctx); err != nil {
		return
	}
	defer w.store.Close()
	var ticks <-chan time.Time
	if follow {
		tick := time.NewTicker(watchInterval)
		defer tick.Stop()
		ticks = tick.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		case <-now:
			w.read = time.Time{}
			clear(w.refused)
		}
		w.lookSafely(ctx)
	}
}

// lookSafely looks, and survives it.
func (w *tagWatch) lookSafely(ctx context.Context) {
	defer func() {
		if bug := recover(); bug != nil {
			w.app.say("tags could not be looked at: %v", bug)
		}
	}()
	w.look(ctx)
}

// look compares all tags with what is served.
func (w *tagWatch) look(ctx context.Context) {
	changed, err := w.store.Changed()
	if err != nil || changed.Equal(w.read) {
		return
	}
	entries, err := w.store.List(ctx)
	if err != nil {
		return // the next time
	}
	if time.Since(changed) > watchSettled {
		w.read = changed
	}
	tags := make(map[oci.Reference]digest.Digest, len(entries))
	for _, e := range entries {
		if !e.Ref.IsZero() {
			tags[e.Ref] = e.Descriptor.Digest
		}
	}
	for _, m := range w.models {
		if now := tags[m.ref]; now != "" && now != w.refused[m] && m.leftBehind(now) {
			w.read = time.Time{} // look again: at what was moved meanwhile, or at one that could not be loaded now
			w.follow(ctx, m, now)
		}
	}
}

// leftBehind tells whether a model's tag was something else when it was opened.
func (m *servedModel) leftBehind(now digest.Digest) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tagged != now
}

// follow loads a model anew. One that does not run sees where its tag is when it is
// loaded.
func (w *tagWatch) follow(ctx context.Context, m *servedModel, now digest.Digest) {
	if st, err := w.served.Status(m.name, m.version); err != nil || st.State != repository.StateReady || st.Asleep {
		return
	}
	if err := w.served.Load(ctx, m.name); err != nil {
		w.refused[m] = now
		w.app.say("%s stays as it was: %v", m.what, err)
		return
	}
	w.app.say("%s is now %s", m.what, now)
}
