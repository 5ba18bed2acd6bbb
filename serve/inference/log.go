package inference

import (
	"context"
	"log/slog"
)

// Handler gives h only what the settings let the log tell.
func (s *Settings) Handler(h slog.Handler) slog.Handler { return &leveled{h, s.Level} }

type leveled struct {
	slog.Handler
	level *slog.LevelVar
}

func (l *leveled) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= l.level.Level() && l.Handler.Enabled(ctx, level)
}

func (l *leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &leveled{l.Handler.WithAttrs(attrs), l.level}
}

func (l *leveled) WithGroup(name string) slog.Handler {
	return &leveled{l.Handler.WithGroup(name), l.level}
}
