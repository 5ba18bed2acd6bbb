package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

// statsRow is a line of wherry stats, by Docker's names of the fields and some more.
type statsRow struct {
	Container string
	ID        string
	Name      string
	CPUPerc   string
	MemUsage  string
	MemPerc   string
	NetIO     string
	BlockIO   string
	PIDs      string
	Fuel      string
	Disk      string
}

// statsEvery is how often stats looks again.
const statsEvery = time.Second

func (a *app) statsCommand() *cobra.Command {
	var all, once, full bool
	var format string
	cmd := &cobra.Command{
		Use: "stats [OPTIONS] [CONTAINER...]", Short: "Show what containers use", ValidArgsFunction: a.completeContainers,
		Long: `Show what containers use, again and again until Ctrl-C. CPU % is the time that their
programs computed; FUEL the work they have done, in units of about one instruction,
which is the same on every machine; DISK what they hold of files that they wrote.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			s, err := a.containers(ctx)
			if err != nil {
				return err
			}
			v := &statsView{app: a, store: s, words: args, all: all, full: full, format: format, before: map[string]used{}}
			return v.run(ctx, once)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&all, "all", "a", false, "show those that do not run, too")
	f.BoolVar(&once, "no-stream", false, "look once")
	f.BoolVar(&full, "no-trunc", false, "do not shorten IDs")
	f.StringVar(&format, "format", "", "Go template, table TEMPLATE, or json")
	return cmd
}

// used is what a container had used at some time.
type used struct {
	at  time.Time
	cpu time.Duration
}

// statsView looks at containers again and again.
type statsView struct {
	app    *app
	store  *state.Store
	words  []string
	all    bool
	full   bool
	format string
	before map[string]used
}

func (v *statsView) run(ctx context.Context, once bool) error {
	if _, err := v.look(ctx); err != nil { // for the first interval
		return err
	}
	pause := 200 * time.Millisecond
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		rows, err := v.look(ctx)
		if err != nil {
			return err
		}
		if !once && ux.IsTerminal(v.app.Out) && v.format == "" {
			fmt.Fprint(v.app.Out, "\x1b[H\x1b[2J")
		}
		columns := []ux.Column{{Heading: "CONTAINER ID", Field: "ID"}, {Heading: "NAME", Field: "Name"}, {Heading: "CPU %", Field: "CPUPerc"},
			{Heading: "MEM USAGE / LIMIT", Field: "MemUsage"}, {Heading: "MEM %", Field: "MemPerc"}, {Heading: "NET I/O", Field: "NetIO"},
			{Heading: "BLOCK I/O", Field: "BlockIO"}, {Heading: "PIDS", Field: "PIDs"}, {Heading: "FUEL", Field: "Fuel"}, {Heading: "DISK", Field: "Disk"}}
		if err := ux.List(v.app.Out, v.format, columns, rows); err != nil || once {
			return err
		}
		pause = statsEvery
	}
}

// look asks all containers at once.
func (v *statsView) look(ctx context.Context) ([]statsRow, error) {
	var list []*state.Container
	if len(v.words) == 0 {
		all, err := v.store.List(ctx, func(c *state.Container) bool { return v.all || c.State.Status.Alive() })
		if err != nil {
			return nil, err
		}
		list = all
	}
	for _, w := range v.words {
		c, err := v.store.Get(ctx, w)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	rows := make([]statsRow, len(list))
	samples := make([]used, len(list))
	var wg sync.WaitGroup
	busy := make(chan struct{}, 16)
	for i, c := range list {
		wg.Go(func() {
			busy <- struct{}{}
			defer func() { <-busy }()
			u, err := v.store.Usage(ctx, c)
			samples[i] = used{time.Now(), u.CPU}
			rows[i] = v.row(c, u, samples[i], err == nil && c.State.Status.Alive())
		})
	}
	wg.Wait()
	for i, c := range list {
		v.before[c.ID] = samples[i]
	}
	return slices.Clip(rows), nil
}

func (v *statsView) row(c *state.Container, u state.Usage, now used, alive bool) statsRow {
	r := statsRow{Container: c.Name, ID: c.ID, Name: c.Name, CPUPerc: "--", MemUsage: "-- / --", MemPerc: "--", NetIO: "--", BlockIO: "--", PIDs: "--"}
	if !v.full {
		r.ID = state.Short(c.ID)
	}
	r.Fuel, r.Disk = units.CustomSize("%.4g%s", float64(u.Fuel), 1000, []string{"", "k", "M", "G", "T", "P", "E"}), units.HumanSizeWithPrecision(float64(u.Disk), 3)
	if !alive {
		return r
	}
	r.CPUPerc = "0.00%"
	if before, ok := v.before[c.ID]; ok {
		if d := now.at.Sub(before.at); d > 0 && now.cpu > before.cpu {
			r.CPUPerc = fmt.Sprintf("%.2f%%", 100*float64(now.cpu-before.cpu)/float64(d))
		}
	}
	r.MemUsage = units.CustomSize("%.4g%s", float64(u.Memory), 1024, binaryUnits()) + " / " + units.CustomSize("%.4g%s", float64(u.Limit), 1024, binaryUnits())
	if u.Limit > 0 {
		r.MemPerc = fmt.Sprintf("%.2f%%", 100*float64(u.Memory)/float64(u.Limit))
	}
	r.NetIO = pair(u.Received, u.Sent)
	r.BlockIO = pair(u.Read, u.Written)
	r.PIDs = fmt.Sprint(u.Programs)
	return r
}

func binaryUnits() []string { return []string{"B", "KiB", "MiB", "GiB", "TiB"} }

func pair(in, out uint64) string {
	return units.HumanSizeWithPrecision(float64(in), 3) + " / " + units.HumanSizeWithPrecision(float64(out), 3)
}

func (a *app) topCommand() *cobra.Command {
	return &cobra.Command{
		Use: "top CONTAINER [ps OPTIONS]", Short: "List the programs that run in a container", Args: atLeast(1, "one container"), ValidArgsFunction: a.completeContainers,
		DisableFlagParsing: false,
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			s, c, err := a.container(ctx, args[0])
			if err != nil {
				return err
			}
			list, err := s.Top(ctx, c.ID)
			if err != nil {
				return err
			}
			var rows [][]string
			for _, p := range list {
				rows = append(rows, []string{fmt.Sprint(p.ID), p.Started.Local().Format("15:04:05"), clockText(p.CPU), strings.Join(p.Command, " ")})
			}
			return ux.Table(a.Out, []string{"PID", "STIME", "TIME", "CMD"}, rows)
		},
	}
}

func clockText(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

func (a *app) portCommand() *cobra.Command {
	return &cobra.Command{
		Use: "port CONTAINER [PORT[/PROTOCOL]]", Short: "List where the ports of a container are published", Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeContainers,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, c, err := a.container(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			found := false
			for _, p := range c.State.Ports {
				inside := fmt.Sprintf("%d/%s", p.Container, p.Protocol)
				host := p.HostIP
				if strings.Contains(host, ":") {
					host = "[" + host + "]"
				}
				switch {
				case len(args) == 1:
					fmt.Fprintf(a.Out, "%s -> %s:%d\n", inside, host, p.HostPort)
				case args[1] == inside || args[1]+"/tcp" == inside:
					fmt.Fprintf(a.Out, "%s:%d\n", host, p.HostPort)
					found = true
				}
			}
			if len(args) == 2 && !found {
				return fmt.Errorf("no port %s of container %s is published", args[1], c.Name)
			}
			return nil
		},
	}
}
