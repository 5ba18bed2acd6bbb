package compose

import (
	"fmt"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
)

// Completed tells a need of a service that has ended well.
func (n Need) Completed() bool { return n.Condition == types.ServiceConditionCompletedSuccessfully }

// Enable switches services on that are named, and whose profiles are off: with those
// profiles, as the Compose specification has it.
func (f *File) Enable(names []string) error {
	off := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, ok := f.Project.DisabledServices[name]
		return !ok
	})
	if len(off) == 0 {
		return nil
	}
	p, err := f.Project.WithServicesEnabled(off...)
	if err == nil {
		err = f.read.Variables(p, true)
	}
	if err != nil {
		return fmt.Errorf("load the compose file: %w", err)
	}
	f.Project = p
	return nil
}
