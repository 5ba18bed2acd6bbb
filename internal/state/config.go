package state

import (
	"encoding/json"
	"time"
)

// Config is what a container was created with. Its supervisor reads it anew for
// each life of the program.
type Config struct {
	// ID is 64 hexadecimal digits, Name what people call the container.
	ID      string
	Name    string
	Created time.Time
	Image   Image

	// Entrypoint replaces the image's when it is not nil, Args its Cmd.
	Entrypoint []string `json:",omitempty"`
	Args       []string `json:",omitempty"`
	// Command is the program and its arguments as they come out of these and the
	// image: for people to read.
	Command    []string          `json:",omitempty"`
	Env        []string          `json:",omitempty"`
	WorkingDir string            `json:",omitempty"`
	User       string            `json:",omitempty"`
	Hostname   string            `json:",omitempty"`
	Labels     map[string]string `json:",omitempty"`

	// Terminal tells the program that it has a terminal, OpenStdin keeps its input
	// open for those who attach.
	Terminal  bool `json:",omitempty"`
	OpenStdin bool `json:",omitempty"`
	// StdinOnce ends the input when the first who attached has gone.
	StdinOnce bool `json:",omitempty"`
	ReadOnly  bool `json:",omitempty"`

	StopSignal string `json:",omitempty"`
	// StopTimeout is how long a program has to end once it was asked to; nil is
	// DefaultStopTimeout.
	StopTimeout *Duration `json:",omitempty"`
	Restart     Restart   `json:",omitzero"`
	AutoRemove  bool      `json:",omitempty"`

	Mounts []Mount `json:",omitempty"`
	// Network is the mode: "", "none", "host", or the name of a network, of which
	// Networks says more.
	Network  string        `json:",omitempty"`
	Networks []NetworkJoin `json:",omitempty"`
	Ports    []Port        `json:",omitempty"`
	Exposed  []string      `json:",omitempty"` // "8080/tcp"
	// PublishAll publishes what is exposed, where some ports are free.
	PublishAll bool             `json:",omitempty"`
	Allow      []string         `json:",omitempty"` // what it may connect to: "host:port"
	Hosts      []string         `json:",omitempty"` // "name:address", of --add-host
	DNS        []string         `json:",omitempty"` // addresses of servers that are asked for names
	Limits     Limits           `json:",omitzero"`
	Health     *HealthCheck     `json:",omitempty"`
	Log        LogConfig        `json:",omitzero"`
	Options    *json.RawMessage `json:",omitempty"` // what only the Runner understands
}

// Image is what a container was made of.
type Image struct {
	Name string // as its user called it
	ID   string // digest of its config
	// The document that it is opened by, whatever its name leads to by now.
	Digest    string
	MediaType string
	Size      int64
}

// Mount is a folder or file that a container sees besides its image.
type Mount struct {
	Type     string // "bind", "volume" or "tmpfs"
	Name     string `json:",omitempty"` // of the volume
	Source   string `json:",omitempty"` // on the host
	Target   string
	ReadOnly bool   `json:",omitempty"`
	Size     int64  `json:",omitempty"` // of a tmpfs, in bytes
	Mode     uint32 `json:",omitempty"` // of a tmpfs
	// NoCopy leaves an empty volume empty, whatever the image has there.
	NoCopy bool `json:",omitempty"`
	// Labels are those of a volume that is made for it.
	Labels map[string]string `json:",omitempty"`
	// Anonymous volumes go with their container.
	Anonymous bool `json:",omitempty"`
}

// NetworkJoin is a network that a container is part of.
type NetworkJoin struct {
	Name    string
	Aliases []string `json:",omitempty"`
}

// Port is a port of a container that is published on the host.
type Port struct {
	HostIP    string `json:",omitempty"`
	HostPort  uint16 // 0: any that is free
	Container uint16
	Protocol  string // "tcp" or "udp"
}

// Limits bound what a container uses; zero is what the runtime has by default.
type Limits struct {
	Memory    uint64   `json:",omitempty"` // bytes
	CPUs      float64  `json:",omitempty"`
	Processes int      `json:",omitempty"`
	Fuel      uint64   `json:",omitempty"`
	CPUTime   Duration `json:",omitempty"`
	Timeout   Duration `json:",omitempty"`
	OpenFiles int      `json:",omitempty"`
	Disk      int64    `json:",omitempty"` // bytes
	Output    int64    `json:",omitempty"` // bytes
}

// HealthCheck says how to find out whether a container is well.
type HealthCheck struct {
	// Test is as in an image: "NONE", "CMD" and a program, or "CMD-SHELL" and a line
	// for the shell.
	Test                                          []string
	Interval, Timeout, StartPeriod, StartInterval Duration `json:",omitempty"`
	Retries                                       int      `json:",omitempty"`
}

// LogConfig bounds what is kept of what the program printed.
type LogConfig struct {
	MaxSize  int64 `json:",omitempty"` // bytes of one file; 0 is DefaultLogSize
	MaxFiles int   `json:",omitempty"` // 0 is DefaultLogFiles
	Off      bool  `json:",omitempty"` // --log-driver none
}

// Restart says when a program that has ended is started again.
type Restart struct {
	Policy RestartPolicy `json:",omitempty"`
	// Retries bounds how often, with RestartOnFailure; 0 is no bound.
	Retries int `json:",omitempty"`
}

// RestartPolicy is one of Docker's words for it.
type RestartPolicy string

// The policies. The zero one is RestartNo.
const (
	RestartNo            RestartPolicy = "no"
	RestartOnFailure     RestartPolicy = "on-failure"
	RestartAlways        RestartPolicy = "always"
	RestartUnlessStopped RestartPolicy = "unless-stopped"
)

// DefaultStopTimeout is how long a program has to end after its stop signal.
const DefaultStopTimeout = 10 * time.Second

// Duration is a time.Duration that is written in words: "1m30s".
type Duration time.Duration

// MarshalText writes it as time.Duration prints.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads it.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}
