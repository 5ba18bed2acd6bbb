package inference

import (
	"fmt"
	"log/slog"
	"math"
	"slices"
)

// Settings are what Triton lets clients read and change while a server runs. They
// tell what is so: the level of the log may be changed, the rest is given by whoever
// started the server.
type Settings struct {
	// Level is that of the server's log, which is written by Handler; nil: it has none.
	Level *slog.LevelVar
	// Traces tells whether traces of requests are sent somewhere, and which share of
	// them, from 0 to 1; nil: none are.
	Traces func() float64
	// Locked settings are read, and not changed.
	Locked bool
}

// Log tells the settings of the log.
func (s *Settings) Log() map[string]any {
	level := slog.Level(math.MaxInt32)
	if s.Level != nil {
		level = s.Level.Level()
	}
	verbose := 0
	if level <= slog.LevelDebug {
		verbose = 1
	}
	return map[string]any{
		"log_file": "", "log_format": "default", "log_verbose_level": verbose,
		"log_info": level <= slog.LevelInfo, "log_warning": level <= slog.LevelWarn, "log_error": level <= slog.LevelError,
	}
}

// SetLog changes the log, and tells its settings then. Those that are not given
// stay. What cannot be changed may be given as it is.
func (s *Settings) SetLog(changes map[string]any) (map[string]any, error) {
	if s.Locked && len(changes) > 0 {
		return nil, errLocked
	}
	now := s.Log()
	for key, value := range changes {
		old, ok := now[key]
		switch {
		case !ok:
			return nil, refuse("there is no setting %.80q of the log", key)
		case value == nil || key == "log_format" && value == "ISO8601":
			continue
		case key == "log_verbose_level":
			n, ok := Integer(value)
			if !ok {
				return nil, refuse("the setting log_verbose_level is %v: it is an integer from 0 on", value)
			}
			now[key] = int(min(n, 1))
			continue
		}
		if _, flag := old.(bool); flag {
			if _, ok := value.(bool); !ok {
				return nil, refuse("the setting %s is %v: it is true or false", key, value)
			}
			now[key] = value
		} else if value != old {
			return nil, refuse("the setting %s cannot be changed while the server runs", key)
		}
	}
	if s.Level == nil && len(changes) > 0 {
		return nil, refuse("this server writes no log: its settings cannot be changed")
	}
	if s.Level != nil {
		s.Level.Set(levelOf(now))
	}
	return s.Log(), nil
}

// levelOf is the level that shows everything that is asked for: one is never shown
// without what is worse.
func levelOf(set map[string]any) slog.Level {
	switch {
	case set["log_verbose_level"] != 0:
		return slog.LevelDebug
	case set["log_info"] == true:
		return slog.LevelInfo
	case set["log_warning"] == true:
		return slog.LevelWarn
	case set["log_error"] == true:
		return slog.LevelError
	}
	return slog.LevelError + 4
}

// Trace tells the settings of traces: of the server and of each model alike.
func (s *Settings) Trace() map[string][]string {
	out := map[string][]string{"trace_level": {"OFF"}, "trace_rate": {"0"}, "trace_count": {"-1"}, "log_frequency": {"0"},
		"trace_file": {""}, "trace_mode": {"opentelemetry"}}
	if s.Traces == nil {
		return out
	}
	if share := s.Traces(); share > 0 {
		out["trace_level"] = []string{"TIMESTAMPS"}
		out["trace_rate"] = []string{fmt.Sprint(math.Round(1 / share))}
	}
	return out
}

// SetTrace takes settings of traces that are as they are, or nil, which in Triton
// takes a change back; others are refused.
func (s *Settings) SetTrace(changes map[string][]string) (map[string][]string, error) {
	now := s.Trace()
	for key, value := range changes {
		old, ok := now[key]
		switch {
		case !ok:
			return nil, refuse("there is no setting %.80q of traces", key)
		case len(value) > 0 && !slices.Equal(value, old):
			return nil, refuse("the setting %s is %q, and cannot be changed while the server runs: traces are set up where it is started", key, old)
		}
	}
	return now, nil
}
