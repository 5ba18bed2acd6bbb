package images

import (
	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// InspectedDerived is what inspect shows of derived data: what was found out
// about the programs of an image when it was built.
type InspectedDerived struct {
	Digest digest.Digest `json:"Digest,omitempty"`
	// Size is that of its layers as they are stored.
	Size      int64               `json:"Size"`
	Modules   []InspectedModule   `json:"Modules,omitempty"`
	Snapshots []InspectedSnapshot `json:"Snapshots,omitempty"`
	// Problem says why it is not used; the image runs without.
	Problem string `json:"Problem,omitempty"`
}

// InspectedModule is a module that is loaded in parts, or whole, and why.
type InspectedModule struct {
	Content      string        `json:"Content"` // of the module: digest, place and length
	Facts        digest.Digest `json:"Facts,omitempty"`
	HotFunctions int           `json:"HotFunctions"`
	// Functions is how many the module has.
	Functions int    `json:"Functions,omitempty"`
	Whole     string `json:"Whole,omitempty"` // why it is not loaded in parts
}

// InspectedSnapshot is a program that starts from where it waited for work.
type InspectedSnapshot struct {
	Program      []string `json:"Program"`
	Protocol     string   `json:"Protocol"`
	Memory       uint64   `json:"Memory"`    // bytes in the sandbox
	PagesSize    int64    `json:"PagesSize"` // bytes as stored, shared with the base's or not
	HotFunctions int      `json:"HotFunctions"`
	// LaterFunctions are those that only some runs need: they are loaded together.
	LaterFunctions int `json:"LaterFunctions,omitempty"`
	// What a run must have as it was at the build, or it begins at its beginning:
	// these variables (null is one that was not set), and no others when AllEnv is
	// set; these folders, with nothing mounted over them; no more arguments than
	// Program when Args is set; a terminal or none when Terminal is.
	Env      map[string]*string `json:"Env,omitempty"`
	AllEnv   bool               `json:"AllEnv,omitempty"`
	Dirs     []string           `json:"Dirs,omitempty"`
	Args     bool               `json:"Args,omitempty"`
	Terminal bool               `json:"Terminal,omitempty"`
}

// inspectDerived tells of derived data, nil when there is none.
func inspectDerived(s *store.Store, r *resolved) *InspectedDerived {
	d, err := readDerived(s, r)
	if err != nil {
		return &InspectedDerived{Problem: err.Error()}
	}
	if d == nil {
		return nil
	}
	out := &InspectedDerived{Digest: d.descriptor.Digest}
	sizes := map[digest.Digest]int64{}
	for _, l := range d.manifest.Layers {
		if sizes[l.Digest] == 0 {
			out.Size += l.Size
		}
		sizes[l.Digest] = l.Size
		if n, err := s.Size(l.Digest); err != nil || n != l.Size {
			out.Problem = missingLayer(l)
		}
	}
	for _, m := range d.doc.Modules {
		out.Modules = append(out.Modules, InspectedModule{Content: m.Content, Facts: m.Facts, HotFunctions: len(m.Hot), Functions: int(m.Functions), Whole: m.Whole})
	}
	for i := range d.doc.Snapshots {
		out.Snapshots = append(out.Snapshots, inspectSnapshot(&d.doc.Snapshots[i], sizes))
	}
	return out
}

func missingLayer(l ispec.Descriptor) string {
	return string(l.Digest) + " is missing in the store or has another size: pull the image again"
}

func inspectSnapshot(s *oci.Snapshot, sizes map[digest.Digest]int64) InspectedSnapshot {
	out := InspectedSnapshot{Program: s.Program, Protocol: s.Protocol, Memory: s.Memory, HotFunctions: len(s.Hot),
		LaterFunctions: len(s.Later), Env: s.Reads.Env, AllEnv: s.Reads.AllEnv, Dirs: s.Reads.Dirs, Args: s.Reads.Args,
		Terminal: s.Reads.Terminal}
	for _, p := range s.Pages {
		out.PagesSize += sizes[p]
	}
	return out
}
