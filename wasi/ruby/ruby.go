// Package ruby knows the ABI of ruby.wasm's builds for npm: a library whose host
// starts the interpreter with its options, and then hands it text to evaluate.
// It makes a program of that, called as ruby is called on a command line.
package ruby

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/wasi"
)

// What such a module exports, besides _initialize.
const (
	exportInit  = "ruby-init: func(args: list<string>) -> ()"
	exportEval  = "rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>"
	exportAlloc = "cabi_realloc"
)

// An Instance is what Run needs of the instance of a module.
type Instance interface {
	HasFunc(name string) bool
	Call(ctx context.Context, name string, args ...uint64) ([]uint64, error)
	Memory() wasi.Memory
}

// Is tells whether the exported functions, by has, are those of such a module.
func Is(has func(name string) bool) bool {
	return has(exportInit) && has(exportEval) && has(exportAlloc)
}

// maxHandles bounds the Ruby values that a guest has its host hold.
const maxHandles = 1 << 20

// New is the host module "canonical_abi" for one instance: the numbers under
// which the host holds values of the guest.
func New() wasi.HostModule {
	var values []uint32
	return wasi.HostModule{Name: "canonical_abi", Funcs: []wasi.HostFunc{
		{
			Name: "resource_new_rb-abi-value", Params: []wasi.ValueType{wasi.I32}, Results: []wasi.ValueType{wasi.I32},
			Call: func(_ context.Context, g *wasi.Guest, stack []uint64) {
				if len(values) == maxHandles {
					g.Fail(errors.New("the program gave its host too many values to hold"))
					return
				}
				values = append(values, uint32(stack[0]))
				stack[0] = uint64(len(values) - 1)
			},
		},
		{
			Name: "resource_get_rb-abi-value", Params: []wasi.ValueType{wasi.I32}, Results: []wasi.ValueType{wasi.I32},
			Call: func(_ context.Context, g *wasi.Guest, stack []uint64) {
				n := uint32(stack[0])
				if int64(n) >= int64(len(values)) {
					g.Fail(errors.New("the program asked for a value that its host does not hold"))
					return
				}
				stack[0] = uint64(values[n])
			},
		},
	}}
}

// Run starts the interpreter and has it do what args say, args[0] being the
// program's own name. The guest exits by itself, with the status of its program;
// that is the error of one of the calls.
func Run(ctx context.Context, i Instance, args []string) error {
	line, err := parse(args)
	if err != nil {
		return err
	}
	v := vm{ctx, i}
	if err := v.start(line.options); err != nil {
		return err
	}
	if line.main == "" { // ruby --version
		return nil
	}
	return v.run(line.main)
}

// Start starts the interpreter without options, for Continue to go on.
func Start(ctx context.Context, i Instance) error {
	line, err := parse(nil)
	if err != nil {
		return err
	}
	return vm{ctx, i}.start(line.options)
}

// Plain tells whether args leave the interpreter as Start has started it.
func Plain(args []string) bool {
	line, err := parse(args)
	plain, _ := parse(nil)
	n := len(plain.options)
	return err == nil && line.main != "" && len(line.options) >= n && slices.Equal(line.options[:n], plain.options)
}

// Continue has an interpreter that was started by Start do what args say, which
// must be plain. It seeds the generator of Kernel#rand anew: many may go on from
// one start.
func Continue(ctx context.Context, i Instance, args []string) error {
	line, err := parse(args)
	if err != nil {
		return err
	}
	plain, _ := parse(nil)
	words := make([]string, 0, len(args))
	for _, w := range line.options[len(plain.options):] {
		words = append(words, quote(w))
	}
	// In one line: a backtrace counts lines.
	return vm{ctx, i}.run("ARGV.replace([" + strings.Join(words, ", ") + "]); srand(Random.new_seed); " + line.main)
}

// start starts the interpreter.
func (v vm) start(options []string) error {
	list, err := v.list(options)
	if err != nil {
		return err
	}
	_, err = v.i.Call(v.ctx, exportInit, uint64(list), uint64(len(options)))
	return err
}

// run has the interpreter run a program, which ends the guest.
func (v vm) run(program string) error {
	text := strings.Replace(driver, "MAIN", program, 1)
	at, err := v.place([]byte(text))
	if err != nil {
		return err
	}
	if _, err := v.i.Call(v.ctx, exportEval, uint64(at), uint64(len(text))); err != nil {
		return err
	}
	return errors.New("the interpreter came back without an end of its program")
}

