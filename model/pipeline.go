package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Pipeline is a Predictor of Predictors: each of its steps takes what the steps
// before it give, tensors as they are. It is closed with its steps.
type Pipeline struct {
	steps []pipelineStep
	sig   *Signature
}

// A Step is one model of a Pipeline.
type Step struct {
	// Name is what messages call it.
	Name string
	Predictor
}

type pipelineStep struct {
	Step
	wiring
}

// A wiring says where the inputs of a step come from, and which of its outputs are
// needed.
type wiring struct {
	inputs  []wire
	outputs []string
}

// A wire is one input of a step.
type wire struct {
	to       string // the step's name for it
	step     int    // that gives it; -1: the request
	from     string // its name there
	optional bool
}

// NewPipeline joins models. Each input of a step is the output with its name of the
// nearest step before; where a step needs what none has the name of, and the step
// right before gives as many others, these are taken in their order. What is left is
// an input of the pipeline. Its outputs are those of the last step.
func NewPipeline(name string, steps ...Step) (*Pipeline, error) {
	signatures := make([]*Signature, len(steps))
	names := make([]string, len(steps))
	for i, s := range steps {
		signatures[i], names[i] = s.Signature(), s.Name
	}
	sig, wires, err := join(name, names, signatures)
	if err != nil {
		return nil, err
	}
	p := &Pipeline{sig: sig}
	for i, s := range steps {
		p.steps = append(p.steps, pipelineStep{s, wires[i]})
	}
	return p, nil
}

// JoinSignatures gives the signature that a Pipeline of models would have that have
// these, and are called so.
func JoinSignatures(name string, names []string, signatures []*Signature) (*Signature, error) {
	sig, _, err := join(name, names, signatures)
	return sig, err
}

func join(name string, names []string, list []*Signature) (*Signature, []wiring, error) {
	if len(list) < 2 || len(names) != len(list) {
		return nil, nil, errors.New("a pipeline has at least two steps")
	}
	j := &joiner{names: names, list: list, wires: make([]wiring, len(list))}
	j.sig = &Signature{Name: name, Platform: PlatformPipeline, Inputs: []Field{}}
	for k := range list {
		if err := j.join(k); err != nil {
			return nil, nil, err
		}
	}
	last := len(list) - 1
	j.sig.Outputs, j.sig.Streams = slices.Clone(list[last].Outputs), list[last].Streams
	for k := range list[:last] {
		if len(j.wires[k].outputs) == 0 {
			return nil, nil, fmt.Errorf("nothing of what %s gives is needed by a step after it: it gives %s", names[k], listed(list[k].Outputs))
		}
	}
	return j.sig, j.wires, j.sig.Validate()
}

// A joiner wires the steps of a pipeline.
type joiner struct {
	names []string
	list  []*Signature
	sig   *Signature
	wires []wiring
}

// join finds what step k takes.
func (j *joiner) join(k int) error {
	var open []*Field // whose names no step before has
	for i := range j.list[k].Inputs {
		f := &j.list[k].Inputs[i]
		if from := j.giver(k, f.Name); from >= 0 {
			if err := j.wire(k, f, from, j.list[from].Output(f.Name)); err != nil {
				return err
			}
			continue
		}
		open = append(open, f)
	}
	if k > 0 {
		needed := slices.DeleteFunc(slices.Clone(open), (*Field).Optional)
		free := j.free(k)
		if len(needed) > 0 && len(needed) == len(free) {
			for i, f := range needed {
				if err := j.wire(k, f, k-1, free[i]); err != nil {
					return err
				}
			}
			open = slices.DeleteFunc(open, func(f *Field) bool { return !f.Optional() })
		}
	}
	for _, f := range open {
		if err := j.outside(k, f); err != nil {
			return err
		}
	}
	return nil
}

// giver is the nearest step before k with an output of that name, or -1.
func (j *joiner) giver(k int, name string) int {
	for i := k - 1; i >= 0; i-- {
		if j.list[i].Output(name) != nil {
			return i
		}
	}
	return -1
}

// free are the outputs of the step right before k that it does not take by name.
func (j *joiner) free(k int) []*Field {
	var list []*Field
	for i := range j.list[k-1].Outputs {
		if f := &j.list[k-1].Outputs[i]; j.list[k].Input(f.Name) == nil {
			list = append(list, f)
		}
	}
	return list
}

// wire has an input of step k be an output of an earlier one.
func (j *joiner) wire(k int, to *Field, from int, f *Field) error {
	if to.Type != f.Type || !mayFit(f.Shape, to.Shape) {
		return fmt.Errorf("%s takes %s, and %s gives %s", j.names[k], to, j.names[from], f)
	}
	j.wires[k].inputs = append(j.wires[k].inputs, wire{to.Name, from, f.Name, to.Optional()})
	if !slices.Contains(j.wires[from].outputs, f.Name) {
		j.wires[from].outputs = append(j.wires[from].outputs, f.Name)
	}
	return nil
}

// outside has an input of step k be one of the pipeline.
func (j *joiner) outside(k int, f *Field) error {
	j.wires[k].inputs = append(j.wires[k].inputs, wire{f.Name, -1, f.Name, f.Optional()})
	have := j.sig.Input(f.Name)
	if have == nil {
		j.sig.Inputs = append(j.sig.Inputs, *f)
		return nil
	}
	if have.Type != f.Type || !mayFit(have.Shape, f.Shape) {
		return fmt.Errorf("%s takes %s, and a step before it %s", j.names[k], f, have)
	}
	if have.Optional() && !f.Optional() {
		*have = *f
	}
	return nil
}

