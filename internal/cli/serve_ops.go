package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/version"
	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/metrics"
	"github.com/wherry-run/wherry/serve/requestlog"
	"github.com/wherry-run/wherry/serve/tracing"
)

// guardOptions are the flags of wherry serve that say who may ask, and what those
// who run the server are told.
type guardOptions struct {
	keyFile            string
	cert, certKey      string
	hosts, origins     []string
	maxBody, maxBodies string
	connections        int
	readTime, sendTime time.Duration
	access             string
	compat             []string
	control            bool
	log, logSize       string
	logSample          float64
}

func (o *guardOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.keyFile, "api-key-file", "", "answer only requests with a key of this file, a key or NAME KEY on each line (also: the variable "+keysVariable+", with commas)")
	f.StringVar(&o.cert, "tls-cert", "", "certificate of the server, PEM; it is read again when it changes")
	f.StringVar(&o.certKey, "tls-key", "", "key of --tls-cert, PEM")
	f.StringSliceVar(&o.hosts, "allow-host", nil, "answer to this name, too, as behind a proxy; * for all (default: on this machine's own addresses only its names)")
	f.StringSliceVar(&o.origins, "allow-origin", nil, "let pages of this site ask, such as https://example.com; * for all")
	f.BoolVar(&o.control, "allow-control", false, "let everybody load and unload models and change the log (default: who has a key, and this machine where no other reaches the server)")
	f.StringVar(&o.maxBody, "max-body", "64m", "limit of what a request may send")
	f.StringVar(&o.maxBodies, "max-bodies", "1g", "limit of what all requests under way have sent together; those beyond get 503")
	f.IntVar(&o.connections, "max-connections", guard.DefaultConnections, "limit of connections that are open at once")
	f.DurationVar(&o.readTime, "read-timeout", guard.DefaultReadTimeout, "how long a client may take to send a request; a second more for each 64 KB")
	f.DurationVar(&o.sendTime, "write-timeout", guard.DefaultWriteTimeout, "how long a client may take for each part of an answer")
	f.StringVar(&o.access, "access-log", "", "write a line for each request to standard error, text or json; auto: text on a terminal")
	f.Lookup("access-log").NoOptDefVal = guard.LogAuto
	f.StringVar(&o.log, "request-log", "", "write inputs, outputs and times of requests to this file, .csv or .parquet, or to a file for each model in this folder")
	f.Float64Var(&o.logSample, "request-log-sample", 1, "share of requests that --request-log gets, such as 0.1")
	f.StringVar(&o.logSize, "request-log-size", "1g", "limit of each --request-log, older files included")
	f.StringSliceVar(&o.compat, "metrics-compat", nil, "show metrics under these servers' names, too: "+metrics.Triton+", "+metrics.TEI)
}

// keysVariable has API keys, for those who do not want a file.
const keysVariable = "WHERRY_API_KEYS"

