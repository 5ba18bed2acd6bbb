package packager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/wherry-run/wherry/packager/recipe"
)

// StepError is a step that went wrong, with its place in the recipe.
type StepError struct {
	File string
	Line int
	Code string
	Err  error
}

func (e *StepError) Error() string {
	return fmt.Sprintf("%s:%d: %s: %v", e.File, e.Line, clip(e.Code), e.Err)
}

// Unwrap gives the reason.
func (e *StepError) Unwrap() error { return e.Err }

// clip shortens an instruction to one line for messages.
func clip(code string) string {
	line, _, more := strings.Cut(code, "\n")
	if r := []rune(line); len(r) > 100 {
		line, more = string(r[:100]), true
	}
	if more {
		line += " ..."
	}
	return line
}

// Build makes the image of a recipe's stage and stores it. All that cannot work
// in the recipe comes in one *recipe.ProblemsError, before anything is built.
func Build(ctx context.Context, o Options) (*Result, error) {
	b, s, err := buildTarget(ctx, o)
	if err != nil {
		return nil, err
	}
	return b.export(ctx, s)
}

// buildTarget builds the stage that is asked for, and those that it needs.
func buildTarget(ctx context.Context, o Options) (*builder, *state, error) {
	b, err := newBuilder(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	target, err := b.target()
	if err != nil {
		return nil, nil, err
	}
	// Stages are built in the order of the text, those that are not needed left
	// out, so that progress reads as the recipe does.
	needed := map[int]bool{}
	b.needs(target, needed)
	for _, i := range sortedKeys(needed) {
		if _, err := b.stage(ctx, i); err != nil {
			return nil, nil, err
		}
	}
	s, err := b.stage(ctx, target)
	if err != nil {
		return nil, nil, err
	}
	b.unusedArgs()
	return b, s, nil
}

// builder is one build.
type builder struct {
	Options
	context *folder
	// built are the finished stages by number.
	built map[int]*state
	// building guards against stages that need each other.
	building map[int]bool
	// images are those that --from named, by reference.
	images map[string]*Image
	global map[string]string
	used   map[string]bool
}

func newBuilder(ctx context.Context, o Options) (*builder, error) {
	if o.Recipe == nil || o.Store == nil {
		return nil, errors.New("build: no recipe or no store given")
	}
	if problems := recipe.Problems(o.Recipe, o.BuildArgs); len(problems) > 0 {
		return nil, &recipe.ProblemsError{File: o.Recipe.Name, Problems: problems}
	}
	if err := setEpoch(&o); err != nil {
		return nil, err
	}
	if o.Stdout == nil {
		o.Stdout = io.Discard
	}
	if o.Stderr == nil {
		o.Stderr = io.Discard
	}
	files, err := newFolder(o.Context)
	if err != nil {
		return nil, fmt.Errorf("open the build context: %w", err)
	}
	b := &builder{
		Options: o, context: files,
		built: map[int]*state{}, building: map[int]bool{}, images: map[string]*Image{},
		global: o.Recipe.GlobalArgs(o.BuildArgs), used: map[string]bool{},
	}
	for _, cmd := range o.Recipe.Args {
		for _, arg := range cmd.Args {
			b.used[arg.Key] = true
		}
	}
	return b, ctx.Err()
}

// setEpoch takes the time from --build-arg SOURCE_DATE_EPOCH unless it is set.
func setEpoch(o *Options) error {
	text, given := o.BuildArgs["SOURCE_DATE_EPOCH"]
	if given && o.Epoch.IsZero() {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds < 0 || seconds > 1<<33 {
			return fmt.Errorf("build argument SOURCE_DATE_EPOCH=%s: expected seconds since 1970", text)
		}
		o.Epoch = time.Unix(seconds, 0)
	}
	if o.Epoch.IsZero() {
		o.Epoch = DefaultEpoch
	}
	o.Epoch = o.Epoch.UTC().Truncate(time.Second)
	return nil
}

func (b *builder) target() (int, error) {
	if b.Target == "" {
		return len(b.Recipe.Stages) - 1, nil
	}
	if i, ok := b.Recipe.Stage(b.Target); ok {
		return i, nil
	}
	var names []string
	for i, s := range b.Recipe.Stages {
		if s.Name == "" {
			s.Name = strconv.Itoa(i)
		}
		names = append(names, s.Name)
	}
	return 0, fmt.Errorf("%s has no stage %q\nit has: %s", b.Recipe.Name, b.Target, strings.Join(names, ", "))
}

// stage builds a stage once, and first the stages that it needs.
func (b *builder) stage(ctx context.Context, i int) (*state, error) {
	if s, ok := b.built[i]; ok {
		return s, nil
	}
	if b.building[i] {
		return nil, fmt.Errorf("stage %d needs itself", i)
	}
	b.building[i] = true
	defer delete(b.building, i)

	def := b.Recipe.Stages[i]
	name := def.Name
	if name == "" {
		name = "stage-" + strconv.Itoa(i)
	}
	total := len(def.Steps) + 1
	var s *state
	_, err := b.timed(name, 1, total, def.Code, func() (cached bool, err error) {
		s, err = b.from(ctx, def, i)
		return false, err
	})
	if err != nil {
		return nil, b.at(def.Line, def.Code, err)
	}
	s.name, s.index = name, i
	for n, step := range def.Steps {
		_, err := b.timed(name, n+2, total, step.Code, func() (bool, error) {
			return b.step(ctx, s, step)
		})
		if err != nil {
			return nil, b.at(step.Line, step.Code, err)
		}
	}
	b.built[i] = s
	return s, nil
}

// needs collects a stage and the earlier stages that it names.
func (b *builder) needs(i int, found map[int]bool) {
	if found[i] {
		return
	}
	found[i] = true
	def := b.Recipe.Stages[i]
	name := func(from string) {
		if at, ok := b.Recipe.Stage(from); ok && at < i {
			b.needs(at, found)
		}
	}
	if base, err := b.Recipe.ExpandFrom(def, b.BuildArgs); err == nil {
		if from, err := recipe.ResolveFrom(base, b.Recipe.Stages[:i]); err == nil && from.Kind == recipe.FromStage {
			b.needs(from.Stage, found)
		}
	}
	for _, step := range def.Steps {
		switch c := step.Command.(type) {
		case *instructions.CopyCommand:
			name(c.From)
		case *recipe.Model:
			name(c.From)
		case *instructions.RunCommand:
			for _, m := range instructions.GetMounts(c) {
				name(m.From)
			}
		}
	}
}

// timed reports a step before and after.
func (b *builder) timed(stage string, n, total int, text string, do func() (bool, error)) (bool, error) {
	e := Event{Stage: stage, Step: n, Total: total, Text: text}
	b.report(e)
	start := time.Now()
	cached, err := do()
	if err != nil {
		return false, err
	}
	e.Done, e.Cached, e.Took = true, cached, time.Since(start)
	b.report(e)
	return cached, nil
}

func (b *builder) report(e Event) {
	if b.Progress != nil {
		b.Progress.Report(e)
	}
}

func (b *builder) note(s *state, format string, args ...any) {
	b.report(Event{Stage: s.name, Note: fmt.Sprintf(format, args...)})
}

func (b *builder) at(line int, code string, err error) error {
	var inner *StepError
	if errors.As(err, &inner) || errors.Is(err, context.Canceled) {
		return err // a stage that this one needs has said where
	}
	return &StepError{File: b.Recipe.Name, Line: line, Code: code, Err: err}
}

// predefined are build arguments that need no ARG line.
var predefined = map[string]bool{
	"SOURCE_DATE_EPOCH": true, "HTTP_PROXY": true, "HTTPS_PROXY": true, "NO_PROXY": true, "ALL_PROXY": true, "FTP_PROXY": true,
	"http_proxy": true, "https_proxy": true, "no_proxy": true, "all_proxy": true, "ftp_proxy": true,
}

// unusedArgs tells of build arguments that no ARG asked for: most are misspelt.
func (b *builder) unusedArgs() {
	for _, name := range sortedKeys(b.BuildArgs) {
		if !b.used[name] && !predefined[name] {
			b.report(Event{Note: fmt.Sprintf("--build-arg %s: no ARG of the built stages has this name", name)})
		}
	}
}

// step does one instruction. cached says that nothing had to be run.
func (b *builder) step(ctx context.Context, s *state, step recipe.Step) (cached bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	cmd, err := step.Fresh()
	if err != nil {
		return false, err
	}
	if e, ok := cmd.(instructions.SupportsSingleWordExpansion); ok {
		if err := e.Expand(s.expander(b.Recipe.Escape)); err != nil {
			return false, err
		}
	}
	if e, ok := cmd.(instructions.SupportsSingleWordExpansionRaw); ok {
		if err := e.ExpandRaw(s.rawExpander()); err != nil {
			return false, err
		}
	}
	switch c := cmd.(type) {
	case *instructions.CopyCommand:
		return b.copy(ctx, s, step, c)
	case *instructions.AddCommand:
		return b.add(ctx, s, step, c)
	case *recipe.Model:
		return b.model(ctx, s, step, c)
	case *instructions.RunCommand:
		return b.run(ctx, s, step, c)
	case *recipe.Snapshot:
		s.snapshot = true
		s.history(step.Code, b.Epoch, true)
		return true, nil
	case *instructions.WorkdirCommand:
		return b.workdir(ctx, s, step, c)
	case *instructions.ArgCommand:
		return false, b.arg(s, c)
	default:
		return false, s.configure(step, cmd, b.Epoch)
	}
}
