package python

import "github.com/wherry-run/wherry/model"

// input is a tensor on its way to the guest: a parameter, or a column of one.
type input struct {
	name, column string
	tensor       *model.Tensor
}

// Check is what tells whether a model of this signature takes a request, for
// model.PoolConfig; see Instance.Predict. The errors are *model.InputError.
func Check(s *model.Signature) func(*model.Request) error {
	return func(r *model.Request) error {
		_, err := fit(s, r)
		return err
	}
}

func (i *Instance) fit(r *model.Request) ([]input, error) { return fit(i.signature, r) }

// fit makes the tensors of a request those that the signature has.
func fit(s *model.Signature, r *model.Request) ([]input, error) {
	if r == nil {
		return nil, s.Check(r)
	}
	inputs := make([]input, 0, len(r.Inputs))
	have := make(map[string]bool, len(r.Inputs))
	table := columnsOf(s, r)
	for n := range r.Inputs {
		t := &r.Inputs[n]
		f := s.Input(t.Name)
		if f == nil && table != nil {
			if err := t.Check(); err != nil {
				return nil, err
			}
			have[table.Name] = true
			inputs = append(inputs, input{table.Name, t.Name, t})
			continue
		}
		if f == nil || have[t.Name] {
			return nil, s.Check(r)
		}
		have[t.Name] = true
		t, err := suit(f, t)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, input{name: f.Name, tensor: t})
	}
	rest := model.Request{Outputs: r.Outputs}
	for n := range s.Inputs {
		f := &s.Inputs[n]
		if !have[f.Name] && !f.Optional() {
			return nil, &model.InputError{Tensor: f.Name, Reason: "the model needs it: " + f.Describe()}
		}
	}
	return inputs, (&model.Signature{Outputs: s.Outputs}).Check(&rest)
}

// suit makes a tensor one of the field's, where nothing is lost by it.
func suit(f *model.Field, t *model.Tensor) (*model.Tensor, error) {
	err := f.Check(t)
	if err == nil {
		return t, nil
	}
	if t.Check() != nil {
		return nil, err
	}
	if f.Kind() == model.KindJSON && t.Type != model.Bytes {
		doc, err := t.AppendValue(nil, nil)
		if err != nil {
			return nil, err
		}
		made := model.Of(f.Name, [][]byte{doc}, 1)
		return &made, f.Check(&made)
	}
	made, fault := f.Fit(*t)
	if fault != nil {
		return nil, err
	}
	return &made, f.Check(&made)
}

// columnsOf finds the one table whose columns a request has as tensors of their
// own; nil when it has none.
func columnsOf(s *model.Signature, r *model.Request) *model.Field {
	var table *model.Field
	for n := range s.Inputs {
		f := &s.Inputs[n]
		if f.Kind() != model.KindTable {
			continue
		}
		if table != nil {
			return nil // whose columns they are nobody can know
		}
		table = f
	}
	if table == nil {
		return nil
	}
	rows := int64(-1)
	for n := range r.Inputs {
		t := &r.Inputs[n]
		if t.Name == table.Name {
			return nil
		}
		if s.Input(t.Name) != nil {
			continue
		}
		count, ok := model.Elements(t.Shape)
		if !ok || rows >= 0 && count != rows || !isColumn(table, t.Name) {
			return nil
		}
		rows = count
	}
	if rows < 0 {
		return nil
	}
	return table
}

// isColumn tells whether a table may have a column of this name.
func isColumn(f *model.Field, name string) bool {
	for _, c := range f.Parameters.Columns {
		if c.Name == name {
			return true
		}
	}
	return len(f.Parameters.Columns) == 0
}
