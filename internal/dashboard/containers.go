package dashboard

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wherry-run/wherry/internal/state"
)

// Labels by which the containers of a stack are told, as every compose has them.
const (
	labelProject = "com.docker.compose.project"
	labelService = "com.docker.compose.service"
)

// container is what the page shows of a container in the list.
type container struct {
	ID       string       `json:"id"`
	Name     string       `json:"name"`
	Project  string       `json:"project,omitempty"`
	Service  string       `json:"service,omitempty"`
	Image    string       `json:"image"`
	ImageID  string       `json:"image_id,omitempty"`
	Command  []string     `json:"command,omitempty"`
	Status   state.Status `json:"status"`
	Health   string       `json:"health,omitempty"`
	ExitCode int          `json:"exit_code"`
	Error    string       `json:"error,omitempty"`
	Created  time.Time    `json:"created"`
	Started  time.Time    `json:"started,omitzero"`
	Finished time.Time    `json:"finished,omitzero"`
	Restarts int          `json:"restarts,omitempty"`
	Ports    []port       `json:"ports,omitempty"`
	Usage    *point       `json:"usage,omitempty"`  // the last that was seen; nil: it does not run
	Recent   []float64    `json:"recent,omitempty"` // of how many processors it used, the oldest first
}

// port is one that is published.
type port struct {
	Guest uint16 `json:"guest"`
	At    string `json:"at"`
	URL   string `json:"url"` // where a browser of this machine finds it
}

// containers lists all of them, and sees to those whose supervisors were killed.
func (d *Dashboard) containers(ctx context.Context) (any, error) {
	s := d.config.Containers
	if r, err := s.Recover(ctx, false); err == nil {
		for _, f := range r.Failed {
			d.config.Log.LogAttrs(ctx, 0, "a container is not as it should be: "+f.Error())
		}
	}
	list, err := s.List(ctx, nil)
	if err != nil {
		return nil, err
	}
	d.usage.asked()
	shown := make([]container, 0, len(list))
	for _, c := range list {
		shown = append(shown, d.shown(c))
	}
	slices.SortStableFunc(shown, func(a, b container) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Name, b.Name))
	})
	return map[string]any{"version": d.config.Version, "containers": shown}, nil
}

// shown is a container as the page has it.
func (d *Dashboard) shown(c *state.Container) container {
	v := container{
		ID: c.ID, Name: c.Name, Project: c.Labels[labelProject], Service: c.Labels[labelService], Image: c.Image.Name, ImageID: c.Image.ID,
		Command: c.Command, Status: c.State.Status, ExitCode: c.State.ExitCode, Error: c.State.Error, Created: c.Created,
		Started: c.State.Started, Finished: c.State.Finished, Restarts: c.State.Restarts,
	}
	if h := c.State.Health; h != nil && c.State.Status.Alive() {
		v.Health = h.Status
	}
	for _, p := range c.State.Ports {
		v.Ports = append(v.Ports, shownPort(p))
	}
	if c.State.Status.Alive() {
		v.Usage, v.Recent = d.usage.last(c.ID)
	}
	return v
}

// shownPort is a published port, and where a browser finds what answers there.
func shownPort(p state.Port) port {
	host := p.HostIP
	if a, err := netip.ParseAddr(host); err != nil || a.IsUnspecified() {
		host = "127.0.0.1"
	}
	number := strconv.Itoa(int(p.HostPort))
	return port{p.Container, net.JoinHostPort(p.HostIP, number), "http://" + net.JoinHostPort(host, number) + "/"}
}

// detail is a container with what the page shows of one alone.
type detail struct {
	container
	Restart  string       `json:"restart,omitempty"`
	Networks []string     `json:"networks,omitempty"`
	Mounts   []string     `json:"mounts,omitempty"`
	Limits   state.Limits `json:"limits,omitzero"`
	Allow    []string     `json:"allow,omitempty"`
	Checks   []check      `json:"checks,omitempty"`
	Logged   bool         `json:"logged"`
	History  []point      `json:"history"`
	Every    float64      `json:"every"` // seconds between two points, as a rule
	Span     float64      `json:"span"`  // seconds that the graphs are of
	Used     state.Usage  `json:"used"`
	Now      time.Time    `json:"now"`
	Labels   []string     `json:"labels,omitempty"`
}

// check is what one look at a container's health said.
type check struct {
	At       time.Time `json:"at"`
	ExitCode int       `json:"exit_code"`
	Output   string    `json:"output,omitempty"`
}

func (d *Dashboard) container(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	c, err := d.config.Containers.Get(ctx, r.PathValue("id"))
	if err != nil {
		send(w, r, nil, err)
		return
	}
	d.usage.asked()
	v := detail{
		container: d.shown(c), Limits: c.Limits, Allow: c.Allow, Logged: !c.Log.Off, Restart: restartWord(c.Restart),
		History: d.usage.of(c.ID), Every: sampleEvery.Seconds(), Span: (samples * sampleEvery).Seconds(), Now: time.Now(), Labels: labels(c.Labels),
	}
	if used, err := d.config.Containers.Usage(ctx, c); err == nil {
		v.Used = used
	}
	for _, n := range c.Networks {
		v.Networks = append(v.Networks, n.Name)
	}
	if len(v.Networks) == 0 && c.Network != "" {
		v.Networks = []string{c.Network}
	}
	for _, m := range c.Mounts {
		v.Mounts = append(v.Mounts, mountWord(m))
	}
	if h := c.State.Health; h != nil {
		for _, one := range h.Log {
			v.Checks = append(v.Checks, check{one.End, one.ExitCode, one.Output})
		}
	}
	send(w, r, v, nil)
}

func restartWord(r state.Restart) string {
	if r.Policy == "" || r.Policy == state.RestartNo {
		return ""
	}
	if r.Retries > 0 {
		return fmt.Sprintf("%s, %d times at most", r.Policy, r.Retries)
	}
	return string(r.Policy)
}

// mountWord is a mount as -v would have it.
func mountWord(m state.Mount) string {
	from := cmp.Or(m.Name, m.Source, m.Type)
	if m.Anonymous {
		from = state.Short(m.Name)
	}
	word := from + " at " + m.Target
	if m.ReadOnly {
		word += ", read only"
	}
	return word
}

// labels are NAME=VALUE, without those of compose, which are about itself.
func labels(all map[string]string) []string {
	var list []string
	for k, v := range all {
		if !strings.HasPrefix(k, "com.docker.compose.") {
			list = append(list, k+"="+v)
		}
	}
	slices.Sort(list)
	return list
}
