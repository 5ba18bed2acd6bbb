//go:build unix

package cli

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// hangups tells of SIGHUP, which asks a server to read its files again. Where it says
// that the terminal is gone, it ends the process, as it always does; and who has it
// ignored, as by nohup, is not asked.
func hangups() (<-chan os.Signal, func()) {
	if signal.Ignored(syscall.SIGHUP) {
		return nil, func() {}
	}
	terminal := func() bool { return term.IsTerminal(int(os.Stdin.Fd())) }
	had := terminal()
	raw, asked := make(chan os.Signal, 1), make(chan os.Signal)
	done := make(chan struct{})
	signal.Notify(raw, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-done:
				return
			case s := <-raw:
				if had && !terminal() {
					signal.Reset(syscall.SIGHUP)
					_ = syscall.Kill(os.Getpid(), syscall.SIGHUP) // nobody is there who could be told that it failed
					return
				}
				select {
				case asked <- s:
				case <-done:
					return
				}
			}
		}
	}()
	return asked, func() {
		signal.Stop(raw)
		close(done)
	}
}
