package sdk

import (
	"context"
	"log/slog"

	"polyreme.dev/sdk/internal/wire"
)

// LevelTrace is below slog.LevelDebug, for what the host calls trace.
const LevelTrace = slog.LevelDebug - 4

// Logger writes to the host's log, which adds controller, object and reconcile id to each line. In a module
// package slog and package log write there as well.
//
//	sdk.Logger(ctx).Info("greeted", "who", hello.Spec.Who)
func Logger(ctx context.Context) *slog.Logger { return slog.New(NewHandler(of(ctx).host)) }

// Handler passes the records of package slog to the host's log.
type Handler struct {
	host   wire.Host
	prefix string
	fields []wire.Pair
}

// NewHandler is a handler for a host; [Logger] is shorter.
func NewHandler(host wire.Host) *Handler { return &Handler{host: host} }

// Enabled tells whether anybody reads this level.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool {
	return h.host.LogEnabled(contractLevel(level))
}

// Handle writes one line. Attributes become fields; those of groups get the group's name in front.
func (h *Handler) Handle(_ context.Context, record slog.Record) error {
	fields := append([]wire.Pair{}, h.fields...)
	record.Attrs(func(attribute slog.Attr) bool {
		fields = appendAttribute(fields, h.prefix, attribute)
		return true
	})
	h.host.Log(contractLevel(record.Level), record.Message, fields)
	return nil
}

// WithAttrs is a handler that adds these attributes to each line.
func (h *Handler) WithAttrs(attributes []slog.Attr) slog.Handler {
	with := *h
	with.fields = append([]wire.Pair{}, h.fields...)
	for _, attribute := range attributes {
		with.fields = appendAttribute(with.fields, h.prefix, attribute)
	}
	return &with
}

// WithGroup is a handler that puts name in front of the attributes that follow.
func (h *Handler) WithGroup(name string) slog.Handler {
	with := *h
	if name != "" {
		with.prefix += name + "."
	}
	return &with
}

func appendAttribute(fields []wire.Pair, prefix string, attribute slog.Attr) []wire.Pair {
	value := attribute.Value.Resolve()
	if value.Kind() != slog.KindGroup {
		if attribute.Key == "" {
			return fields
		}
		return append(fields, wire.Pair{Key: prefix + attribute.Key, Value: value.String()})
	}
	if attribute.Key != "" {
		prefix += attribute.Key + "."
	}
	for _, inner := range value.Group() {
		fields = appendAttribute(fields, prefix, inner)
	}
	return fields
}

func contractLevel(level slog.Level) wire.Level {
	switch {
	case level < slog.LevelDebug:
		return wire.Trace
	case level < slog.LevelInfo:
		return wire.Debug
	case level < slog.LevelWarn:
		return wire.Info
	case level < slog.LevelError:
		return wire.Warn
	}
	return wire.ErrorLevel
}
