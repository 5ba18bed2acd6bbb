package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
)

// SuperviseOptions say how a supervisor begins.
type SuperviseOptions struct {
	// Report is called once, with nil as soon as the program runs, or, with Await, as
	// soon as there is somewhere to attach to; else with why it does not.
	Report func(error)
	// Await has the program wait for the first who attaches, so that nothing that it
	// prints is lost to them.
	Await bool
	// Watch has the supervisor see to containers whose own were killed.
	Watch bool
}

// The pauses between a program's end and its next life, and how long a life has to be
// for the next pause to be the first one again.
const (
	firstPause  = 100 * time.Millisecond
	longestWait = time.Minute
	goodLife    = 10 * time.Second
	awaitLimit  = 30 * time.Second
)

// Supervise keeps a container until it has ended for good: it is what a supervisor's
// process does. The end of ctx asks the program to end, as Stop does, but the
// restart policy still holds when the machine comes back.
func (s *Store) Supervise(ctx context.Context, id string, r Runner, o SuperviseOptions) error {
	told, once := o.Report, sync.Once{}
	o.Report = func(err error) {
		once.Do(func() {
			if told != nil {
				told(err)
			}
		})
	}
	v := &supervisor{
		s: s, runner: r, o: o, hub: newHub(), execs: map[int]*execution{},
		done: make(chan struct{}), quit: make(chan struct{}), first: make(chan struct{}), changed: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	err := v.begin(ctx, id)
	if err == nil {
		err = v.live(ctx)
	}
	o.Report(err)
	return err
}

// supervisor is one container while it has a process.
type supervisor struct {
	s      *Store
	runner Runner
	o      SuperviseOptions
	lock   *flock.Flock
	log    *logWriter // nil: none is kept
	hub    *hub
	server *controlServer

	connected atomic.Int32 // those who attached, and programs of exec
	attached  sync.Once
	first     chan struct{} // closed when somebody attached
	quitOnce  sync.Once
	quit      chan struct{} // closed when no other life is to follow
	wake      chan struct{} // ends the pause before the next life
	done      chan struct{} // closed when the last state is written

	mu      sync.Mutex
	c       *Container
	program Program // nil between lives
	kill    context.CancelCauseFunc
	ended   chan struct{} // closed at the end of this life
	restart bool          // the next life is wanted, whatever the policy says
	execs   map[int]*execution
	nextID  int
	begins  int           // lives that have begun
	changed chan struct{} // closed when one more has
	last    Exit          // how the last life ended
	failed  *StartError   // why there was none
}

// errKilled is the cause of the end of a life that nobody was asked about.
var errKilled = errors.New("killed")

// begin takes the container.
func (v *supervisor) begin(ctx context.Context, id string) error {
	l, err := waitLock(v.s.container(id, lockFile), lockPatience)
	if errors.Is(err, ErrBusy) {
		if c, cerr := v.s.read(id); cerr == nil && c.State.Status.Alive() {
			v.o.Report(nil) // somebody was faster
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("start container %s: %w", Short(id), err)
	}
	v.lock = l
	if v.c, err = v.s.read(id); err == nil && v.c.State.Status == Removing {
		err = &StateError{v.c.Name, Removing, "start"}
	}
	if err == nil && !v.c.Log.Off {
		v.log, err = openLog(v.s.container(id, logsDir), v.c.Log, v.s.options.Now)
	}
	if err == nil && v.c.OpenStdin {
		v.hub.openInput()
	}
	if err == nil {
		err = v.s.mark(id)
	}
	if err == nil {
		v.server, err = v.listen(ctx, id)
	}
	if err != nil {
		v.s.unmark(id)
		v.release()
	}
	return err
}

func (v *supervisor) release() {
	if v.log != nil {
		_ = v.log.close()
	}
	if v.lock != nil {
		_ = v.lock.Close()
	}
}

// live runs the container's lives and puts its end down.
func (v *supervisor) live(ctx context.Context) error {
	if v.lock == nil {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { v.shutdown() })
	defer stop()
	v.mu.Lock()
	v.c.State.Control, v.c.State.Pid = v.server.at, os.Getpid()
	v.c.State.Restarts, v.c.State.Stopped, v.c.State.Orphaned = 0, false, false
	v.mu.Unlock()
	watching, unwatch := context.WithCancel(ctx)
	var watch sync.WaitGroup
	if v.o.Watch {
		watch.Go(func() { v.s.watch(watching) })
	}
	err := v.awaitAttach()
	if err == nil {
		err = v.cycle(context.WithoutCancel(ctx))
	}
	unwatch()
	v.close(ctx, err)
	watch.Wait()
	return err
}

// awaitAttach waits for whoever wants to see everything.
func (v *supervisor) awaitAttach() error {
	if !v.o.Await {
		return nil
	}
	v.save()
	v.o.Report(nil)
	timer := time.NewTimer(awaitLimit)
	defer timer.Stop()
	select {
	case <-v.first:
		return nil
	case <-v.quit:
		return errKilled
	case <-timer.C:
		return errors.New("nobody attached")
	}
}

// cycle runs one life after another. The error is why the first one did not begin.
func (v *supervisor) cycle(ctx context.Context) error {
	pause := firstPause
	for n := 0; ; n++ {
		began := time.Now()
		exit, err := v.life(ctx)
		if err != nil && n == 0 {
			return err
		}
		if err != nil {
			exit = failedExit(err)
			v.died(exit)
		}
		if time.Since(began) >= goodLife {
			pause = firstPause
		}
		again, at := v.next(exit)
		if !again {
			return nil
		}
		if at { // somebody waits for it
			continue
		}
		if !v.rest(pause) {
			return nil
		}
		pause = min(2*pause, longestWait)
	}
}

func startError(err error) *StartError {
	var start *StartError
	if errors.As(err, &start) {
		return start
	}
	return &StartError{Code: 125, Text: err.Error()}
}

func failedExit(err error) Exit {
	start := startError(err)
	return Exit{Code: start.Code, Error: start.Text}
}

// ending is how it ended, for those who are attached.
func (v *supervisor) ending() ending {
	v.mu.Lock()
	defer v.mu.Unlock()
	return ending{Exit: v.last, Failed: v.failed}
}

// life is one life of the program.
func (v *supervisor) life(ctx context.Context) (Exit, error) {
	ctx, kill := context.WithCancelCause(ctx)
	defer kill(nil)
	v.mu.Lock()
	// The config may have been updated.
	var fresh Config
	if readJSON(v.s.container(v.c.ID, configFile), &fresh) == nil {
		v.c.Config = fresh
	}
	job := Job{Container: *v.c, Upper: v.s.Upper(v.c.ID), Streams: v.hub.streams(v.c.Config, v.log)}
	v.kill, v.ended = kill, make(chan struct{})
	v.mu.Unlock()

	select {
	case <-v.quit: // asked to end before it began
		return Exit{Code: SIGKILL.ExitCode()}, nil
	default:
	}
	leave, err := v.s.holdVolumes(ctx, job.Mounts)
	if err != nil {
		close(v.ended)
		return Exit{}, err
	}
	defer leave()
	p, err := v.runner.Start(ctx, job)
	if err != nil {
		close(v.ended)
		return Exit{}, err
	}
	v.begun(p)
	v.o.Report(nil)
	health := v.watchHealth(ctx, p)
	exit := awaitEnd(ctx, p)
	v.hub.closeInput()
	kill(errKilled) // what else runs in it
	health()
	v.killExecs()
	if v.log != nil {
		v.log.flush()
	}
	v.mu.Lock()
	u := p.Usage()
	v.c.State.Usage = &u
	v.mu.Unlock()
	v.died(exit)
	return exit, nil
}

// begun puts down that the program runs.
func (v *supervisor) begun(p Program) {
	v.mu.Lock()
	v.program = p
	st := &v.c.State
	st.Status, st.Started, st.Finished = Running, v.s.options.Now(), time.Time{}
	st.ExitCode, st.Error, st.OOMKilled, st.Usage = 0, "", false, nil
	st.Ports, st.Health = p.Ports(), nil
	if v.c.Health.command() != nil {
		st.Health = &HealthState{Status: Starting}
	}
	v.begins++
	close(v.changed)
	v.changed = make(chan struct{})
	c := *v.c
	v.mu.Unlock()
	v.save()
	v.s.Event(c.Event("start"))
}

// died puts down how a life ended.
func (v *supervisor) died(exit Exit) {
	v.mu.Lock()
	st := &v.c.State
	began := st.Started
	st.Status, st.Finished, st.Ports = Exited, v.s.options.Now(), nil
	st.ExitCode, st.Error, st.OOMKilled = exit.Code, exit.Error, exit.OOMKilled
	v.program, v.last = nil, exit
	c := *v.c
	select {
	case <-v.ended:
	default:
		close(v.ended)
	}
	v.mu.Unlock()
	e := c.Event("die")
	e.Actor.Attributes["exitCode"] = fmt.Sprint(exit.Code)
	e.Actor.Attributes["execDuration"] = fmt.Sprint(int(c.State.Finished.Sub(began).Seconds()))
	if exit.OOMKilled {
		v.s.Event(c.Event("oom"))
	}
	v.s.Event(e)
}

// next tells whether another life follows, and whether at once.
func (v *supervisor) next(exit Exit) (again, at bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.restart {
		v.restart = false
		return true, true
	}
	select {
	case <-v.quit:
		return false, false
	default:
	}
	var fresh Config
	if readJSON(v.s.container(v.c.ID, configFile), &fresh) == nil {
		v.c.Config = fresh
	}
	switch v.c.Restart.Policy {
	case RestartAlways, RestartUnlessStopped:
	case RestartOnFailure:
		if exit.Code == 0 || v.c.Restart.Retries > 0 && v.c.State.Restarts >= v.c.Restart.Retries {
			return false, false
		}
	default:
		return false, false
	}
	v.c.State.Status = Restarting
	v.c.State.Restarts++
	return true, false
}

// rest waits before the next life; false when it is not to be.
func (v *supervisor) rest(d time.Duration) bool {
	v.save()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-v.wake:
	case <-v.quit:
		v.mu.Lock()
		v.c.State.Status = Exited
		v.mu.Unlock()
		return false
	}
	v.mu.Lock()
	v.restart = false
	v.mu.Unlock()
	return true
}

// save writes the state.
func (v *supervisor) save() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := writeJSON(v.s.container(v.c.ID, stateFile), v.c.State); err != nil {
		fmt.Fprintf(os.Stderr, "container %s: %v\n", v.c.Name, err)
	}
}

