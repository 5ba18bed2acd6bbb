package state

import "time"

// Status is how a container stands, in Docker's words.
type Status string

// The states of a container.
const (
	Created    Status = "created"
	Running    Status = "running"
	Paused     Status = "paused"
	Restarting Status = "restarting" // it ended, and starts again in a moment
	Removing   Status = "removing"
	Exited     Status = "exited"
	Dead       Status = "dead" // it could not be removed whole
)

// Alive tells the states in which a container has a supervisor.
func (s Status) Alive() bool { return s == Running || s == Paused || s == Restarting }

// State is how a container stands. Its supervisor writes it while there is one.
type State struct {
	Status   Status
	Pid      int       `json:",omitempty"`
	Started  time.Time `json:",omitzero"`
	Finished time.Time `json:",omitzero"`
	ExitCode int
	// Error says why it could not start, or ended against its will.
	Error     string `json:",omitempty"`
	OOMKilled bool   `json:",omitempty"`
	// Restarts counts the lives that its restart policy gave it.
	Restarts int `json:",omitempty"`
	// Stopped: somebody asked for the end; RestartUnlessStopped keeps to that.
	Stopped bool `json:",omitempty"`
	// Orphaned: its supervisor was killed, and nobody has seen to what follows.
	Orphaned bool `json:",omitempty"`
	// Control is where its supervisor listens.
	Control string       `json:",omitempty"`
	Health  *HealthState `json:",omitempty"`
	// Ports are those that are published now.
	Ports []Port `json:",omitempty"`
	// Usage is what the last life of the program had used at its end.
	Usage *Usage `json:",omitempty"`
}

// HealthState is what the checks of a container said.
type HealthState struct {
	Status        string // "starting", "healthy" or "unhealthy"
	FailingStreak int
	Log           []HealthResult `json:",omitempty"`
}

// HealthResult is one check.
type HealthResult struct {
	Start, End time.Time
	ExitCode   int
	Output     string
}

// Usage is what a container has used.
type Usage struct {
	Fuel                      uint64        `json:",omitempty"`
	CPU                       time.Duration `json:",omitempty"`
	Throttled                 time.Duration `json:",omitempty"`
	Memory, PeakMemory, Limit uint64        `json:",omitempty"` // bytes
	Disk                      uint64        `json:",omitempty"` // bytes of files that it wrote
	Read, Written             uint64        `json:",omitempty"` // bytes through descriptors
	Received, Sent            uint64        `json:",omitempty"` // bytes through the network
	Programs                  int           `json:",omitempty"` // that run now
}

// Container is what is known of one container.
type Container struct {
	Config
	State State
}
