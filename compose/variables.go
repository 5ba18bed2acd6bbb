package compose

import (
	"github.com/compose-spec/compose-go/v2/template"
)

// A Variable is one that a compose file asks for, as ${NAME:-DefaultValue} or
// ${NAME:+PresenceValue}.
type Variable struct {
	Name          string
	Required      bool
	DefaultValue  string
	PresenceValue string
}

// Variables are those that a file asks for which was loaded with its variables as they
// are written, by name.
func (f *File) Variables() []Variable {
	found := template.ExtractVariables(f.model, template.DefaultPattern)
	list := []Variable{}
	for _, name := range sorted(found) {
		v := found[name]
		list = append(list, Variable{name, v.Required, v.DefaultValue, v.PresenceValue})
	}
	return list
}
