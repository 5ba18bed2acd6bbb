package compose

import (
	"time"

	"github.com/wherry-run/wherry/internal/state"
)

// A Container is what a container of a service is created with, in the words of the
// flags of `create`. By its JSON a change is recognised.
type Container struct {
	Name  string `json:"-"` // the number in it says nothing
	Image string

	Entrypoint string   `json:",omitempty"`
	Args       []string `json:",omitempty"`
	Env        []string `json:",omitempty"`
	WorkingDir string   `json:",omitempty"`
	User       string   `json:",omitempty"`
	Hostname   string   `json:",omitempty"`
	// Labels are those of the file, and the stack's own once it is created.
	Labels map[string]string `json:",omitempty"`

	Mounts    []state.Mount       `json:",omitempty"`
	Texts     []Text              `json:",omitempty"`
	Publish   []string            `json:",omitempty"`
	Expose    []string            `json:",omitempty"`
	Network   string              `json:",omitempty"` // none or host
	Networks  []state.NetworkJoin `json:",omitempty"`
	Allow     []string            `json:",omitempty"`
	Hosts     []string            `json:",omitempty"`
	DNS       []string            `json:",omitempty"`
	Memory    uint64              `json:",omitempty"`
	CPUs      float64             `json:",omitempty"`
	Pids      int                 `json:",omitempty"`
	Ulimits   []string            `json:",omitempty"`
	Instances int                 `json:",omitempty"`

	// Health is nil where the image's check is to be; what of it is set replaces that.
	Health      *state.HealthCheck `json:",omitempty"`
	NoHealth    bool               `json:",omitempty"`
	Restart     string             `json:",omitempty"`
	StopSignal  string             `json:",omitempty"`
	StopTimeout *time.Duration     `json:",omitempty"`
	ReadOnly    bool               `json:",omitempty"`
	Terminal    bool               `json:",omitempty"`
	OpenStdin   bool               `json:",omitempty"`
	Platform    string             `json:",omitempty"`
	LogDriver   string             `json:",omitempty"`
	LogOptions  []string           `json:",omitempty"`
	// Served is the name by which a model is asked for, where the image has one.
	Served string `json:",omitempty"`
	// Remove has it go with its end.
	Remove bool `json:",omitempty"`
}

// A Text is a file in a container, read-only, whose content is no file's of this
// machine: a secret or a config.
type Text struct {
	Target  string
	Content []byte
	Mode    uint32 `json:",omitempty"`

	// unset is the problem of one whose variable has no value: it is one when a
	// container is made, and not before.
	unset error
}

// A Build is an image to build, in the words of the flags of `build`.
type Build struct {
	Folder  string // the context
	File    string // the recipe; "" is the folder's own
	Inline  string // the recipe itself
	Target  string
	Args    []string // NAME=VALUE, or NAME
	Labels  map[string]string
	Secrets []string // as --secret
	Tags    []string
	NoCache bool
	Pull    bool
}
