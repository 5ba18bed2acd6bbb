package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// separateGroup has a program and what it starts be a group of processes.
func separateGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endGroup ends what a program left.
func endGroup(cmd *exec.Cmd) {
	for pid := range group(cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// group are a program and what it started, each with its time of processors in ticks:
// its group, and all children of those, who may have left it.
func group(id int) map[int]int64 {
	list, all := map[int]int64{}, processes()
	for more := true; more; {
		more = false
		for pid, p := range all {
			if _, known := list[pid]; known {
				continue
			}
			if _, child := list[p.parent]; child || p.group == id {
				list[pid], more = p.ticks, true
			}
		}
	}
	return list
}

// process is what /proc says of one.
type process struct {
	parent, group int
	ticks         int64
}

func processes() map[int]process {
	list := map[int]process{}
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ") // behind the program's name
		f := strings.Fields(rest)
		if len(f) < 13 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		parent, _ := strconv.Atoi(f[1])
		group, _ := strconv.Atoi(f[2])
		user, _ := strconv.ParseInt(f[11], 10, 64)
		system, _ := strconv.ParseInt(f[12], 10, 64)
		list[pid] = process{parent, group, user + system}
	}
	return list
}

// tick is what /proc counts processor time in.
const tick = 10 * time.Millisecond

// groupProcessor is how long processors have worked for a group so far; -1: not known.
func groupProcessor(id int) (sum time.Duration) {
	for _, ticks := range group(id) {
		sum += time.Duration(ticks) * tick
	}
	return sum
}

// groupMemory is what a group holds, in bytes, with what others map, too, in shares;
// 0: not known.
func groupMemory(id int) (sum int64) {
	for pid := range group(id) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
				kb, _ := strconv.ParseInt(f[1], 10, 64)
				sum += kb << 10
			}
		}
	}
	return sum
}
