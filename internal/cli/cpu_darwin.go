package cli

import "golang.org/x/sys/unix"

// cpuName is what the processor calls itself; "" when it does not say.
func cpuName() string {
	name, err := unix.Sysctl("machdep.cpu.brand_string")
	if err != nil {
		return ""
	}
	return name
}
