package requestlog

import (
	"strconv"
	"time"
)

// kind is what a column has.
type kind int

const (
	text kind = iota
	document
	integer
	real
	moment
)

// column is one of the table: of its values the one of its kind is given.
type column struct {
	name    string
	kind    kind
	text    func(*row) string
	integer func(*row) int64
	real    func(*row) float64
}

// columns are those of all tables.
var columns = []column{
	{name: "time", kind: moment, integer: func(r *row) int64 { return r.time.UnixMicro() }},
	{name: "id", text: func(r *row) string { return r.id }},
	{name: "trace", text: func(r *row) string { return r.trace }},
	{name: "key", text: func(r *row) string { return r.key }},
	{name: "protocol", text: func(r *row) string { return r.protocol }},
	{name: "model", text: func(r *row) string { return r.model }},
	{name: "version", text: func(r *row) string { return r.version }},
	{name: "digest", text: func(r *row) string { return r.digest }},
	{name: "status", kind: integer, integer: func(r *row) int64 { return r.status }},
	{name: "reason", text: func(r *row) string { return r.reason }},
	{name: "seconds", kind: real, real: func(r *row) float64 { return r.seconds }},
	{name: "queue_seconds", kind: real, real: func(r *row) float64 { return r.queue }},
	{name: "compute_seconds", kind: real, real: func(r *row) float64 { return r.compute }},
	{name: "fuel", kind: integer, integer: func(r *row) int64 { return r.fuel }},
	{name: "memory", kind: integer, integer: func(r *row) int64 { return r.memory }},
	{name: "rows", kind: integer, integer: func(r *row) int64 { return r.rows }},
	{name: "batch", kind: integer, integer: func(r *row) int64 { return r.batch }},
	{name: "inputs", kind: document, text: func(r *row) string { return r.inputs }},
	{name: "outputs", kind: document, text: func(r *row) string { return r.outputs }},
}

// cell is the value of a column as CSV has it.
func (c *column) cell(r *row) string {
	switch c.kind {
	case integer:
		return strconv.FormatInt(c.integer(r), 10)
	case real:
		return strconv.FormatFloat(c.real(r), 'g', -1, 64)
	case moment:
		return time.UnixMicro(c.integer(r)).UTC().Format("2006-01-02T15:04:05.000000Z")
	default:
		return c.text(r)
	}
}
