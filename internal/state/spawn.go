package state

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// superviseLog is what a supervisor itself has to say: nothing, if all is well.
const superviseLog = "supervisor.log"

// A report is the line that a supervisor writes to whoever started it.
type report struct {
	Failed *StartError `json:",omitempty"`
	Hint   string      `json:",omitempty"`
}

// maxReport bounds it.
const maxReport = 64 << 10

// Spawner starts supervisors: command, with the words supervise, --await perhaps, and
// the container's ID after it, as processes that outlive the caller, its terminal
// and its session. environment is theirs.
func (s *Store) Spawner(command, environment []string) func(ctx context.Context, id string, await bool) error {
	return func(ctx context.Context, id string, await bool) error {
		args := append(append([]string{}, command[1:]...), "supervise")
		if await {
			args = append(args, "--await")
		}
		said := s.container(id, superviseLog)
		f, err := os.OpenFile(said, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("start container: %w", err)
		}
		defer f.Close()
		cmd := exec.Command(command[0], append(args, id)...)
		cmd.Env, cmd.Dir, cmd.Stderr = environment, filepath.VolumeName(s.dir)+string(filepath.Separator), f
		out, err := startDetached(cmd)
		if err != nil {
			return fmt.Errorf("start supervisor: %w", err)
		}
		defer out.Close()
		stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
		line, err := bufio.NewReader(io.LimitReader(out, maxReport)).ReadBytes('\n')
		if !stop() {
			_ = cmd.Wait()
			return context.Cause(ctx)
		}
		if err != nil {
			_ = cmd.Wait()
			return &StartError{Code: 125, Text: "the supervisor ended: " + lastWords(said, err)}
		}
		var r report
		if err := json.Unmarshal(line, &r); err != nil {
			return &StartError{Code: 125, Text: "the supervisor said what cannot be read: " + err.Error()}
		}
		if r.Failed != nil {
			_ = cmd.Wait()
			return r.Failed
		}
		go func() { _ = cmd.Wait() }() // it may end before the caller does
		return nil
	}
}

// lastWords is the end of what a supervisor said.
func lastWords(name string, or error) string {
	b, err := os.ReadFile(name)
	if err != nil || len(b) == 0 {
		return or.Error()
	}
	b = b[max(0, len(b)-2048):]
	return strings.TrimSpace(string(b))
}

// ReportTo is a SuperviseOptions.Report that writes to whoever started the process,
// and closes w then.
func ReportTo(w io.WriteCloser) func(error) {
	return func(err error) {
		var r report
		if err != nil {
			r.Failed = startError(err)
		}
		if b, merr := json.Marshal(r); merr == nil {
			_, _ = w.Write(append(b, '\n')) // who has gone does not want to know
		}
		_ = w.Close()
	}
}

// startDetached starts a process of its own, and gives what it prints.
func startDetached(cmd *exec.Cmd) (io.ReadCloser, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = w
	var errs error
	for _, detach := range detachments() {
		cmd.SysProcAttr = detach
		err := cmd.Start()
		if err == nil {
			_ = w.Close()
			return r, nil
		}
		errs = errors.Join(errs, err)
		again := *cmd
		*cmd = exec.Cmd{Path: again.Path, Args: again.Args, Env: again.Env, Dir: again.Dir, Stdout: again.Stdout, Stderr: again.Stderr}
	}
	_, _ = r.Close(), w.Close()
	return nil, errs
}
