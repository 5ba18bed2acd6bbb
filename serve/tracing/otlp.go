package tracing

import (
	"math"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protowire"
)

// wire is a message of OTLP as protobuf writes it, field by field. It is written by
// hand because the generated code of OTLP, and the gateway that comes with it, made
// every start of the program longer, of which few trace anything.
type wire []byte

// number writes an integer or a truth; zero is not written.
func (w wire) number(field protowire.Number, v uint64) wire {
	if v == 0 {
		return w
	}
	return protowire.AppendVarint(protowire.AppendTag(w, field, protowire.VarintType), v)
}

// fixed64 writes eight bytes.
func (w wire) fixed64(field protowire.Number, v uint64) wire {
	return protowire.AppendFixed64(protowire.AppendTag(w, field, protowire.Fixed64Type), v)
}

// fixed32 writes four bytes.
func (w wire) fixed32(field protowire.Number, v uint32) wire {
	return protowire.AppendFixed32(protowire.AppendTag(w, field, protowire.Fixed32Type), v)
}

// bytes writes bytes; none are not written.
func (w wire) bytes(field protowire.Number, b []byte) wire {
	if len(b) == 0 {
		return w
	}
	return protowire.AppendBytes(protowire.AppendTag(w, field, protowire.BytesType), b)
}

// text writes a text; an empty one is not written. What clients sent may be no UTF-8,
// which a receiver would refuse together with everything that came with it.
func (w wire) text(field protowire.Number, s string) wire {
	if s == "" {
		return w
	}
	return protowire.AppendString(protowire.AppendTag(w, field, protowire.BytesType), strings.ToValidUTF8(s, "\uFFFD"))
}

// message writes a message that fill writes.
func (w wire) message(field protowire.Number, fill func(wire) wire) wire {
	w = protowire.AppendTag(w, field, protowire.BytesType)
	at := len(w)
	w = fill(w)
	return slices.Insert(w, at, protowire.AppendVarint(nil, uint64(len(w)-at))...)
}

// time writes when something was, in nanoseconds since 1970.
func (w wire) time(field protowire.Number, t time.Time) wire {
	return w.fixed64(field, uint64(max(t.UnixNano(), 0)))
}

// requestOf is an ExportTraceServiceRequest of spans, all of one TracerProvider.
func requestOf(spans []sdk.ReadOnlySpan) []byte {
	about := spans[0].Resource()
	return wire(nil).message(1, func(w wire) wire { // ResourceSpans
		w = w.message(1, func(w wire) wire { return w.attributes(1, about.Attributes()) })
		for len(spans) > 0 {
			scope, n := spans[0].InstrumentationScope(), 1
			for n < len(spans) && spans[n].InstrumentationScope() == scope {
				n++
			}
			w = w.message(2, func(w wire) wire { return w.scopeSpans(scope, spans[:n]) })
			spans = spans[n:]
		}
		return w.text(3, about.SchemaURL())
	})
}

// scopeSpans are spans that one part of the program made.
func (w wire) scopeSpans(scope instrumentation.Scope, spans []sdk.ReadOnlySpan) wire {
	w = w.message(1, func(w wire) wire {
		return w.text(1, scope.Name).text(2, scope.Version).attributes(3, scope.Attributes.ToSlice())
	})
	for _, s := range spans {
		w = w.message(2, func(w wire) wire { return w.span(s) })
	}
	return w.text(3, scope.SchemaURL)
}

func (w wire) span(s sdk.ReadOnlySpan) wire {
	own, parent := s.SpanContext(), s.Parent()
	w = w.identity(own)
	if id := parent.SpanID(); id.IsValid() {
		w = w.bytes(4, id[:])
	}
	w = w.text(5, s.Name()).number(6, uint64(s.SpanKind())) // kinds have the same numbers
	w = w.time(7, s.StartTime()).time(8, s.EndTime())
	w = w.attributes(9, s.Attributes()).number(10, uint64(s.DroppedAttributes()))
	for _, e := range s.Events() {
		w = w.message(11, func(w wire) wire {
			return w.time(1, e.Time).text(2, e.Name).attributes(3, e.Attributes).number(4, uint64(e.DroppedAttributeCount))
		})
	}
	w = w.number(12, uint64(s.DroppedEvents()))
	for _, l := range s.Links() {
		w = w.message(13, func(w wire) wire {
			return w.identity(l.SpanContext).attributes(4, l.Attributes).number(5, uint64(l.DroppedAttributeCount)).fixed32(6, flags(l.SpanContext, l.SpanContext))
		})
	}
	w = w.number(14, uint64(s.DroppedLinks()))
	w = w.message(15, func(w wire) wire { return w.status(s.Status()) })
	return w.fixed32(16, flags(own, parent))
}

