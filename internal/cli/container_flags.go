package cli

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

// lifeOptions are the flags of run and create that make a container of what else
// would be one run in this process.
type lifeOptions struct {
	detach, remove, quiet    bool
	name, restart, cidFile   string
	hostname, user, platform string
	labels, labelFiles       []string
	labelled                 map[string]string // as they are: a name may have a = in it
	annotations              []string
	stopSignal               string
	logDriver                string
	logOptions               []string
	health                   healthOptions
	signals                  bool
	pids                     int
	init                     bool
	memoryReservation, shm   string
	capDrop, securityOpt     []string
	refused                  []*refusedFlag
}

// healthOptions are the flags of health checks.
type healthOptions struct {
	command                                       string
	interval, timeout, startPeriod, startInterval time.Duration
	retries                                       int
	none                                          bool
	test                                          []string // as in an image; instead of command
}

func (o *lifeOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.name, "name", "", "name of the container")
	f.BoolVar(&o.remove, "rm", false, "remove the container when it ends; one that runs in the foreground without a name is always removed")
	f.StringVar(&o.restart, "restart", "", "when to start it again: no, on-failure[:N], always or unless-stopped")
	f.StringVar(&o.cidFile, "cidfile", "", "file to write the container's ID to")
	f.StringVar(&o.hostname, "hostname", "", "name of the machine that the program is told ($HOSTNAME)")
	f.StringVarP(&o.user, "user", "u", "", "user that the program is told; there is one user in a sandbox")
	f.StringVar(&o.platform, "platform", "", platformUse)
	f.BoolVarP(&o.quiet, "quiet", "q", false, "say nothing of what is pulled")
	f.StringArrayVarP(&o.labels, "label", "l", nil, "label, NAME=VALUE")
	f.StringArrayVar(&o.labelFiles, "label-file", nil, "file of labels, one NAME=VALUE a line")
	f.StringArrayVar(&o.annotations, "annotation", nil, "label for other tools, NAME=VALUE")
	f.StringVar(&o.stopSignal, "stop-signal", "", "signal by which it is asked to end")
	f.StringVar(&o.logDriver, "log-driver", "", "what keeps its output: json-file, local or none")
	f.StringArrayVar(&o.logOptions, "log-opt", nil, "max-size=16m or max-file=3")
	f.BoolVar(&o.signals, "sig-proxy", true, "pass signals on to the program")
	f.IntVar(&o.pids, "pids-limit", 0, "how many programs may run at once; -1 is the default")
	f.BoolVar(&o.init, "init", false, "accepted: signals end every program here")
	f.StringVar(&o.memoryReservation, "memory-reservation", "", "accepted: memory is taken when it is used")
	f.StringVar(&o.shm, "shm-size", "", "accepted: programs share no memory")
	f.StringSliceVar(&o.capDrop, "cap-drop", nil, "accepted: a sandbox has no capabilities of the kernel")
	f.StringArrayVar(&o.securityOpt, "security-opt", nil, "accepted: no-new-privileges, seccomp and apparmor have nothing to do here")
	o.health.flags(f)
	o.refused = refuse(f,
		refusedFlag{name: "privileged", boolean: true, why: noKernel},
		refusedFlag{name: "cap-add", why: noKernel},
		refusedFlag{name: "device", why: "a sandbox has no devices of this machine"},
		refusedFlag{name: "gpus", why: "a sandbox has no devices of this machine"},
		refusedFlag{name: "ipc", why: "programs share no memory"},
		refusedFlag{name: "pid", why: "a container sees no processes of this machine"},
		refusedFlag{name: "userns", why: "there is one user in a sandbox"},
		refusedFlag{name: "uts", why: "a container has its own name always"},
		refusedFlag{name: "cgroupns", why: "limits are kept by the sandbox: --memory, --cpus, --pids-limit"},
		refusedFlag{name: "cgroup-parent", why: "limits are kept by the sandbox: --memory, --cpus, --pids-limit"},
		refusedFlag{name: "cpuset-cpus", why: "a sandbox is not bound to processors: --cpus bounds its share"},
		refusedFlag{name: "sysctl", why: noKernel},
		refusedFlag{name: "runtime", why: "there is one runtime"},
	)
}

