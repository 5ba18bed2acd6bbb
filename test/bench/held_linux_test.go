package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wherry-run/wherry/test/dock"
)

// memory is what a process holds, in bytes.
type memory struct {
	rss int64 // all that is resident
	pss int64 // the same, but what several processes map counts in shares
	own int64 // no file's pages: heap, machine code, what it wrote
}

// held is a process that waits in the midst of printing its answer.
type held struct {
	b      *testing.B
	cmd    *exec.Cmd
	out    *os.File
	filled int
	want   string
	talk   *bytes.Buffer
}

// hold starts a program whose standard output is a pipe that is full, and waits
// until it wants to write to it.
func hold(b *testing.B, p dock.Program, want string, args ...string) held {
	b.Helper()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		b.Fatal(err)
	}
	size, err := unix.FcntlInt(uintptr(ends[1]), unix.F_SETPIPE_SZ, os.Getpagesize())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := unix.Write(ends[1], make([]byte, size)); err != nil {
		b.Fatal(err)
	}
	in := os.NewFile(uintptr(ends[1]), "pipe")
	defer in.Close()
	h := held{b: b, out: os.NewFile(uintptr(ends[0]), "pipe"), filled: size, want: want, talk: &bytes.Buffer{}}
	h.cmd = exec.CommandContext(b.Context(), p.Command[0], append(p.Command[1:len(p.Command):len(p.Command)], args...)...)
	h.cmd.Env = append(os.Environ(), p.Env...)
	h.cmd.Stdout, h.cmd.Stderr = in, h.talk
	if err := h.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	for began := time.Now(); !h.writes(); time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			h.release()
			b.Fatalf("%v has not answered after a minute", h.cmd.Args)
		}
	}
	return h
}

// writes says whether a thread of the process is in a write to standard output.
func (h held) writes() bool {
	calls, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", h.cmd.Process.Pid))
	for _, name := range calls {
		text, _ := os.ReadFile(name)
		if strings.HasPrefix(string(text), fmt.Sprintf("%d 0x1 ", unix.SYS_WRITE)) {
			return true
		}
	}
	return false
}

// memory is what the process holds now.
func (h held) memory() *memory {
	h.b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", h.cmd.Process.Pid))
	if err != nil {
		h.b.Fatal(err)
	}
	find := func(name string) int64 {
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == name+":" {
				n, _ := strconv.ParseInt(f[1], 10, 64)
				return n << 10
			}
		}
		h.b.Fatalf("/proc says nothing of %s:\n%s", name, text)
		return 0
	}
	return &memory{rss: find("Rss"), pss: find("Pss"), own: find("Anonymous")}
}

// release lets the process print and end.
func (h held) release() {
	h.b.Helper()
	var out bytes.Buffer
	_, err := out.ReadFrom(h.out)
	h.out.Close()
	if ended := h.cmd.Wait(); err != nil || ended != nil || !bytes.Contains(out.Bytes()[h.filled:], []byte(h.want)) {
		h.b.Fatalf("%v: %v, %v\n%s%s", h.cmd.Args, err, ended, bytes.TrimLeft(out.Bytes(), "\x00"), h.talk.Bytes())
	}
}
