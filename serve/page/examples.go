package page

import (
	"github.com/wherry-run/wherry/serve/openapi"
	"github.com/wherry-run/wherry/serve/repository"
)

// An example fills in the form.
type example struct {
	Name   string `json:"name"`
	Inputs any    `json:"inputs"` // by name, as POST /predict takes them
}

// examples are what the model's author tested it with, else made up.
func examples(s *repository.Status) []example {
	var list []example
	for _, c := range s.Examples {
		list = append(list, example{c.Name, c.Inputs})
	}
	if len(list) == 0 && s.Signature != nil {
		if made := openapi.ExampleOf(s.Signature); made != nil {
			list = append(list, example{"made-up values", made})
		}
	}
	return list
}