// refuse adds flags of Docker's that say why they have no meaning here.
func refuse(f *pflag.FlagSet, list ...refusedFlag) []*refusedFlag {
	var all []*refusedFlag
	for _, r := range list {
		all = append(all, &r)
		f.Var(&r, r.name, "refused: "+r.why)
		if r.boolean {
			f.Lookup(r.name).NoOptDefVal = "true"
		}
		_ = f.MarkHidden(r.name)
	}
	return all
}

func (h *healthOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&h.command, "health-cmd", "", "command line that tells by its exit code whether the container is well")
	f.DurationVar(&h.interval, "health-interval", 0, "time between checks (default 30s)")
	f.DurationVar(&h.timeout, "health-timeout", 0, "time that a check may take (default 30s)")
	f.DurationVar(&h.startPeriod, "health-start-period", 0, "time for the program to begin, in which failures do not count")
	f.DurationVar(&h.startInterval, "health-start-interval", 0, "time between checks in the start period (default 5s)")
	f.IntVar(&h.retries, "health-retries", 0, "failures in a row until it counts as unhealthy (default 3)")
	f.BoolVar(&h.none, "no-healthcheck", false, "leave the image's check away")
}

// noKernel is why what is asked of a kernel is refused.
const noKernel = "nothing of this machine's kernel is behind a sandbox"

// refusedFlag is a flag of Docker's that has no meaning here, and says so.
type refusedFlag struct {
	name, why string
	boolean   bool
}

func (r *refusedFlag) String() string { return "" }

// Type is how help shows the value.
func (r *refusedFlag) Type() string { return "string" }

// Set refuses every value but those that ask for nothing.
func (r *refusedFlag) Set(v string) error {
	if r.boolean && v == "false" {
		return nil
	}
	return errors.New("it has no meaning here: " + r.why)
}

// kept tells whether the flags ask for a container that is kept by a process of its
// own, and not for a run that leaves nothing.
func (o *lifeOptions) kept() bool {
	return o.detach || o.name != "" || o.restart != "" || o.cidFile != "" || o.health.command != "" || o.logDriver != "" || len(o.logOptions) > 0
}

// validate refuses what cannot be read.
func (o *lifeOptions) validate() error {
	if o.stopSignal != "" {
		if _, err := state.ParseSignal(o.stopSignal); err != nil {
			return &ux.UsageError{Text: "--stop-signal: " + err.Error()}
		}
	}
	if o.pids < -1 {
		return &ux.UsageError{Text: "--pids-limit takes a number from 1 on"}
	}
	return checkPlatform(o.platform)
}

// fill puts the flags into a config.
func (o *lifeOptions) fill(c *state.Config) error {
	var err error
	if c.Restart, err = parseRestart(o.restart); err != nil {
		return err
	}
	if o.remove && c.Restart.Policy != "" && c.Restart.Policy != state.RestartNo {
		return &ux.UsageError{Text: "--rm and --restart " + o.restart + " are at odds: one removes what the other starts again"}
	}
	if c.Labels, err = parseLabels(o.labelFiles, slices.Concat(o.annotations, o.labels)); err != nil {
		return err
	}
	if len(o.labelled) > 0 {
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		maps.Copy(c.Labels, o.labelled)
	}
	if o.pids > 0 {
		c.Limits.Processes = o.pids
	}
	if c.Log, err = state.ParseLogOptions(o.logDriver, o.logOptions); err != nil {
		return &ux.UsageError{Text: err.Error()}
	}
	c.Name, c.AutoRemove, c.StopSignal = o.name, o.remove, o.stopSignal
	c.Hostname, c.User = o.hostname, o.user
	return nil
}

