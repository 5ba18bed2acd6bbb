//go:build !linux && !darwin && !windows

package cli

// cpuName is what the processor calls itself; "" when it does not say.
func cpuName() string { return "" }
