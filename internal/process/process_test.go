package process_test

import (
	"os"
	"runtime"
	"testing"

	"github.com/wherry-run/wherry/internal/process"
)

// TestNow holds that what is told follows what the process does.
func TestNow(t *testing.T) {
	before := process.Now()
	if runtime.GOOS == "linux" || runtime.GOOS == "windows" {
		if before.CPU < 0 || before.Resident <= 0 || before.Virtual < before.Resident/8 || before.Open <= 0 {
			t.Fatalf("got %+v", before)
		}
	}
	const files = 10
	for range files {
		f, err := os.Open(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	after := process.Now()
	if before.Open >= 0 && after.Open < before.Open+files {
		t.Errorf("%v files are open, with %d more %v", before.Open, files, after.Open)
	}
	if before.MostOpen >= 0 && after.Open > after.MostOpen {
		t.Errorf("%v files are open of %v", after.Open, after.MostOpen)
	}
}

// TestPeakMemory holds that memory which was given back still counts.
func TestPeakMemory(t *testing.T) {
	before := process.PeakMemory()
	if before == 0 {
		t.Skip("this system does not say")
	}
	const size = 64 << 20
	block := make([]byte, size)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	runtime.KeepAlive(block)
	if after := process.PeakMemory(); after < before+size/2 {
		t.Errorf("the peak was %d, and is %d after %d bytes were used", before, after, size)
	}
}
