package cli

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

// peakResident is the most memory that this process has had in use, in bytes; 0
// when nobody knows.
func peakResident() int64 {
	call := windows.NewLazySystemDLL("kernel32.dll").NewProc("K32GetProcessMemoryInfo")
	if call.Find() != nil {
		return 0
	}
	var c memoryCounters
	c.size = uint32(unsafe.Sizeof(c))
	if ok, _, _ := call.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&c)), uintptr(c.size)); ok == 0 {
		return 0
	}
	return int64(c.peakWorkingSet)
}
