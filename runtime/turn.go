package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/ruby"
)

// request is what a guest of ProtocolTurn is told, as JSON: who it is from now
// on.
type request struct {
	Args []string `json:"args"`
	Env  []string `json:"env"`
	Dir  string   `json:"dir"`
	// Base64 of random bytes, for what a program seeds its own generators with.
	Seed []byte `json:"seed,omitempty"`
	// Guess lets it be called with plain values before its snapshot is taken.
	Guess bool `json:"guess,omitempty"`
	// Cases is a file of golden cases that it may do before its snapshot is taken.
	Cases string `json:"cases,omitempty"`
	// Packages are modules to be imported, and nothing else; nil: it is a program.
	Packages []string `json:"packages,omitzero"`
	// Again says that it was restored before, and has said what there is to say.
	Again bool `json:"again,omitempty"`
}

// The calls of ProtocolTurn, in the words of the Python base.
const (
	turnImport = "import sys\n" +
		"from importlib import util as _u\n" +
		"_s = _u.spec_from_file_location('_wherry', '/usr/local/lib/wherry/_wherry/__init__.py', submodule_search_locations=['/usr/local/lib/wherry/_wherry'])\n" +
		"_m = _u.module_from_spec(_s)\n" +
		"sys.modules['_wherry'] = _m\n" +
		"_s.loader.exec_module(_m)\n"
	// It leaves no name in __main__, which is the program's, and nothing for
	// sys.displayhook.
	turnCall     = "if __import__('_wherry.turn').turn."
	turnLoad     = turnImport + turnCall + "prepare(%s): pass\n"
	turnOver     = turnCall + "prepare(%s): pass\n" // over packages that were imported
	turnRehearse = turnCall + "rehearse(%s): pass\n"
	turnResume   = turnCall + "resume(%s): pass\n"
	// Those of a Worker: from its snapshot, from its beginning, and one request. What
	// it is to do goes over the door: see workerframe.go.
	turnBegin = turnCall + "begin(): pass\n"
	turnFirst = turnImport + turnBegin
	turnWork  = turnCall + "work(): pass\n"
)

// turnSource puts a request into a call. JSON in a string of JSON is a literal
// of Python as well, but for a few characters that encoding/json escapes.
func turnSource(call string, r request) (string, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	literal, err := json.Marshal(string(data))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(call, literal), nil
}

// turn has a guest run source text.
func turn(ctx context.Context, i *engine.Instance, source string) error {
	at, err := i.Call(ctx, "host_alloc", uint64(len(source)))
	if err != nil {
		return err
	}
	if len(at) != 1 || !i.Memory().WriteString(uint32(at[0]), source) {
		return errors.New("the guest has no room for a request")
	}
	result, err := i.Call(ctx, "turn", at[0], uint64(len(source)))
	if err != nil {
		return err
	}
	if len(result) != 1 || uint32(result[0]) != 0 {
		return &ExitError{Code: 1}
	}
	return nil
}

// resume has a restored guest go on as the program that x and p say.
func resume(ctx context.Context, i *engine.Instance, s *oci.Snapshot, x *executable, p Process, seed []byte) error {
	if s.Protocol == oci.ProtocolTurn {
		source, err := turnSource(turnResume, newRequest(x, p, seed))
		if err != nil {
			return err
		}
		return turn(ctx, i, source)
	}
	if s.Protocol == oci.ProtocolRuby {
		return ruby.Continue(ctx, i, x.args)
	}
	return work(ctx, i, x) // _initialize was called before the snapshot
}

func newRequest(x *executable, p Process, seed []byte) request {
	env := p.environ()
	return request{Args: x.args, Env: env.list(), Dir: p.Dir, Seed: seed}
}

// seedBytes is how much randomness a restored guest is handed.
const seedBytes = 32

// continued is a clock for a restored guest: its monotonic time goes on from
// where the snapshot was taken, and never back.
type continued struct {
	wasi.Clock
	offset time.Duration
}

// Monotonic is the time since the clock of the snapshot was made, without what
// passed between the two.
func (c continued) Monotonic() time.Duration { return c.Clock.Monotonic() + c.offset }

// reads is what a guest of ProtocolTurn says it looked at, over the door.
type reads struct {
	Wherry string             `json:"wherry"` // "reads"
	Args   bool               `json:"args"`
	Env    map[string]*string `json:"env"`
	AllEnv bool               `json:"allEnv"`
	Fixed  int                `json:"fixed"` // how many arguments it is bound to
	// Refused is why there can be no snapshot of it, in its own words.
	Refused string `json:"refused"`
	// Terminal is set when it asked whether it has one.
	Terminal bool `json:"terminal"`
	// Printed is how many bytes it printed of which it knows: it prints them again
	// in every run, or did not print them for anybody.
	Printed int64 `json:"printed"`
	// Renews is set when it draws anew after a restore what it drew.
	Renews bool `json:"renews"`
	// Guessed is set when it was called with values that nobody gave.
	Guessed bool `json:"guessed"`
	// Packages are the modules that it would rather have been told to import.
	Packages []string `json:"packages"`
	// Signature is what its requests and answers are, for one that answers any.
	Signature json.RawMessage `json:"signature"`
	// Runs are those that show what its runs run.
	Runs []rehearsal `json:"runs"`
}

// rehearsal is one run that a program has made of it while it is recorded.
type rehearsal struct {
	Args  []string `json:"args"` // beyond those it is bound to
	Stdin string   `json:"stdin"`
	// Rare is set for what few runs do: it need not be at hand at once.
	Rare bool `json:"rare"`
	// Env is what its environment has beyond the image's, and Dir where it begins; ""
	// is as the image has it.
	Env []string `json:"env"`
	Dir string   `json:"dir"`
}

// parseReads reads a message that a guest sends when it has loaded; false for
// every other message.
func parseReads(message []byte) (r reads, ok bool) {
	if !strings.HasPrefix(string(message), `{"wherry":`) || json.Unmarshal(message, &r) != nil || r.Wherry != "reads" {
		return reads{}, false
	}
	return r, true
}
