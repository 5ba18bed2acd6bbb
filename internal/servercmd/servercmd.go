// Package servercmd reads the commands of Python's web servers: which application
// gunicorn app:app, uvicorn app:app, flask run or python manage.py runserver would
// serve. It knows their options; it runs nothing.
package servercmd

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
)

// What an Application speaks, and how it is found.
const (
	WSGI, ASGI = "wsgi", "asgi"

	Import  = "import"  // Target is MODULE:NAME
	Factory = "factory" // and NAME is called for it
	Flask   = "flask"   // Target is what flask --app takes, or "" for what it finds
	Django  = "django"  // Target is the path of manage.py
)

// An Application is what a command serves.
type Application struct {
	// Server is the program of the command.
	Server string
	// Protocol is WSGI or ASGI, How one of Import, Factory, Flask, Django.
	Protocol, How, Target string
	// Dir is the folder in which it is, "" for the working directory.
	Dir string
	// Root is the path below which it believes to be.
	Root string
	// Workers is how many processes the command asks for; 0: it does not say.
	Workers int
	// Timeout is how many seconds it gives a request; 0: it does not say.
	Timeout int
	// Message is how many bytes a message of a WebSocket may have; 0: it does not say.
	Message int
}

// ErrNone says that a command is none of a server that is known.
var ErrNone = errors.New("no server of Python is called")

// An OptionError is an option of a server that cannot be followed.
type OptionError struct{ Server, Option, Reason string }

func (e *OptionError) Error() string { return e.Server + " " + e.Option + ": " + e.Reason }

// options of a server: those that take a value, and what is done with it. A nil is for
// one that says how a server of sockets and processes works, which the host's has its
// own way of.
type options struct {
	value  map[string]func(a *Application, v string) error
	flag   map[string]func(a *Application)
	refuse map[string]string
}

// Parse reads a command. env gives variables that servers look at; nil is an empty
// environment. The error is ErrNone for other programs.
func Parse(command []string, env func(string) string) (*Application, error) {
	if env == nil {
		env = func(string) string { return "" }
	}
	words := plainShell(command, env)
	for len(words) > 1 && (words[0] == "exec" || words[0] == "env") {
		words = words[1:]
	}
	if len(words) == 0 {
		return nil, ErrNone
	}
	if words = module(words); words == nil {
		return nil, ErrNone
	}
	switch name := path.Base(words[0]); name {
	case "gunicorn":
		return gunicorn(append(strings.Fields(env("GUNICORN_CMD_ARGS")), words[1:]...))
	case "uvicorn", "hypercorn", "daphne":
		return uvicorn(name, words[1:])
	case "waitress-serve":
		return waitress(words[1:])
	case "flask":
		return flask(words[1:], env)
	case "manage.py":
		return django(words)
	}
	return nil, ErrNone
}

// plainShell is what the shell form of a command calls, as long as it has nothing for a
// shell to do but to put variables in.
func plainShell(command []string, env func(string) string) []string {
	if len(command) != 3 || command[1] != "-c" || path.Base(command[0]) != "sh" {
		return command
	}
	if strings.ContainsAny(command[2], ";&|<>`\"'*?()[]\\\n#~") {
		return command
	}
	return strings.Fields(os.Expand(command[2], func(name string) string {
		name, without, _ := strings.Cut(name, ":-")
		return cmp.Or(env(name), without)
	}))
}

// module turns python -m NAME, and python manage.py, into the command that it is.
func module(words []string) []string {
	name := path.Base(words[0])
	if name != "python" && name != "python3" && !strings.HasPrefix(name, "python3.") {
		return words
	}
	rest := words[1:]
	for len(rest) > 0 && (rest[0] == "-u" || rest[0] == "-B" || rest[0] == "-O") {
		rest = rest[1:]
	}
	if len(rest) >= 2 && rest[0] == "-m" {
		return rest[1:]
	}
	if len(rest) >= 1 && path.Base(rest[0]) == "manage.py" {
		return rest
	}
	return nil
}

// read takes words apart; what is no option is given back.
func (o options) read(a *Application, words []string) (rest []string, err error) {
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if word == "--" {
			return append(rest, words...), nil
		}
		if len(word) < 2 || word[0] != '-' {
			rest = append(rest, word)
			continue
		}
		name, value, given := strings.Cut(word, "=")
		if word[1] != '-' { // -w4 as -w 4
			given = len(word) > 2
			name, value = word[:2], strings.TrimPrefix(word[2:], "=")
		}
		if why, ok := o.refuse[name]; ok {
			return nil, &OptionError{a.Server, name, why}
		}
		if set, ok := o.flag[name]; ok && !given {
			if set != nil {
				set(a)
			}
			continue
		}
		set, ok := o.value[name]
		if !ok {
			return nil, &OptionError{a.Server, name, "this option is not known here"}
		}
		if !given {
			if len(words) == 0 {
				return nil, &OptionError{a.Server, name, "its value is missing"}
			}
			value, words = words[0], words[1:]
		}
		if set == nil {
			continue
		}
		if err := set(a, value); err != nil {
			return nil, &OptionError{a.Server, name, err.Error()}
		}
	}
	return rest, nil
}

// one is the only word of a server that is to be an application.
func (a *Application) one(rest []string) error {
	if len(rest) != 1 {
		return fmt.Errorf("%s: one application is wanted, MODULE:NAME, and there are %d", a.Server, len(rest))
	}
	a.Target = rest[0]
	return nil
}

func number(to *int) func(*Application, string) error {
	return func(_ *Application, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > 1<<30 {
			return fmt.Errorf("%.40q is no number for it", v)
		}
		*to = n
		return nil
	}
}

func word(to *string) func(*Application, string) error {
	return func(_ *Application, v string) error { *to = v; return nil }
}

// with gives the same meaning to several names.
func with[V any](m map[string]V, v V, names ...string) {
	for _, n := range names {
		m[n] = v
	}
}
