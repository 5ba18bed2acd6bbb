//go:build !windows

package shell

// hostPath and guestPath translate between the container's paths and those the
// interpreter computes with; they differ on Windows only.
func hostPath(p string) string  { return p }
func guestPath(p string) string { return p }

// hosted gives a command paths as the interpreter computes with them.
func hosted(args []string) []string { return args }