// vm places what the interpreter reads into its memory.
type vm struct {
	ctx context.Context
	i   Instance
}

func (v vm) place(data []byte) (uint32, error) {
	result, err := v.i.Call(v.ctx, exportAlloc, 0, 0, 4, uint64(len(data)))
	if err != nil {
		return 0, err
	}
	if len(result) != 1 || !v.i.Memory().Write(uint32(result[0]), data) {
		return 0, errors.New("the interpreter gives no room for its arguments")
	}
	return uint32(result[0]), nil
}

// list is a list<string> of words that end as C wants it.
func (v vm) list(words []string) (uint32, error) {
	var pairs []byte
	for _, w := range words {
		at, err := v.place([]byte(w + "\x00"))
		if err != nil {
			return 0, err
		}
		pairs = binary.LittleEndian.AppendUint32(pairs, at)
		pairs = binary.LittleEndian.AppendUint32(pairs, uint32(len(w)+1))
	}
	return v.place(pairs)
}

// driver runs a program as the interpreter's own main function would: with its
// at_exit blocks, with what it did not rescue on standard error, and with its
// status. It leaves no names behind that a program could see.
const driver = `->() {
  last = []
  Kernel.define_method(:at_exit) { |&block| last.push(block); block }
  Kernel.send(:private, :at_exit)
  status = 0
  ended = ->(error) {
    next status = error.status if SystemExit === error
    status = 1
    $stderr.write(error.full_message(highlight: false))
  }
  begin
    MAIN
  rescue Exception => error
    ended.(error)
  end
  while block = last.pop
    begin
      block.call
    rescue Exception => error
      ended.(error)
    end
  end
  [$stdout, $stderr].each { |stream| stream.flush rescue nil }
  exit!(status)
}.call`

// commandLine is what ruby was called with: the interpreter's own options, and
// the Ruby text that runs the program.
type commandLine struct {
	options []string
	main    string
}

// UsageError is an option that cannot be had, because the interpreter is a
// library here.
type UsageError struct{ Option string }

func (e *UsageError) Error() string {
	return fmt.Sprintf("ruby %s: this build of Ruby is a library and cannot do that; write it out in a script", e.Option)
}

// ExitCode is that of Ruby for options it does not know.
func (e *UsageError) ExitCode() int { return 1 }

// parse reads a command line of ruby.
func parse(args []string) (commandLine, error) {
	line := commandLine{options: []string{"ruby", "-EUTF-8"}}
	var code []string
	evaluates, version := false, false
	rest := args
	if len(rest) > 0 {
		rest = rest[1:]
	}
	for len(rest) > 0 && len(rest[0]) > 1 && rest[0][0] == '-' {
		word := rest[0]
		rest = rest[1:]
		if word == "--" {
			break
		}
		switch {
		case strings.HasPrefix(word, "-e"):
			text := word[2:]
			if text == "" {
				if len(rest) == 0 {
					return line, &UsageError{"-e, without what to evaluate"}
				}
				text, rest = rest[0], rest[1:]
			}
			code, evaluates = append(code, text), true
			continue
		case word == "--version" || word == "-v" || word == "--help" || word == "-h" || word == "--copyright":
			version = true
		case !strings.HasPrefix(word, "--") && strings.ContainsAny(word[1:2], "anpscxSil"):
			return line, &UsageError{word}
		}
		line.options = append(line.options, word)
		if (word == "-I" || word == "-r" || word == "-C" || word == "-E") && len(rest) > 0 {
			line.options = append(line.options, rest[0])
			rest = rest[1:]
		}
	}
	switch {
	case evaluates:
		line.main = "eval(" + quote(strings.Join(code, "\n")) + `, TOPLEVEL_BINDING, "-e", 1)`
	case len(rest) == 0 && version:
	case len(rest) == 0 || rest[0] == "-":
		line.main = `eval($stdin.read, TOPLEVEL_BINDING, $0 = "-", 1)`
	default:
		line.main = "load($0 = File.expand_path(" + quote(rest[0]) + "))"
	}
	if !evaluates && len(rest) > 0 {
		rest = rest[1:]
	}
	// The interpreter wants a program of its own; it only reads this one.
	line.options = append(append(line.options, "-e_=0", "--"), rest...)
	return line, nil
}

// quote is a string of Ruby's, whatever is in it.
func quote(text string) string {
	return `["` + hex.EncodeToString([]byte(text)) + `"].pack("H*").force_encoding("UTF-8")`
}