// close puts the container's end down and gives it back. ctx has ended when it was
// the machine, or the session, that came to its end, and nobody who meant the container.
func (v *supervisor) close(ctx context.Context, failed error) {
	v.mu.Lock()
	st := &v.c.State
	if failed != nil && !errors.Is(failed, errKilled) {
		v.last, v.failed = failedExit(failed), startError(failed)
		st.ExitCode, st.Error = v.last.Code, v.last.Error
		if st.Started.IsZero() {
			st.Status = Created
		} else {
			st.Status = Exited
		}
	}
	if st.Status.Alive() {
		st.Status = Exited
	}
	st.Pid, st.Control, st.Ports = 0, "", nil
	st.Orphaned = ctx.Err() != nil && !st.Stopped
	c := *v.c
	v.mu.Unlock()
	v.save()
	v.hub.end(v.ending())
	close(v.done)
	v.dismiss()
	v.server.close(context.WithoutCancel(ctx))
	if v.log != nil {
		_ = v.log.close()
	}
	v.s.unmark(c.ID)
	if c.AutoRemove && !st.Orphaned {
		if err := v.s.removeHeld(ctx, &c, v.lock, true); err != nil {
			fmt.Fprintf(os.Stderr, "container %s: %v\n", c.Name, err)
		}
		return
	}
	_ = v.lock.Close()
}
