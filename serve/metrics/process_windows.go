package metrics

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// memoryCounters is PROCESS_MEMORY_COUNTERS.
type memoryCounters struct {
	size, faults                     uint32
	peakWorkingSet, workingSet       uintptr
	peakPaged, paged, peakNonPaged   uintptr
	nonPaged, pagefile, peakPagefile uintptr
}

// thisProcess asks the system.
func thisProcess() process {
	p := process{cpu: -1, resident: -1, virtual: -1, open: -1, most: -1}
	self := windows.CurrentProcess()
	var created, exited, kernel, user windows.Filetime
	if windows.GetProcessTimes(self, &created, &exited, &kernel, &user) == nil {
		p.cpu = ticks(kernel) + ticks(user)
	}
	dll := windows.NewLazySystemDLL("kernel32.dll")
	if call := dll.NewProc("K32GetProcessMemoryInfo"); call.Find() == nil {
		var c memoryCounters
		c.size = uint32(unsafe.Sizeof(c))
		if ok, _, _ := call.Call(uintptr(self), uintptr(unsafe.Pointer(&c)), uintptr(c.size)); ok != 0 {
			p.resident, p.virtual = float64(c.workingSet), float64(c.pagefile)
		}
	}
	if call := dll.NewProc("GetProcessHandleCount"); call.Find() == nil {
		var n uint32
		if ok, _, _ := call.Call(uintptr(self), uintptr(unsafe.Pointer(&n))); ok != 0 {
			p.open = float64(n)
		}
	}
	return p
}

// ticks are a time in units of 100 ns.
func ticks(t windows.Filetime) float64 {
	return float64(uint64(t.HighDateTime)<<32|uint64(t.LowDateTime)) / 1e7
}
