package state

import (
	"context"
	"time"
)

// killPatience is how long a program may take to end that was killed. What goes on
// after that goes with the process.
const killPatience = 3 * time.Second

// awaitEnd waits for the end of a program.
func awaitEnd(ctx context.Context, p Program) Exit {
	ended := make(chan Exit, 1)
	go func() { ended <- p.Wait() }()
	select {
	case exit := <-ended:
		return exit
	case <-ctx.Done():
	}
	select {
	case exit := <-ended:
		return exit
	case <-time.After(killPatience):
		return Exit{Code: SIGKILL.ExitCode()}
	}
}

// shutdown ends the container because its process is to end.
func (v *supervisor) shutdown() {
	v.stop(0, nil, false)
}

// noMore says that no other life is to follow.
func (v *supervisor) noMore() { v.quitOnce.Do(func() { close(v.quit) }) }

// stop asks the program to end, and ends it when it has not in time. asked: it was
// somebody who wants it to stay that way.
func (v *supervisor) stop(signal Signal, timeout *time.Duration, asked bool) {
	v.mu.Lock()
	if asked {
		v.c.State.Stopped = true
	}
	if signal == 0 {
		signal, _ = ParseSignal(v.c.StopSignal)
	}
	grace := v.grace(timeout)
	v.mu.Unlock()
	v.noMore()
	v.endLife(signal, grace)
}

// endLife ends this life of the program, and waits for that.
func (v *supervisor) endLife(signal Signal, grace time.Duration) {
	v.mu.Lock()
	p, kill, ended := v.program, v.kill, v.ended
	paused := v.c.State.Status == Paused
	v.mu.Unlock()
	if ended == nil {
		return
	}
	if paused && p != nil { // or it could not do anything about it
		_ = p.Pause(false)
	}
	if p != nil {
		_ = p.Signal(signal)
	}
	var late <-chan time.Time
	if grace >= 0 {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		late = timer.C
	}
	if p == nil { // it has not begun
		kill(errKilled)
	}
	select {
	case <-ended:
	case <-late:
		v.killLife()
		<-ended
	}
}

// killLife ends this life of the program without asking it.
func (v *supervisor) killLife() {
	v.mu.Lock()
	kill := v.kill
	v.mu.Unlock()
	if kill != nil {
		kill(errKilled)
	}
	v.hub.drop() // the program may wait for one that does not read
}

// again begins another life, at once.
func (v *supervisor) again(signal Signal, timeout *time.Duration) {
	v.mu.Lock()
	v.restart = true
	grace := v.grace(timeout)
	if signal == 0 {
		signal, _ = ParseSignal(v.c.StopSignal)
	}
	v.mu.Unlock()
	select {
	case v.wake <- struct{}{}:
	default:
	}
	v.endLife(signal, grace)
}

// grace is how long the program has to end. The caller has the lock.
func (v *supervisor) grace(timeout *time.Duration) time.Duration {
	switch {
	case timeout != nil:
		return *timeout
	case v.c.StopTimeout != nil:
		return time.Duration(*v.c.StopTimeout)
	}
	return DefaultStopTimeout
}
