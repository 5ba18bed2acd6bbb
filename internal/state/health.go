package state

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"
)

// What holds for a check that does not say, as with Docker.
const (
	healthInterval      = 30 * time.Second
	minHealthInterval   = time.Millisecond
	healthTimeout       = 30 * time.Second
	healthStartInterval = 5 * time.Second
	healthRetries       = 3
	healthLog           = 5    // results that are kept
	healthOutput        = 4096 // bytes of each
)

// The words for how well a container is.
const (
	Starting  = "starting"
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
)

// command is what a check runs; nil when there is none.
func (h *HealthCheck) command() []string {
	if h == nil || len(h.Test) < 2 {
		return nil
	}
	switch h.Test[0] {
	case "CMD":
		return h.Test[1:]
	case "CMD-SHELL":
		return []string{"/bin/sh", "-c", h.Test[1]}
	}
	return nil
}

func orDuration(d Duration, or time.Duration) time.Duration {
	if d > 0 {
		return time.Duration(d)
	}
	return or
}

// pause is how long it is to the next check. There is one always: what an image says of it is
// anybody's, and a container that is paused is looked at as often.
func (h *HealthCheck) pause(starting bool) time.Duration {
	pause := orDuration(h.Interval, healthInterval)
	if starting {
		pause = min(pause, orDuration(h.StartInterval, healthStartInterval))
	}
	return max(pause, minHealthInterval)
}

// watchHealth checks the program until the returned function is called, which waits
// for the last check.
func (v *supervisor) watchHealth(ctx context.Context, p Program) (end func()) {
	v.mu.Lock()
	h := v.c.Health
	v.mu.Unlock()
	if h.command() == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		began := time.Now()
		for {
			young := time.Since(began) < time.Duration(h.StartPeriod)
			pause := h.pause(young && v.health() == Starting)
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			if r, ok := v.check(ctx, p, h); ok {
				v.checked(r, h, time.Since(began) < time.Duration(h.StartPeriod))
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

func (v *supervisor) health() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.c.State.Health == nil {
		return ""
	}
	return v.c.State.Health.Status
}

// check runs a check once; false when the program ended meanwhile, or is paused.
func (v *supervisor) check(ctx context.Context, p Program, h *HealthCheck) (HealthResult, bool) {
	v.mu.Lock()
	running := v.c.State.Status == Running
	v.mu.Unlock()
	if !running {
		return HealthResult{}, false
	}
	var out bounded
	r := HealthResult{Start: v.s.options.Now()}
	limit := orDuration(h.Timeout, healthTimeout)
	call, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	code, err := p.Exec(call, ExecConfig{Args: h.command()}, Streams{Stdout: &out, Stderr: &out})
	r.End, r.ExitCode, r.Output = v.s.options.Now(), code, out.String()
	var start *StartError
	switch {
	case ctx.Err() != nil:
		return r, false
	case call.Err() != nil:
		r.ExitCode, r.Output = -1, "Health check exceeded timeout ("+limit.String()+")"
	case errors.As(err, &start):
		r.ExitCode, r.Output = start.Code, start.Text
	case err != nil:
		r.ExitCode, r.Output = -1, err.Error()
	}
	return r, true
}

// checked puts a result down. young: a failure does not count yet.
func (v *supervisor) checked(r HealthResult, c *HealthCheck, young bool) {
	v.mu.Lock()
	old := v.c.State.Health
	h := &HealthState{Status: old.Status, FailingStreak: old.FailingStreak}
	h.Log = append(append(h.Log, old.Log...), r)
	if len(h.Log) > healthLog {
		h.Log = h.Log[len(h.Log)-healthLog:]
	}
	retries := c.Retries
	if retries == 0 {
		retries = healthRetries
	}
	switch {
	case r.ExitCode == 0:
		h.Status, h.FailingStreak = Healthy, 0
	case young && h.Status == Starting:
	default:
		if h.FailingStreak++; h.FailingStreak >= retries {
			h.Status = Unhealthy
		}
	}
	v.c.State.Health = h
	cc := *v.c
	v.mu.Unlock()
	v.save()
	if h.Status != old.Status {
		v.s.Event(cc.Event("health_status: " + h.Status))
	}
}

// bounded keeps the beginning of what is written to it.
type bounded struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Write(p[:min(len(p), healthOutput-b.b.Len())])
	return len(p), nil
}

func (b *bounded) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
