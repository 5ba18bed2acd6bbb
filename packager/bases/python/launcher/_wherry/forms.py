"""The tensor that stands for a value, and the way between the two.

A form has the field of the signature ("datatype", "shape", "parameters"),
decode, from a tensor to what predict gets, and encode, from what it gives to a
tensor. Which form a type hint has is in hints.py, the form of a table in frames.py.
"""
import json
import math
import struct

from . import convert, tensors, values


class Form:
    """A document of JSON: what every value can be."""

    datatype, shape, kind = "BYTES", [1], "json"

    def __init__(self, hint=None):
        self.hint = hint

    def field(self):
        """The field of the signature, without its name."""
        parameters = {"kind": self.kind} if self.kind else {}
        return {"datatype": self.datatype, "shape": self.shape, "parameters": parameters}

    def decode(self, t):
        """What predict gets."""
        try:
            value = json.loads(bytes(t.element()))
        except ValueError as e:
            raise ValueError("it is no JSON: %s" % e) from None
        return values.build(value, self.hint)

    def encode(self, value):
        """The tensor of what predict gave."""
        return tensors.of_text(convert.line(value))

    def parse(self, value):
        """The tensor of a value as cases in JSON have it."""
        return tensors.of_text(json.dumps(value))

    def example(self, said):
        """A plain value, as JSON has it, within what the field's parameters say; None when there is none."""
        return None


class Number(Form):
    """One number, or truth."""

    shape, kind = [1], ""

    def __init__(self, datatype, make):
        self.datatype, self.make = datatype, make
        self.unpack = struct.Struct("<" + tensors.NUMBERS[datatype][0])

    def decode(self, t):
        if t.type == self.datatype:
            return self.make(self.unpack.unpack(t.data)[0])
        return self.make(t.numbers()[0])

    def encode(self, value):
        if hasattr(value, "item"):
            value = value.item()
        return tensors.Tensor(self.datatype, [1], self.unpack.pack(_cast(self.datatype, value)))

    def parse(self, value):
        return self.encode(_sole(value))

    def example(self, said):
        if said.get("choices"):
            return said["choices"][0]
        if self.datatype == "BOOL":
            return True
        one = min(max(1, said.get("minimum", 1)), said.get("maximum", math.inf))
        return float(one) if self.datatype[:2] == "FP" else int(one)


def _cast(datatype, value):
    """A value as what struct wants for a type: one that would become another is none."""
    if datatype == "BOOL":
        made = bool(value)
    else:
        made = float(value) if datatype[:2] == "FP" else int(value)
    if datatype[:2] != "FP" and made != value:
        raise TypeError("%r is no %s" % (value, datatype))
    return made


class Text(Form):
    """One text, or what is made of one: a member of an enum, a date."""

    kind = "text"

    def __init__(self, make=None):
        self.make = make

    def decode(self, t):
        text = bytes(t.element()).decode()
        return self.make(text) if self.make else text

    def encode(self, value):
        value = convert.plain(value)
        return tensors.of_text(value if isinstance(value, str) else json.dumps(value))

    def parse(self, value):
        return self.encode(_sole(value))

    def example(self, said):
        return said["choices"][0] if said.get("choices") else "a" if self.make is None else None


