package spec

import (
	"fmt"
	"io"
	"sync"

	"github.com/sirupsen/logrus"
)

// listening guards the library's only way to say what is odd, which is one logger for the
// whole process. It is held while the library is called, and at no other time: what waits
// for a registry, or for somebody who types, has nobody else wait.
var listening sync.Mutex

// warnings are passed on to who wants to hear them.
type warnings struct {
	tell  func(string)
	quiet bool
	told  map[string]bool
}

// hear has warnings go to tell, which may be nil.
func hear(tell func(string)) *warnings { return &warnings{tell: tell, told: map[string]bool{}} }

// during hears the library's logger while f runs. f does not call it again.
func (w *warnings) during(f func() error) error {
	listening.Lock()
	defer listening.Unlock()
	log := logrus.StandardLogger()
	out, hooks := log.Out, log.Hooks
	defer func() {
		log.SetOutput(out)
		log.ReplaceHooks(hooks)
	}()
	log.SetOutput(io.Discard)
	log.ReplaceHooks(logrus.LevelHooks{})
	log.AddHook(w)
	return f()
}

// Levels are those of warnings.
func (*warnings) Levels() []logrus.Level { return []logrus.Level{logrus.WarnLevel, logrus.ErrorLevel} }

// Fire passes a warning on.
func (w *warnings) Fire(e *logrus.Entry) error {
	w.say("%s", e.Message)
	return nil
}

// say tells something.
func (w *warnings) say(format string, a ...any) {
	if w.tell != nil && !w.quiet {
		w.tell(fmt.Sprintf(format, a...))
	}
}

// once tells something that may be found more than once.
func (w *warnings) once(text string) {
	if w.tell != nil && !w.told[text] {
		w.told[text] = true
		w.tell(text)
	}
}
