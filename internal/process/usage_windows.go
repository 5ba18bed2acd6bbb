package process

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// Now asks the system.
func Now() Usage {
	u := unknown()
	self := windows.CurrentProcess()
	var created, exited, kernel, user windows.Filetime
	if windows.GetProcessTimes(self, &created, &exited, &kernel, &user) == nil {
		u.CPU = ticks(kernel) + ticks(user)
	}
	if c, ok := memoryOf(self); ok {
		u.Resident, u.Virtual = float64(c.workingSet), float64(c.pagefile)
	}
	if call := windows.NewLazySystemDLL("kernel32.dll").NewProc("GetProcessHandleCount"); call.Find() == nil {
		var n uint32
		if ok, _, _ := call.Call(uintptr(self), uintptr(unsafe.Pointer(&n))); ok != 0 {
			u.Open = float64(n)
		}
	}
	return u
}

// PeakMemory is the most memory that this process has had in use, in bytes; 0
// when nobody knows.
func PeakMemory() int64 {
	c, _ := memoryOf(windows.CurrentProcess())
	return int64(c.peakWorkingSet)
}

// memoryCounters is PROCESS_MEMORY_COUNTERS.
type memoryCounters struct {
	size, faults                     uint32
	peakWorkingSet, workingSet       uintptr
	peakPaged, paged, peakNonPaged   uintptr
	nonPaged, pagefile, peakPagefile uintptr
}

func memoryOf(process windows.Handle) (c memoryCounters, ok bool) {
	call := windows.NewLazySystemDLL("kernel32.dll").NewProc("K32GetProcessMemoryInfo")
	if call.Find() != nil {
		return c, false
	}
	c.size = uint32(unsafe.Sizeof(c))
	done, _, _ := call.Call(uintptr(process), uintptr(unsafe.Pointer(&c)), uintptr(c.size))
	return c, done != 0
}

// ticks are a time in units of 100 ns.
func ticks(t windows.Filetime) float64 {
	return float64(uint64(t.HighDateTime)<<32|uint64(t.LowDateTime)) / 1e7
}