// identity writes the trace, the span and the state, which spans and links begin with.
func (w wire) identity(s trace.SpanContext) wire {
	traceID, spanID := s.TraceID(), s.SpanID()
	return w.bytes(1, traceID[:]).bytes(2, spanID[:]).text(3, s.TraceState().String())
}

// Bits of a span's flags beside those that W3C has.
const (
	knowsRemote = 1 << 8 // the next one is told
	isRemote    = 1 << 9 // the parent is of another process
)

// flags are those of a span, of which far says whether it came from elsewhere.
func flags(s, far trace.SpanContext) uint32 {
	f := uint32(s.TraceFlags()) | knowsRemote
	if far.IsRemote() {
		f |= isRemote
	}
	return f
}

func (w wire) status(s sdk.Status) wire {
	w = w.text(2, s.Description)
	switch s.Code { // OTLP has other numbers
	case codes.Ok:
		return w.number(3, 1)
	case codes.Error:
		return w.number(3, 2)
	}
	return w
}

func (w wire) attributes(field protowire.Number, list []attribute.KeyValue) wire {
	for _, kv := range list {
		w = w.message(field, func(w wire) wire {
			return w.text(1, string(kv.Key)).message(2, func(w wire) wire { return w.value(kv.Value) })
		})
	}
	return w
}

// value writes the one field of an AnyValue, zeros too: one without a field is none.
func (w wire) value(v attribute.Value) wire {
	switch v.Type() {
	case attribute.STRING:
		return protowire.AppendString(protowire.AppendTag(w, 1, protowire.BytesType), strings.ToValidUTF8(v.AsString(), "\uFFFD"))
	case attribute.BOOL:
		return protowire.AppendVarint(protowire.AppendTag(w, 2, protowire.VarintType), protowire.EncodeBool(v.AsBool()))
	case attribute.INT64:
		return protowire.AppendVarint(protowire.AppendTag(w, 3, protowire.VarintType), uint64(v.AsInt64()))
	case attribute.FLOAT64:
		return w.fixed64(4, math.Float64bits(v.AsFloat64()))
	case attribute.BOOLSLICE:
		return values(w, v.AsBoolSlice(), attribute.BoolValue)
	case attribute.INT64SLICE:
		return values(w, v.AsInt64Slice(), attribute.Int64Value)
	case attribute.FLOAT64SLICE:
		return values(w, v.AsFloat64Slice(), attribute.Float64Value)
	case attribute.STRINGSLICE:
		return values(w, v.AsStringSlice(), attribute.StringValue)
	case attribute.SLICE:
		return values(w, v.AsSlice(), func(v attribute.Value) attribute.Value { return v })
	case attribute.MAP:
		return w.message(6, func(w wire) wire { return w.attributes(1, v.AsMap()) })
	case attribute.BYTESLICE:
		return protowire.AppendBytes(protowire.AppendTag(w, 7, protowire.BytesType), v.AsByteSlice())
	}
	return w
}

// values writes a list of values.
func values[T any](w wire, list []T, of func(T) attribute.Value) wire {
	return w.message(5, func(w wire) wire {
		for _, v := range list {
			w = w.message(1, func(w wire) wire { return w.value(of(v)) })
		}
		return w
	})
}

// refusedOf reads an ExportTraceServiceResponse: how many spans the receiver did not
// take, and why.
func refusedOf(answer []byte) (spans int64, why string) {
	_ = fields(answer, func(field protowire.Number, kind protowire.Type, part []byte, _ uint64) {
		if field != 1 || kind != protowire.BytesType {
			return
		}
		_ = fields(part, func(field protowire.Number, kind protowire.Type, text []byte, n uint64) {
			switch { // of another kind it is another field
			case field == 1 && kind == protowire.VarintType:
				spans = int64(n)
			case field == 2 && kind == protowire.BytesType:
				why = strings.ToValidUTF8(string(text), "?")
			}
		})
	})
	return spans, why
}

// fields gives the fields of a message to each: those of bytes, and those of integers.
func fields(b []byte, each func(field protowire.Number, kind protowire.Type, text []byte, n uint64)) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var text []byte
		var v uint64
		switch kind {
		case protowire.BytesType:
			text, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		default:
			n = protowire.ConsumeFieldValue(field, kind, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		each(field, kind, text, v)
		b = b[n:]
	}
	return nil
}
