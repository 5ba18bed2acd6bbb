package state

import (
	"context"
	"io"
	"time"
)

// A Runner runs what containers were created for. It knows images and sandboxes;
// this package does not.
type Runner interface {
	// Start begins one life of the container's program and returns once it runs.
	// The end of ctx is the program's: nothing asks it first. An error says that
	// there was nothing to run: a *StartError with the exit code for it.
	Start(ctx context.Context, c Job) (Program, error)
}

// Job is one life of a container's program, as a Runner is told of it.
type Job struct {
	Container
	// Upper is the folder for what the container writes.
	Upper string
	// Streams are the program's.
	Streams Streams
}

// Streams are the input and the outputs of a program.
type Streams struct {
	Stdin          io.Reader // nil: none
	Stdout, Stderr io.Writer
	Terminal       bool
}

// A Program is one life of a container.
type Program interface {
	// Wait waits until the program has ended and everything of it is freed.
	Wait() Exit
	// Signal tells the program of a signal; one that it has no use for is left out.
	Signal(s Signal) error
	// Exec runs another program over the same files and network. The error says
	// that it could not run; it may be a *StartError.
	Exec(ctx context.Context, e ExecConfig, streams Streams) (exitCode int, err error)
	// Pause stops everything that computes in the container, or lets it go on.
	Pause(paused bool) error
	// Usage is what it has used so far.
	Usage() Usage
	// Ports are those that it has published.
	Ports() []Port
}

// Exit is how a program ended.
type Exit struct {
	Code      int
	Error     string // what to say about it, if it does not speak for itself
	OOMKilled bool
}

// ExecConfig is a program to run in a container that runs.
type ExecConfig struct {
	Args       []string
	Env        []string `json:",omitempty"` // besides the container's
	WorkingDir string   `json:",omitempty"`
	User       string   `json:",omitempty"`
	Terminal   bool     `json:",omitempty"`
	Stdin      bool     `json:",omitempty"` // it reads its input
	Detach     bool     `json:",omitempty"`
	Timeout    Duration `json:",omitempty"`
}

// A StartError says that a program did not start, and by which exit code Docker
// would say so: 125, 126 or 127.
type StartError struct {
	Code int
	Text string
	Hint string `json:",omitempty"`
}

func (e *StartError) Error() string { return e.Text }

// Process is a program that runs in a container, for top.
type Process struct {
	ID      int
	Command []string
	Started time.Time
	CPU     time.Duration
}