// mayFit tells whether a tensor of one shape may be one of another; -1 is any length,
// and nil any rank.
func mayFit(a, b []int64) bool {
	if a == nil || b == nil {
		return true
	}
	return slices.EqualFunc(a, b, func(x, y int64) bool { return x == y || x < 0 || y < 0 })
}

func listed(fields []Field) string {
	list := make([]string, len(fields))
	for i := range fields {
		list[i] = fields[i].String()
	}
	return strings.Join(list, ", ")
}

// Signature says what the pipeline takes and gives.
func (p *Pipeline) Signature() *Signature { return p.sig }

// Predict has the steps answer one after the other.
func (p *Pipeline) Predict(ctx context.Context, r *Request) (*Response, error) {
	run, last, err := p.begin(ctx, r)
	if err != nil {
		return run.spent(nil), err
	}
	step := p.steps[len(p.steps)-1]
	response, err := step.Predict(ctx, last)
	if err != nil {
		return run.spent(response), run.failed(step, err)
	}
	if response == nil {
		return nil, fmt.Errorf("%s gave no response", step.Name)
	}
	response.Usage = run.usage.plus(response.Usage)
	return response, nil
}

// Stream has the last step answer in parts.
func (p *Pipeline) Stream(ctx context.Context, r *Request, emit func(*Response) error) (Usage, error) {
	run, last, err := p.begin(ctx, r)
	if err != nil {
		return run.usage, err
	}
	step := p.steps[len(p.steps)-1]
	usage, err := Stream(ctx, step.Predictor, last, emit)
	usage = run.usage.plus(usage)
	if err != nil {
		return usage, run.failed(step, err)
	}
	return usage, nil
}

// Close closes all steps.
func (p *Pipeline) Close(ctx context.Context) error {
	errs := make([]error, len(p.steps))
	for i, s := range p.steps {
		errs[i] = s.Close(ctx)
	}
	return errors.Join(errs...)
}

// pipelineRun is what one request has come to.
type pipelineRun struct {
	request *Request
	given   []*Response // of the steps that are done
	usage   Usage
}

// begin runs all steps but the last, and gives the request for that. Beside an error
// the run says what it took.
func (p *Pipeline) begin(ctx context.Context, r *Request) (*pipelineRun, *Request, error) {
	run := &pipelineRun{request: r, given: make([]*Response, 0, len(p.steps)-1)}
	if err := p.sig.Check(r); err != nil {
		return run, nil, err
	}
	last := len(p.steps) - 1
	for _, step := range p.steps[:last] {
		next, err := run.next(step)
		if err != nil {
			return run, nil, err
		}
		response, err := step.Predict(ctx, next)
		if err != nil {
			run.usage = run.spent(response).Usage
			return run, nil, run.failed(step, err)
		}
		if response == nil {
			return run, nil, fmt.Errorf("%s gave no response", step.Name)
		}
		run.given = append(run.given, response)
		run.usage = run.usage.plus(response.Usage)
	}
	next, err := run.next(p.steps[last])
	if err == nil {
		next.ID, next.Outputs = r.ID, r.Outputs
	}
	return run, next, err
}

// spent is what a run took that failed, with the step that did: what that gave, or nil.
func (run *pipelineRun) spent(last *Response) *Response {
	if last == nil {
		last = &Response{}
	}
	return &Response{Usage: run.usage.plus(last.Usage)}
}

// next makes the request for a step.
func (run *pipelineRun) next(s pipelineStep) (*Request, error) {
	next := &Request{Inputs: make([]Tensor, 0, len(s.inputs)), Outputs: s.outputs}
	for _, w := range s.inputs {
		t := run.find(w)
		if t == nil && w.optional {
			continue
		}
		if t == nil {
			return nil, &ModelError{Message: fmt.Sprintf("%s needs %s, and no step before it gave that", s.Name, w.to)}
		}
		one := *t
		one.Name = w.to
		next.Inputs = append(next.Inputs, one)
	}
	return next, nil
}

func (run *pipelineRun) find(w wire) *Tensor {
	list := run.request.Inputs
	if w.step >= 0 {
		list = run.given[w.step].Outputs
	}
	for i := range list {
		if list[i].Name == w.from {
			return &list[i]
		}
	}
	return nil
}

// failed tells whose mistake an error of a step is: an input that another step made is
// none of the client's.
func (run *pipelineRun) failed(s pipelineStep, err error) error {
	var wrong *InputError
	var refused *ModelError
	switch {
	case errors.As(err, &wrong) && run.made(s, wrong.Tensor):
		return &ModelError{Message: s.Name + ": " + wrong.Error()}
	case errors.As(err, &refused):
		own := *refused
		own.Message = s.Name + ": " + own.Message
		return &own
	}
	return err
}

// made tells whether an input of a step was not the client's, or none is named and
// some were not.
func (run *pipelineRun) made(s pipelineStep, input string) bool {
	return slices.ContainsFunc(s.inputs, func(w wire) bool { return w.step >= 0 && (input == "" || w.to == input) })
}

// plus adds what another answer took: of memory the most, for they are not all in use
// at once.
func (u Usage) plus(v Usage) Usage {
	return Usage{
		Fuel: u.Fuel + v.Fuel, Memory: max(u.Memory, v.Memory), Wait: u.Wait + v.Wait, Compute: u.Compute + v.Compute,
		Accelerated: u.Accelerated + v.Accelerated, Kernels: cmp.Or(v.Kernels, u.Kernels),
	}
}
