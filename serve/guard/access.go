package guard

import (
	"context"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// Formats of the access log.
const (
	LogAuto = "auto" // text on a terminal, else JSON
	LogText = "text"
	LogJSON = "json"
)

// NewLog makes a log that writes to w in a format.
func NewLog(w io.Writer, format string) *slog.Logger {
	if format == LogAuto {
		format = LogJSON
		if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			format = LogText
		}
	}
	if format == LogText {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}

// access writes the line of a request.
func (c *Config) access(ctx context.Context, r *Record) {
	if c.Access == nil {
		return
	}
	level := slog.LevelInfo
	if r.Status >= 500 {
		level = slog.LevelError
	}
	c.Access.LogAttrs(ctx, level, "request", r.attrs()...)
}

// attrs are what a line says of a request.
func (r *Record) attrs() []slog.Attr {
	list := make([]slog.Attr, 0, 24)
	list = append(list, slog.String("id", r.ID), slog.String("remote", r.Remote), slog.String("method", r.Method), slog.String("path", r.Path),
		slog.Int("status", r.Status), slog.Float64("seconds", r.Took.Seconds()), slog.Int64("in", r.In), slog.Int64("out", r.Out))
	text := func(name, value string) {
		if value != "" {
			list = append(list, slog.String(name, value))
		}
	}
	text("agent", r.Agent)
	text("key", r.Key)
	text("trace", r.Trace)
	calls, protocol, receipt, err := r.Inferences()
	if calls == 0 {
		return list
	}
	text("protocol", protocol)
	text("model", receipt.Model)
	text("version", receipt.Version)
	text("digest", receipt.Digest)
	list = append(list, slog.Uint64("fuel", receipt.Fuel), slog.Uint64("memory", receipt.Memory), slog.Int("rows", receipt.Rows), slog.Int("batch", receipt.Batch),
		slog.Float64("queue_seconds", receipt.Queue.Seconds()), slog.Float64("compute_seconds", receipt.Compute.Seconds()))
	if calls > 1 {
		list = append(list, slog.Int("calls", calls))
	}
	if err != nil {
		list = append(list, slog.String("error", err.Error()))
	}
	return list
}
