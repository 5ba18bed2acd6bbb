"""Tensors as they cross the door: a type, a shape, and bytes, little-endian and without gaps.

An element of BYTES is its length in four bytes and then itself. The names of
types are those of the Open Inference Protocol.
"""
import struct
import sys

# Type -> the letter of struct, and numpy's name.
NUMBERS = {
    "BOOL": ("?", "?"), "INT8": ("b", "<i1"), "INT16": ("h", "<i2"), "INT32": ("i", "<i4"), "INT64": ("q", "<i8"),
    "UINT8": ("B", "<u1"), "UINT16": ("H", "<u2"), "UINT32": ("I", "<u4"), "UINT64": ("Q", "<u8"),
    "FP16": ("e", "<f2"), "FP32": ("f", "<f4"), "FP64": ("d", "<f8"),
}
NAMES = {"b1": "BOOL", **{kind[1:]: name for name, (_, kind) in NUMBERS.items() if kind != "?"}}
ALIGN = 16  # where pieces of a message begin
SMALL = 1 << 14  # bytes that are copied in less time than it takes to do without


class Tensor:
    """One of a message: its elements are memory of the message."""

    __slots__ = ("type", "shape", "data")

    def __init__(self, type, shape, data):
        self.type, self.shape, self.data = type, shape, data

    def count(self):
        """How many elements the shape has."""
        n = 1
        for d in self.shape:
            n *= d
        return n

    def numbers(self):
        """The elements as a tuple of Python's numbers."""
        if self.type == "BF16":
            halves = struct.unpack("<%dH" % (len(self.data) // 2), self.data)
            return struct.unpack("<%df" % len(halves), b"".join(b"\0\0" + h.to_bytes(2, "little") for h in halves))
        letter = NUMBERS[self.type][0]
        return struct.unpack("<%d%s" % (self.count(), letter), self.data)

    def elements(self):
        """The elements of BYTES, as bytes."""
        data, at, found = self.data, 0, []
        while at < len(data):
            end = at + 4 + int.from_bytes(data[at:at + 4], "little")
            found.append(bytes(data[at + 4:end]))
            at = end
        return found

    def element(self):
        """The one element of BYTES, as memory of the message."""
        return self.data[4:]

    def texts(self):
        """The elements of BYTES, as text."""
        return [e.decode() for e in self.elements()]

    def array(self):
        """The elements as a numpy array that may be written to; a large one is memory of the message."""
        import numpy

        if self.type == "BYTES":
            made = numpy.empty(self.count(), dtype=object)
            made[:] = self.texts()
        elif self.type == "BF16":
            made = (numpy.frombuffer(self.data, "<u2").astype("<u4") << 16).view("<f4")
        elif len(self.data) <= SMALL:
            return numpy.ndarray(self.shape, NUMBERS[self.type][1], bytearray(self.data))
        else:
            made = numpy.asarray(_Writable(numpy.frombuffer(self.data, NUMBERS[self.type][1])))
        return made.reshape(self.shape)


class _Writable:
    """An array over memory that says it is read-only, as an array that may be written to.

    The memory is that of a message, which nobody else has.
    """

    def __init__(self, array):
        self.array = array
        self.__array_interface__ = told = array.__array_interface__
        told["data"] = (told["data"][0], False)


def of_numbers(type, shape, values):
    """A tensor of Python's numbers."""
    return Tensor(type, shape, struct.pack("<%d%s" % (len(values), NUMBERS[type][0]), *values))


def of_bytes(shape, elements):
    """A tensor of BYTES."""
    return Tensor("BYTES", shape, b"".join(x for e in elements for x in (len(e).to_bytes(4, "little"), e)))


def of_text(text):
    """A tensor of one text."""
    return of_bytes([1], [text.encode()])


_known = {}  # numpy's types as the protocol names them


def of_array(array, wanted=None):
    """A tensor of a numpy array: of the wanted type, where numpy says that its values are kept."""
    import numpy

    array = numpy.asarray(array)
    if not _known:
        _known.update({numpy.dtype(kind): name for name, (_, kind) in NUMBERS.items()})
    name = _known.get(array.dtype)
    if name is not None and (name == wanted or wanted not in NUMBERS):
        return Tensor(name, list(array.shape), numpy.ascontiguousarray(array))
    if array.dtype.kind in "USOT":
        return of_bytes(list(array.shape), [_text(v) for v in array.ravel().tolist()])
    if array.dtype.kind in "Mm":
        return of_bytes(list(array.shape), [str(v).encode() for v in array.ravel()])
    if wanted in NUMBERS:
        dtype = numpy.dtype(NUMBERS[wanted][1])
        if array.dtype != dtype and numpy.can_cast(array.dtype, dtype, "same_kind"):
            array = array.astype(dtype)
    name = NAMES.get("%s%d" % (array.dtype.kind, array.dtype.itemsize))
    if name is None:
        if array.dtype.kind != "f":
            raise TypeError("an array of %s cannot be told: make it an array of numbers or texts" % array.dtype)
        name, array = "FP64", array.astype("<f8")
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    return Tensor(name, list(array.shape), numpy.ascontiguousarray(array))


def _text(value):
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else str(value)).encode()


def is_array(value):
    """Whether it is something of numpy; who never imported numpy has none."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


def split(specs, data):
    """What a message describes, each with its tensor over the message's memory."""
    at = 0
    for spec in specs:
        end = at + spec["size"]
        yield spec, Tensor(spec["datatype"], spec["shape"], data[at:end])
        at = -(-end // ALIGN) * ALIGN


def size(data):
    """The bytes of a tensor's data."""
    return data.nbytes if hasattr(data, "nbytes") else len(data)
