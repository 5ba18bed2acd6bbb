// Package process knows what the system says of this process: its time, its memory,
// its open files.
package process

// Usage is what this process uses and may use. What the system does not say is negative.
type Usage struct {
	CPU               float64 // seconds of processors
	Resident, Virtual float64 // bytes
	Open, MostOpen    float64 // file descriptors, or handles
}

func unknown() Usage { return Usage{CPU: -1, Resident: -1, Virtual: -1, Open: -1, MostOpen: -1} }