// checkPlatform refuses a --platform that no image here is for.
func checkPlatform(name string) error {
	switch name {
	case "", "wasi/wasm", "wasip1/wasm", "wasm", "wasi/wasm32":
		return nil
	}
	return &hinted{&ux.UsageError{Text: "--platform " + name + ": images here are for wasi/wasm, on every machine"}, "leave it away"}
}

// check is the health check that flags and image ask for; nil is none.
func (h *healthOptions) check(image *state.HealthCheck) (*state.HealthCheck, error) {
	if h.none {
		if h.command != "" {
			return nil, &ux.UsageError{Text: "--health-cmd and --no-healthcheck are at odds"}
		}
		return nil, nil
	}
	if h.interval < 0 || h.timeout < 0 || h.startPeriod < 0 || h.startInterval < 0 || h.retries < 0 {
		return nil, &ux.UsageError{Text: "the flags of health checks take nothing below 0"}
	}
	c := state.HealthCheck{}
	if image != nil {
		c = *image
	}
	if h.command != "" {
		c.Test = []string{"CMD-SHELL", h.command}
	}
	if len(h.test) > 0 {
		c.Test = h.test
	}
	for _, d := range []struct {
		to   *state.Duration
		from time.Duration
	}{{&c.Interval, h.interval}, {&c.Timeout, h.timeout}, {&c.StartPeriod, h.startPeriod}, {&c.StartInterval, h.startInterval}} {
		if d.from > 0 {
			*d.to = state.Duration(d.from)
		}
	}
	if h.retries > 0 {
		c.Retries = h.retries
	}
	if len(c.Test) == 0 || c.Test[0] == "NONE" {
		return nil, nil
	}
	return &c, nil
}

// parseRestart reads --restart.
func parseRestart(text string) (state.Restart, error) {
	policy, retries, ok := strings.Cut(text, ":")
	r := state.Restart{Policy: state.RestartPolicy(policy)}
	bad := &hinted{&ux.UsageError{Text: fmt.Sprintf("--restart %q: there are no, on-failure[:N], always and unless-stopped", text)}, "for example --restart on-failure:5"}
	switch r.Policy {
	case "", state.RestartNo, state.RestartAlways, state.RestartUnlessStopped:
		if ok {
			return r, bad
		}
	case state.RestartOnFailure:
		if ok {
			n, err := strconv.Atoi(retries)
			if err != nil || n < 0 {
				return r, bad
			}
			r.Retries = n
		}
	default:
		return r, bad
	}
	return r, nil
}

// parseLabels reads labels of files and flags; later ones win.
func parseLabels(files, list []string) (map[string]string, error) {
	var lines []string
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				lines = append(lines, line)
			}
		}
	}
	labels := map[string]string{}
	for _, l := range append(lines, list...) {
		k, v, _ := strings.Cut(l, "=")
		if k == "" {
			return nil, &ux.UsageError{Text: fmt.Sprintf("--label %q: write NAME=VALUE", l)}
		}
		labels[k] = v
	}
	if len(labels) == 0 {
		return nil, nil
	}
	return labels, nil
}

// secondsFlag is a time by Docker's way, in seconds, or as elsewhere here, 1m30s.
type secondsFlag struct {
	d   *time.Duration
	set *bool
}

func (s secondsFlag) String() string {
	if s.d == nil {
		return ""
	}
	return s.d.String()
}

// Type is how help shows the value.
func (s secondsFlag) Type() string { return "duration" }

// Set reads the value; -1 is for ever.
func (s secondsFlag) Set(text string) error {
	d, err := time.ParseDuration(text)
	if n, nerr := strconv.ParseInt(text, 10, 64); nerr == nil && n >= -1 && n <= math.MaxInt64/int64(time.Second) {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil {
		return errors.New("write seconds, such as 10, or a time such as 1m30s")
	}
	*s.d = d
	if s.set != nil {
		*s.set = true
	}
	return nil
}
