package model

// A DataType is the type of a tensor's elements, by its name in the Open
// Inference Protocol ("Tensor Data Types").
type DataType string

// The types of elements.
const (
	Bool   DataType = "BOOL" // one byte, 0 or 1
	Uint8  DataType = "UINT8"
	Uint16 DataType = "UINT16"
	Uint32 DataType = "UINT32"
	Uint64 DataType = "UINT64"
	Int8   DataType = "INT8"
	Int16  DataType = "INT16"
	Int32  DataType = "INT32"
	Int64  DataType = "INT64"
	FP16   DataType = "FP16" // IEEE 754 binary16
	BF16   DataType = "BF16" // the upper half of binary32, Triton's extension
	FP32   DataType = "FP32"
	FP64   DataType = "FP64"
	Bytes  DataType = "BYTES" // strings, or bytes of any kind, each of its own length
)

// Size gives the bytes of one element: 0 for Bytes, whose elements differ, and
// for what is no type.
func (t DataType) Size() int {
	switch t {
	case Bool, Uint8, Int8:
		return 1
	case Uint16, Int16, FP16, BF16:
		return 2
	case Uint32, Int32, FP32:
		return 4
	case Uint64, Int64, FP64:
		return 8
	}
	return 0
}

// Valid tells whether t is one of the types above.
func (t DataType) Valid() bool { return t == Bytes || t.Size() > 0 }
