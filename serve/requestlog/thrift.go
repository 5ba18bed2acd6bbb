package requestlog

import "encoding/binary"

// compact writes the compact protocol of Thrift, in which Parquet keeps what is not
// data.
type compact struct {
	b    []byte
	last []int16 // the field before, of each struct that is open
}

// Types of the protocol.
const (
	tTrue   = 1
	tI32    = 5
	tI64    = 6
	tBinary = 8
	tList   = 9
	tStruct = 12
)

func (c *compact) field(id int16, kind byte) {
	top := len(c.last) - 1
	if delta := id - c.last[top]; delta > 0 && delta < 16 {
		c.b = append(c.b, byte(delta)<<4|kind)
	} else {
		c.b = append(c.b, kind)
		c.b = binary.AppendVarint(c.b, int64(id))
	}
	c.last[top] = id
}

// begin opens a struct that is a whole, or an element of a list.
func (c *compact) begin() { c.last = append(c.last, 0) }

func (c *compact) end() {
	c.b = append(c.b, 0)
	c.last = c.last[:len(c.last)-1]
}

func (c *compact) open(id int16) {
	c.field(id, tStruct)
	c.begin()
}

func (c *compact) i32(id int16, v int64) {
	c.field(id, tI32)
	c.b = binary.AppendVarint(c.b, v)
}

func (c *compact) i64(id int16, v int64) {
	c.field(id, tI64)
	c.b = binary.AppendVarint(c.b, v)
}

func (c *compact) text(id int16, v string) {
	c.field(id, tBinary)
	c.word(v)
}

// word is a text as an element of a list.
func (c *compact) word(v string) {
	c.b = binary.AppendUvarint(c.b, uint64(len(v)))
	c.b = append(c.b, v...)
}

func (c *compact) list(id int16, kind byte, n int) {
	c.field(id, tList)
	if n < 15 {
		c.b = append(c.b, byte(n)<<4|kind)
		return
	}
	c.b = append(c.b, 0xf0|kind)
	c.b = binary.AppendUvarint(c.b, uint64(n))
}

// Numbers of Parquet's own definition.
const (
	typeInt64     = 2
	typeDouble    = 5
	typeByteArray = 6

	required = 0

	convertedUTF8   = 0
	convertedMicros = 10
	convertedJSON   = 19

	encodingPlain = 0
	encodingRLE   = 3
	codecZstd     = 6
	dataPage      = 0
)

// types gives the physical and the converted type of a kind; -1: none.
func (k kind) types() (physical, converted int64) {
	switch k {
	case integer:
		return typeInt64, -1
	case real:
		return typeDouble, -1
	case moment:
		return typeInt64, convertedMicros
	case document:
		return typeByteArray, convertedJSON
	default:
		return typeByteArray, convertedUTF8
	}
}

// pageHead is what stands before the values of a column.
func pageHead(plain, packed int, rows int64) []byte {
	var c compact
	c.begin()
	c.i32(1, dataPage)
	c.i32(2, int64(plain))
	c.i32(3, int64(packed))
	c.open(5)
	c.i32(1, rows)
	c.i32(2, encodingPlain)
	c.i32(3, encodingRLE)
	c.i32(4, encodingRLE)
	c.end()
	c.end()
	return c.b
}

// fileContents is the table of contents of a file.
func fileContents(groups []group) []byte {
	var c compact
	c.begin()
	c.i32(1, 2)
	c.list(2, tStruct, len(columns)+1)
	c.begin()
	c.text(4, "request")
	c.i32(5, int64(len(columns)))
	c.end()
	for i := range columns {
		c.schema(&columns[i])
	}
	rows := int64(0)
	for _, g := range groups {
		rows += g.rows
	}
	c.i64(3, rows)
	c.list(4, tStruct, len(groups))
	for i := range groups {
		c.group(&groups[i])
	}
	c.text(6, "wherry")
	c.end()
	return c.b
}

func (c *compact) schema(col *column) {
	physical, converted := col.kind.types()
	c.begin()
	c.i32(1, physical)
	c.i32(3, required)
	c.text(4, col.name)
	if converted >= 0 {
		c.i32(6, converted)
	}
	switch col.kind { // the logical type says it again, more exactly
	case text:
		c.open(10)
		c.open(1)
		c.end()
		c.end()
	case document:
		c.open(10)
		c.open(12)
		c.end()
		c.end()
	case moment:
		c.open(10)
		c.open(8)
		c.field(1, tTrue) // of UTC
		c.open(2)
		c.open(2) // microseconds
		c.end()
		c.end()
		c.end()
		c.end()
	}
	c.end()
}

func (c *compact) group(g *group) {
	c.begin()
	c.list(1, tStruct, len(g.chunks))
	total := int64(0)
	for i, one := range g.chunks {
		physical, _ := columns[i].kind.types()
		total += one.plain
		c.begin()
		c.i64(2, one.offset)
		c.open(3)
		c.i32(1, physical)
		c.list(2, tI32, 1)
		c.b = binary.AppendVarint(c.b, encodingPlain)
		c.list(3, tBinary, 1)
		c.word(columns[i].name)
		c.i32(4, codecZstd)
		c.i64(5, g.rows)
		c.i64(6, one.plain)
		c.i64(7, one.whole)
		c.i64(9, one.offset)
		c.end()
		c.end()
	}
	c.i64(2, total)
	c.i64(3, g.rows)
	c.end()
}
