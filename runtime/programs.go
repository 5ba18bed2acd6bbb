package runtime

import (
	"context"

	"github.com/wherry-run/wherry/internal/layer"
)

// A ProgramInfo says of a module of an image how it is loaded.
type ProgramInfo struct {
	// Path is one of its paths in the image, and Size its length in bytes.
	Path string
	Size int64
	// Groups is how many groups the functions are in that no start needs; 0 for a
	// module that is loaded whole. Of its Functions, HotFunctions are those that are
	// there from the beginning, of a program that has no snapshot.
	Groups                  int `json:",omitempty"`
	Functions, HotFunctions int `json:",omitempty"`
	// Accelerated lists the kernels of the host that can do what functions of the module
	// do, for it is one that is known, with the number of its functions; Kernels names
	// their set.
	Accelerated map[string]int `json:",omitempty"`
	Kernels     string         `json:",omitempty"`
	// Whole says why it is loaded whole.
	Whole string `json:",omitempty"`
}

// notRecorded is why most modules are whole.
const notRecorded = "nothing was recorded of it when the image was built: SNAPSHOT in the Wasmfile asks for that"

// Programs lists the modules of an image's executable files.
func (rt *Runtime) Programs(ctx context.Context, image Image) ([]ProgramInfo, error) {
	c, err := rt.Create(ctx, image, Spec{})
	if err != nil {
		return nil, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	var list []ProgramInfo
	err = c.programs(ctx, func(x *executable, ref layer.Ref) error {
		list = append(list, c.describe(ctx, x, ref))
		return nil
	})
	return list, err
}

// describe says how a module is loaded.
func (c *Container) describe(ctx context.Context, x *executable, ref layer.Ref) ProgramInfo {
	p := ProgramInfo{Path: x.path, Size: ref.Size, Whole: notRecorded}
	content := contentName(ref)
	for _, pin := range c.rt.pins(content) {
		if p.Accelerated == nil {
			p.Accelerated, p.Kernels = map[string]int{}, c.rt.Kernels()
		}
		p.Accelerated[pin.Kernel]++
	}
	for _, m := range c.known().Modules {
		if m.Content == content {
			p.Whole, p.Functions, p.HotFunctions = m.Whole, int(m.Functions), len(m.Hot)
		}
	}
	m := c.recorded(ref)
	if m == nil {
		return p
	}
	s, file, err := c.cut(ctx, m, ref, c.rt.prepareOptions(c.limits.Tables)).open()
	if err != nil {
		p.Whole = "what was recorded of it does not fit: " + err.Error()
		return p
	}
	defer file.Close()
	p.Groups = s.Groups()
	return p
}
