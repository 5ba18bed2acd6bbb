package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/model/python/ort"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/runtime"
)

// runOptions are the flags of wherry run.
type runOptions struct {
	env, envFiles          []string
	volumes, mounts, tmpfs []string
	volumesFrom            []string
	entrypoint, workdir    string
	pull                   string
	limits                 limitOptions
	interactive, tty       bool
	readOnly, backtrace    bool
	stats, statsFile       string
	unknownImports         string
	models                 []string
	native                 backendOptions
	deterministic          bool
	noAccel                bool
	noSnapshot             bool
	recordHotSet           string
	serving                runServing
	life                   lifeOptions
	network                networkOptions

	// Of a container that is kept: its mounts, its folder, and that the streams are
	// whose who attached.
	mounted    []runtime.Mount
	given      []state.Mount // besides those of the flags
	texts      []textFile    // files that are no files of this machine
	dir        string
	supervised bool
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	var watch bool
	cmd := &cobra.Command{
		Use:   "run [OPTIONS] IMAGE|FOLDER|FILE.wasm [ARG...]",
		Short: "Run an image, a folder with a Wasmfile, or a WebAssembly program",
		Long: `Run an image, a folder with a Wasmfile, or a WebAssembly program, in a sandbox
that has no files, variables or network of this machine but those you name.

IMAGE is a name as with Docker; one that is not here is pulled. What starts with
".", "/", "\" or a drive letter is a path: a folder is built and run, a .wasm
file is run as it is, both with your standard input.

A model without arguments is served over HTTP; wherry serve has more flags for
that, and serves several.

With --watch the files of the folder are followed until Ctrl-C: what is saved is
served within a second, and a build that fails leaves what runs as it is.`,
		Example: `  wherry run iris:1 5.1 3.5 1.4 0.2
  wherry run ./examples/iris 5.1 3.5 1.4 0.2
  wherry run -p 8080:8080 iris:1
  wherry run --watch -p 8000:8080 ./site
  wherry run -it python
  wherry run -v ./data:/data:ro ./program.wasm /data/input.csv`,
		Args:              atLeast(1, "an image, a folder or a .wasm file"),
		ValidArgsFunction: a.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.quiet = a.quiet || o.life.quiet
			if watch {
				return a.runWatched(cmd.Context(), args[0], args[1:], o)
			}
			return a.run(cmd.Context(), args[0], args[1:], o)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.life.detach, "detach", "d", false, "leave it running in the background, and print its ID")
	f.BoolVar(&watch, "watch", false, "follow changes of the folder: a web application or a site takes its files over while it runs, all else is built and run again")
	o.flags(f)
	return cmd
}

// flags are those that run and create have in common.
func (o *runOptions) flags(f *pflag.FlagSet) {
	f.SetInterspersed(false)
	f.StringArrayVarP(&o.env, "env", "e", nil, "variable for the program, NAME=VALUE, or NAME to pass yours on")
	f.StringArrayVar(&o.envFiles, "env-file", nil, "file of variables, one NAME=VALUE a line")
	f.StringArrayVarP(&o.volumes, "volume", "v", nil, "folder or file to mount, HOST:CONTAINER[:ro]")
	f.StringArrayVar(&o.mounts, "mount", nil, "mount, type=bind|volume|tmpfs,source=HOST|NAME,target=CONTAINER[,readonly]")
	f.StringArrayVar(&o.volumesFrom, "volumes-from", nil, "container whose mounts this one has, too, NAME[:ro]")
	f.StringArrayVar(&o.tmpfs, "tmpfs", nil, "empty folder in memory, CONTAINER[:size=BYTES]")
	f.StringVar(&o.entrypoint, "entrypoint", "", "program to run instead of the image's")
	f.StringVarP(&o.workdir, "workdir", "w", "", "working directory in the container")
	f.StringVar(&o.pull, "pull", "missing", "when to pull the image: always, missing or never")
	o.limits.flags(f)
	f.BoolVarP(&o.interactive, "interactive", "i", false, "give the program your standard input")
	f.BoolVarP(&o.tty, "tty", "t", false, "tell the program that it runs in a terminal")
	f.BoolVar(&o.readOnly, "read-only", false, "let nothing in the image be changed")
	f.StringVar(&o.stats, "stats", "", "print what the run used, on standard error: --stats, or --stats=json")
	f.Lookup("stats").NoOptDefVal = "text"
	f.StringVar(&o.statsFile, statsFileFlag, "", "file to write what --stats=json prints to")
	_ = f.MarkHidden(statsFileFlag) // for wherry bench
	f.BoolVar(&o.backtrace, "backtrace", false, "print all calls of a program that trapped, not the last three, with offsets")
	f.BoolVar(&o.deterministic, "deterministic", false, "same clock, randomness, order and NaNs in every run, on every machine")
	f.BoolVar(&o.noSnapshot, "no-snapshot", false, "begin the program at its beginning, not where its snapshot was taken")
	f.BoolVar(&o.noAccel, noAccelFlag, false, noAccelUse)
	f.StringVar(&o.recordHotSet, "record-hot-set", "", "file to write the functions to that the run runs, for build --hot-set")
	o.native.flags(f)
	f.StringArrayVar(&o.models, "nn-model", nil, "model that the program may load by a name (wasi-nn), NAME=FILE.onnx")
	f.StringVar(&o.unknownImports, "unknown-imports", "refuse", "what to do with a module that imports unknown functions: refuse or trap")
	o.serving.flags(f)
	o.life.flags(f)
	o.network.flags(f)
}