// guarded puts what the flags say into the configuration of a server that listens
// on addresses.
func (a *app) guarded(o guardOptions, addresses []string, c *serve.Config, l *serve.ListenConfig) error {
	g := &c.Guard
	g.Hosts, g.Origins = o.hosts, o.origins
	g.Bound = boundTo(addresses)
	g.ReadTimeout, g.WriteTimeout = o.readTime, o.sendTime
	if o.readTime < 0 || o.sendTime < 0 {
		return &ux.UsageError{Text: "--read-timeout and --write-timeout take times such as 30s"}
	}
	for _, origin := range o.origins {
		if origin != "*" && !strings.HasPrefix(origin, "http://") && !strings.HasPrefix(origin, "https://") {
			return &ux.UsageError{Text: fmt.Sprintf("--allow-origin %s: write it as https://example.com", origin)}
		}
	}
	var err error
	if c.MaxBody, err = sizeFlag("--max-body", o.maxBody, "64m"); err != nil {
		return err
	}
	if g.MaxBodies, err = sizeFlag("--max-bodies", o.maxBodies, "1g"); err != nil {
		return err
	}
	if g.Keys, err = guard.NewKeys(a.env(keysVariable), o.keyFile, c.Log); err != nil {
		return keysWrong(o.keyFile, err)
	}
	a.again = append(a.again, g.Keys.Again)
	c.Control = o.control || g.Keys != nil || g.Bound != ""
	if o.cert != "" || o.certKey != "" {
		var again func()
		if l.TLS, again, err = guard.TLS(o.cert, o.certKey, c.Log); err != nil {
			return &hinted{err, "give --tls-cert and --tls-key the PEM files of a certificate and its key"}
		}
		a.again = append(a.again, again)
	}
	if o.access != "" {
		if !slices.Contains([]string{guard.LogAuto, guard.LogText, guard.LogJSON}, o.access) {
			return &ux.UsageError{Text: fmt.Sprintf("--access-log %s: write text, json or auto", o.access)}
		}
		g.Access = guard.NewLog(a.Err, o.access)
	}
	if l.Connections = o.connections; o.connections < 0 {
		return &ux.UsageError{Text: "--max-connections takes a number from 1 on"}
	}
	for _, name := range o.compat {
		if name != metrics.Triton && name != metrics.TEI {
			return &ux.UsageError{Text: fmt.Sprintf("--metrics-compat %s: there are %s and %s", name, metrics.Triton, metrics.TEI)}
		}
	}
	c.Operations.MetricsCompat = o.compat
	return nil
}

// openTracer begins to send traces when the environment names who gets them; else
// nil.
func (a *app) openTracer(ctx context.Context, log *slog.Logger) (*tracing.Tracer, error) {
	if !tracing.Wanted(a.env) {
		return nil, nil
	}
	return tracing.Open(ctx, tracing.Config{Version: version.Get().Version, Log: log}, a.env)
}

// traced has a server tell of its requests where the environment says who gets that. end is
// called after the server.
func (a *app) traced(ctx context.Context, c *serve.Config) (end func(), err error) {
	p := &c.Operations
	if p.Tracer, err = a.openTracer(ctx, c.Log); err != nil || p.Tracer == nil {
		return func() {}, err
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
		if err := p.Tracer.Close(ctx); err != nil {
			c.Log.Warn("the end of the traces is lost", "error", err)
		}
	}, nil
}

// lastWords is how long logs and traces may take to be written at the end.
const lastWords = 5 * time.Second

// openRequestLog begins the request log that the flags ask for; nil: none.
func (o *guardOptions) openRequestLog(log *slog.Logger) (*requestlog.Log, error) {
	if o.log == "" {
		return nil, nil
	}
	if !(o.logSample > 0 && o.logSample <= 1) {
		return nil, &ux.UsageError{Text: "--request-log-sample takes a share over 0, up to 1"}
	}
	size, err := sizeFlag("--request-log-size", o.logSize, "1g")
	if err != nil {
		return nil, err
	}
	return requestlog.Open(requestlog.Config{Path: o.log, Sample: o.logSample, Size: size, Log: log})
}

// closeRequestLog writes what is not yet. It has a little time for that.
func closeRequestLog(ctx context.Context, l *requestlog.Log) {
	if l == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	_ = l.Close(ctx) // what it could not write is logged
}

// keysWrong says of keys that cannot be had what to do, without telling any.
func keysWrong(file string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &hinted{fmt.Errorf("there is no file of API keys %s", file), "write one: a key of 8 characters and more on each line"}
	case file == "":
		return fmt.Errorf("read API keys from %s: %w", keysVariable, err)
	}
	return err
}

// boundTo is the host that a server listens on, for guard: "" as soon as one of its
// addresses is not of this machine alone.
func boundTo(addresses []string) string {
	bound := ""
	for _, address := range addresses {
		host, _, err := net.SplitHostPort(address)
		if err != nil || !guard.Loopback(host) {
			return ""
		}
		bound = host
	}
	return bound
}