def _sole(value):
    """The one value in lists of one."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


class List(Form):
    """A list of numbers or texts, or of such lists."""

    kind = ""

    def __init__(self, element, makers, shape):
        self.element, self.makers, self.shape = element, makers, shape
        self.datatype = element.datatype
        self.kind = element.kind

    def decode(self, t):
        if t.type == "BYTES":
            flat = t.texts()
        else:
            flat = t.numbers()
        make = self.element.make
        if make is not None:
            flat = [make(v) for v in flat]
        return self._nest(list(flat), t.shape, self.makers)

    def _nest(self, flat, shape, makers):
        if len(shape) > 1:
            step = len(flat) // shape[0] if shape[0] else 0
            flat = [self._nest(flat[i * step:(i + 1) * step], shape[1:], makers[1:]) for i in range(shape[0])]
        return flat if makers[0] is list else makers[0](flat)

    def encode(self, value):
        if tensors.is_array(value) or _is_pandas(value):
            return tensors.of_array(array(value), self.datatype)
        shape, flat = [], [value]
        for depth in range(len(self.shape)):
            rows = [list(v) for v in flat]
            width = len(rows[0]) if rows else 0
            if any(len(r) != width for r in rows):
                raise TypeError("its lists have different lengths")
            shape.append(width)
            flat = [v for r in rows for v in r]
        if self.datatype == "BYTES":
            return tensors.of_bytes(shape, [str(convert.plain(v)).encode() for v in flat])
        return tensors.of_numbers(self.datatype, shape, [_cast(self.datatype, v) for v in flat])

    def parse(self, value):
        for _ in range(len(self.shape) - _depth(value)):
            value = [value]
        return self.encode(value)

    def example(self, said):
        return _filled(self.element.example(said), self.shape)


def _depth(value):
    """How many lists a value is in."""
    n = 0
    while isinstance(value, list):
        n, value = n + 1, value[0] if value else None
    return n


def _filled(one, shape):
    """Nested lists of one value; a dimension of any length has 1."""
    if one is None or math.prod(max(d, 1) for d in shape) > 1 << 16:
        return None
    for d in reversed(shape):
        one = [one] * (1 if d < 0 else d)
    return one


class Array(Form):
    """An array of numpy; sure is False when the hint does not say the type of its elements."""

    kind = ""

    def __init__(self, datatype, shape, sure, make=None):
        self.datatype, self.shape, self.sure, self.make = datatype, shape, sure, make
        self.kind = "text" if datatype == "BYTES" else ""

    def decode(self, t):
        made = t.array()
        if t.type != self.datatype and self.datatype != "BYTES":
            made = made.astype(tensors.NUMBERS[self.datatype][1])
        return self.make(made) if self.make else made

    def encode(self, value):
        return tensors.of_array(array(value), self.datatype)

    def parse(self, value):
        import numpy

        if self.datatype == "BYTES":
            return tensors.of_array(numpy.asarray(value, object))
        return tensors.of_array(numpy.asarray(value, tensors.NUMBERS[self.datatype][1]))

    def example(self, said):
        return None if self.shape is None else _filled(ONE.get(self.datatype, 1.0), self.shape)


ONE = {"BYTES": "a", "BOOL": True, **{"%sINT%d" % (u, n): 1 for u in ("", "U") for n in (8, 16, 32, 64)}}


class Content(Form):
    """The content of a file."""

    def __init__(self, make, kind="file"):
        self.make, self.kind = make, kind

    def decode(self, t):
        return self.make(t.element())

    def encode(self, value):
        if hasattr(value, "save") and hasattr(value, "mode"):  # an image of Pillow
            import io

            out = io.BytesIO()
            value.save(out, "PNG")
            value = out.getvalue()
        elif hasattr(value, "getvalue"):
            value = value.getvalue()
        elif hasattr(value, "read"):
            value = value.read()
        if isinstance(value, str):
            value = value.encode()
        return tensors.of_bytes([1], [bytes(value)])

    def parse(self, value):
        import base64

        value = _sole(value)
        if isinstance(value, dict) and set(value) == {"base64"}:
            return tensors.of_bytes([1], [base64.b64decode(value["base64"])])
        return tensors.of_text(value)


def array(value):
    """Something of numpy or pandas as an array."""
    if tensors.is_array(value):
        return value
    if hasattr(value, "toarray"):  # a sparse matrix
        return value.toarray()
    return value.to_numpy() if hasattr(value, "to_numpy") else value


def _is_pandas(value):
    return type(value).__module__.partition(".")[0] == "pandas"