// isPath tells paths from image names: by their first character, or a drive.
func isPath(name string) bool {
	return name != "" && (strings.ContainsRune(`./\`, rune(name[0])) || len(name) > 2 && name[1] == ':' && (name[2] == '\\' || name[2] == '/'))
}

func (a *app) run(ctx context.Context, what string, args []string, o runOptions) error {
	spec, err := a.spec(o)
	if err != nil {
		return err
	}
	switch o.stats {
	case "", "text", "json":
	default:
		return &ux.UsageError{Text: fmt.Sprintf("--stats=%s: write --stats or --stats=json", o.stats)}
	}
	if o.life.kept() || len(o.volumesFrom) > 0 {
		return a.runKept(ctx, what, args, o)
	}
	if len(args) > 0 {
		spec.Args = args
	}
	hotSet, err := createHotSet(o.recordHotSet)
	if err != nil {
		return err
	}
	defer hotSet.discard()
	var m *measure
	if o.stats != "" || o.statsFile != "" {
		m = newMeasure(a.began)
		spec.Reached = m.reached
	}
	image, done, err := a.openTarget(ctx, what, &spec, o)
	if err != nil {
		return err
	}
	if m != nil {
		m.reached(phaseImage)
	}
	if unnamed, err := needsVolumes(image, o); unnamed || err != nil {
		done()
		if err != nil {
			return err
		}
		o.life.remove = true
		return a.runKept(ctx, what, args, o)
	}
	if err := a.fillNamed(ctx, image, o); err != nil {
		done()
		return err
	}
	return a.runImage(ctx, what, image, done, args, spec, o, m, hotSet)
}

// runImage runs, serves or asks an image, whatever it is for. done frees it.
func (a *app) runImage(ctx context.Context, what string, image runtime.Image, done func(), args []string, spec runtime.Spec, o runOptions, m *measure, hotSet *hotSetFile) error {
	done = sync.OnceFunc(done)
	defer done()
	if serves(image, args, o) {
		done()
		return a.serveFlags(ctx, o.served(), func(p *preparedServer) error { return a.serve(ctx, []string{o.servedWord(what)}, p) })
	}
	if kind := webKind(image, spec, o); kind != "" {
		return a.serveFlags(ctx, o.served(), func(p *preparedServer) error { return a.serveWeb(ctx, what, image, spec, kind, p) })
	}
	if len(o.serving.publish) > 0 && wherry.Kind(image) != "" {
		return notServed(what, args)
	}
	if kind := wherry.Kind(image); (kind == oci.ModelONNX || kind == oci.ModelWasm || kind == oci.ModelPipeline) && o.entrypoint == "" {
		return a.runModel(ctx, what, image, args, spec, o)
	}
	if o.native.backend == backendNative {
		return &ux.UsageError{Text: "--backend native is for ONNX models, and " + what + " is a program"}
	}
	spec.Args, spec.Dir = withProgram(image, spec), o.dir
	rt, err := a.runtime(ctx)
	if err != nil {
		return err
	}
	defer closeRuntime(ctx, rt)
	// ONNX Runtime for a Python program that asks for it.
	spec.Door = ort.Door(image)
	models := a.models(image)
	defer models.close()
	if spec.NN, err = models.backend(o.models); err != nil {
		return err
	}
	leave, err := a.connected(ctx, o, image, &spec)
	if err != nil {
		return err
	}
	defer leave()
	c, err := rt.Create(ctx, image, spec)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	a.kept.made(c)
	started := time.Now()
	if m != nil {
		m.running = started
	}
	err = c.Run(ctx)
	a.compiling.hush()
	code, _ := status(ctx, err)
	if terr := a.tell(c.Stats(), m, time.Since(started), code, o); terr != nil {
		return terr
	}
	if kept := hotSet.keep(c); kept != nil && err == nil {
		return kept
	}
	return ended(ctx, err, o.backtrace)
}

// runModel asks a model that is no program of its own.
func (a *app) runModel(ctx context.Context, what string, image runtime.Image, words []string, spec runtime.Spec, run runOptions) error {
	options, err := a.backend(ctx, run.native)
	if err != nil {
		return err
	}
	m, err := a.loadModel(ctx, what, image, spec, options...)
	if err != nil {
		return err
	}
	defer m.close()
	if len(words) == 0 { // with flags that are not for serving
		return badInput(m.Signature(), &ux.UsageError{Text: what + " is a model, and needs inputs"}, "")
	}
	o := predictOptions{}
	if err := a.checkFormat(&o); err != nil {
		return err
	}
	a.kept.ready()
	err = a.predictAll(ctx, m, words, o)
	var usage *ux.UsageError
	if err == nil || errors.As(err, &usage) || errors.Is(err, context.Canceled) {
		return err
	}
	code, _ := status(ctx, err)
	if code == 0 || code == 125 {
		code = 1 // it is the model's, not ours
	}
	hint := limitHint(err)
	return &hinted{&exited{code, err.Error()}, hint}
}

// tell says of a run what is to be known of it.
func (a *app) tell(s runtime.Stats, m *measure, took time.Duration, code int, o runOptions) error {
	switch {
	case o.statsFile != "":
		return m.writeFile(o.statsFile, s, code)
	case o.stats != "":
		m.write(a.Err, o.stats, s, code)
	case !o.noSnapshot && !o.deterministic:
		a.tellSlow(s, took)
	}
	return nil
}

const statsFileFlag = "stats-file"

// withProgram puts the image's command before arguments that begin with an
// option: no program is called "-c", so that is what must be meant.
func withProgram(image runtime.Image, spec runtime.Spec) []string {
	c := image.Config()
	if len(spec.Args) == 0 || !strings.HasPrefix(spec.Args[0], "-") || spec.Entrypoint != nil || len(c.Entrypoint) > 0 {
		return spec.Args
	}
	return slices.Concat(c.Cmd, spec.Args)
}

// spec turns the flags into what the container is given.
func (a *app) spec(o runOptions) (runtime.Spec, error) {
	spec := runtime.Spec{
		Stdout: a.unheard(a.Out), Stderr: a.unheard(a.Err), Terminal: o.tty, WorkingDir: o.workdir, ReadOnly: o.readOnly,
		Trace: o.backtrace, NoSnapshot: o.noSnapshot, NoAcceleration: o.noAccel, RecordFunctions: o.recordHotSet != "",
	}
	if o.interactive {
		spec.Stdin = a.In
	}
	if o.tty && !o.supervised && !ux.IsTerminal(a.In) && o.interactive {
		return spec, &hinted{&ux.UsageError{Text: "the input is not a terminal"}, "leave -t away"}
	}
	if spec.Deterministic = o.deterministic; o.deterministic && o.tty {
		return spec, &hinted{&ux.UsageError{Text: "--deterministic is not for a terminal: what is typed comes at no fixed time"}, "leave -t away, and pipe the input in"}
	}
	if o.entrypoint != "" {
		spec.Entrypoint = []string{o.entrypoint}
	}
	switch images.PullPolicy(o.pull) {
	case images.PullAlways, images.PullMissing, images.PullNever:
	default:
		return spec, &ux.UsageError{Text: "--pull takes always, missing or never"}
	}
	switch o.unknownImports {
	case "trap":
		spec.UnknownImports = true
	case "refuse":
	default:
		return spec, &ux.UsageError{Text: "--unknown-imports takes refuse or trap"}
	}
	err := o.life.validate()
	if err != nil {
		return spec, err
	}
	if spec.Limits, err = o.limits.limits(); err != nil {
		return spec, err
	}
	if o.life.pids > 0 {
		spec.Limits.Processes = o.life.pids
	}
	if spec.Env, err = a.variables(o); err != nil {
		return spec, err
	}
	spec.Mounts, err = a.specMounts(o)
	return spec, err
}

func (a *app) variables(o runOptions) ([]string, error) {
	var list []string
	if o.life.hostname != "" {
		list = append(list, "HOSTNAME="+o.life.hostname)
	}
	for _, name := range o.envFiles {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		scanner := bufio.NewScanner(bytes.NewReader(data))
		for scanner.Scan() {
			line := strings.TrimLeft(scanner.Text(), " \t")
			if line == "" || line[0] == '#' {
				continue
			}
			list = append(list, a.variable(line)...)
		}
		if err := scanner.Err(); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	for _, kv := range o.env {
		if kv == "" || kv[0] == '=' {
			return nil, &ux.UsageError{Text: fmt.Sprintf("-e %q: write NAME=VALUE, or NAME", kv)}
		}
		list = append(list, a.variable(kv)...)
	}
	return list, nil
}

// variable is NAME=VALUE, or NAME with the value it has here, if any.
func (a *app) variable(kv string) []string {
	if strings.Contains(kv, "=") {
		return []string{kv}
	}
	if v := a.env(kv); v != "" {
		return []string{kv + "=" + v}
	}
	return nil
}
