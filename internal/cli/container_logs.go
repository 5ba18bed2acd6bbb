package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

// logsOptions are the flags of wherry logs.
type logsOptions struct {
	follow, timestamps, details bool
	since, until, tail          string
}

func (a *app) logsCommand() *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use: "logs [OPTIONS] CONTAINER", Short: "Show what a container printed", Args: exactly(1, "one container"), ValidArgsFunction: a.completeContainers,
		RunE: func(cmd *cobra.Command, args []string) error { return a.logs(cmd.Context(), args[0], o) },
	}
	o.flags(cmd.Flags())
	return cmd
}

func (o *logsOptions) flags(f *pflag.FlagSet) {
	f.BoolVarP(&o.follow, "follow", "f", false, "go on until it ends")
	f.StringVar(&o.since, "since", "", "from this time on, such as 2026-11-23T10:00:00Z, or 10m ago")
	f.StringVar(&o.until, "until", "", "up to this time")
	f.StringVarP(&o.tail, "tail", "n", "all", "how many of the last lines")
	f.BoolVarP(&o.timestamps, "timestamps", "t", false, "show when each line was printed")
	f.BoolVar(&o.details, "details", false, "accepted: logs have no details besides")
}

// options are the flags as the log takes them.
func (o logsOptions) options() (state.LogOptions, error) {
	want := state.LogOptions{Follow: o.follow}
	var err error
	if want.Since, err = parseTime("--since", o.since); err != nil {
		return want, err
	}
	if want.Until, err = parseTime("--until", o.until); err != nil {
		return want, err
	}
	if o.tail != "all" && o.tail != "" {
		n, err := strconv.Atoi(o.tail)
		if err != nil {
			return want, &ux.UsageError{Text: "--tail " + o.tail + ": write a number of lines, or all"}
		}
		if n >= 0 {
			want.Tail = &n
		}
	}
	return want, nil
}

func (a *app) logs(ctx context.Context, name string, o logsOptions) error {
	s, c, err := a.container(ctx, name)
	if err != nil {
		return err
	}
	if c.Log.Off {
		return &hinted{fmt.Errorf("container %s keeps no log", c.Name), "it was made with --log-driver none; wherry attach shows what it prints"}
	}
	want, err := o.options()
	if err != nil {
		return err
	}
	return s.Logs(ctx, c.ID, want, func(e state.Entry) error {
		var w io.Writer = a.Out
		if e.Stream == state.Stderr {
			w = a.Err
		}
		if o.timestamps {
			if _, err := fmt.Fprintf(w, "%s ", e.Time.Format("2006-01-02T15:04:05.000000000Z07:00")); err != nil {
				return err
			}
		}
		_, err := w.Write(e.Bytes())
		return err
	})
}

// parseTime reads a time as Docker does: a date, seconds since 1970, or how long ago.
func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(-d), nil
	}
	whole, part, _ := strings.Cut(text, ".")
	if n, err := strconv.ParseInt(whole, 10, 64); err == nil {
		nano, _ := strconv.ParseInt((part + "000000000")[:9], 10, 64)
		return time.Unix(n, nano), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01-02Z07:00"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &ux.UsageError{Text: fmt.Sprintf("%s %q: write a time such as 2026-11-23T10:00:00Z, or 10m", flag, text)}
}
