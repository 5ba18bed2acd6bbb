"""What a type hint says: the tensor that stands for a value of it, and the way between the two.

A form has the field of the signature ("datatype", "shape", "parameters"),
decode, from a tensor to what predict gets, and encode, from what it gives to a
tensor. The table of types is in docs/models.md.
"""
import json
import math
import struct
import types
import typing

from . import convert, tensors, values

_PLAIN = {bool: "BOOL", int: "INT64", float: "FP64"}
_NUMPY = {"bool": "BOOL", "bool_": "BOOL", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
          "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "float16": "FP16",
          "float32": "FP32", "float64": "FP64", "double": "FP64", "single": "FP32", "half": "FP16",
          "longlong": "INT64", "ulonglong": "UINT64", "intc": "INT32", "intp": "INT64", "int_": "INT64",
          "long": "INT64", "float": "FP64", "int": "INT64", "str": "BYTES", "str_": "BYTES", "object": "BYTES"}


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
            return tensors.of_array(_array(value), self.datatype)
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
        return tensors.of_array(_array(value), self.datatype)

    def parse(self, value):
        import numpy

        if self.datatype == "BYTES":
            return tensors.of_array(numpy.asarray(value, object))
        return tensors.of_array(numpy.asarray(value, tensors.NUMBERS[self.datatype][1]))

    def example(self, said):
        return None if self.shape is None else _filled(_ONE.get(self.datatype, 1.0), self.shape)


_ONE = {"BYTES": "a", "BOOL": True, **{"%sINT%d" % (u, n): 1 for u in ("", "U") for n in (8, 16, 32, 64)}}


class Frame(Form):
    """A table of pandas."""

    kind = "table"

    def __init__(self, columns=None):
        self.columns = columns

    def field(self):
        made = Form.field(self)
        if self.columns:
            made["parameters"]["columns"] = [{"name": n, "datatype": d} for n, d in self.columns.items()]
        return made

    def decode(self, t):
        """JSON, records or columns, or CSV."""
        import io

        import pandas

        text = bytes(t.element())
        if text.lstrip()[:1] in (b"[", b"{"):
            try:
                told = json.loads(text)
            except ValueError as e:
                raise ValueError("it is no JSON: %s" % e) from None
            if self.columns and isinstance(told, list) and all(isinstance(row, dict) for row in told):
                return self._records(told)
            made = pandas.DataFrame(told["data"], columns=told["columns"]) if _is_split(told) else pandas.DataFrame(told)
        else:
            try:
                made = pandas.read_csv(io.BytesIO(text))
            except Exception as e:
                raise ValueError("it is no CSV: %s" % e) from None
        return self._columns(made)

    def _records(self, rows):
        """A frame of records, each column made at once as what it is."""
        import pandas

        found = {}
        for name, datatype in self.columns.items():
            try:
                found[name] = _column(name, [row[name] for row in rows], datatype)
            except KeyError:
                raise ValueError("the table lacks the column %s" % name) from None
        return pandas.DataFrame(found, copy=False)

    def of_columns(self, columns):
        """A frame of one tensor for each column."""
        import pandas

        return self._columns(pandas.DataFrame({n: t.array().reshape(-1) for n, t in columns.items()}))

    def _columns(self, frame):
        """The columns that the hint names, in its order and of its types."""
        if not self.columns:
            return frame
        missing = [n for n in self.columns if n not in frame.columns]
        if missing:
            raise ValueError("the table lacks the column %s" % ", ".join(missing))
        frame = frame[list(self.columns)]
        for name, datatype in self.columns.items():
            if datatype in tensors.NUMBERS and frame[name].dtype != tensors.NUMBERS[datatype][1]:
                frame = frame.assign(**{name: _column(name, frame[name].tolist(), datatype)})
        return frame

    def encode(self, value):
        """JSON records."""
        if hasattr(value, "to_frame"):
            value = value.to_frame()
        if not hasattr(value, "to_json"):
            return Form.encode(self, value)
        return tensors.of_text(value.to_json(orient="records", date_format="iso", double_precision=15))

    def parse(self, value):
        return tensors.of_text(value if isinstance(value, str) else json.dumps(value))

    def example(self, said):
        return self.columns and [{n: _ONE.get(d, 1.0) for n, d in self.columns.items()}]


def _column(name, values, datatype):
    """The values of a column as what the column is."""
    import numpy

    if datatype not in tensors.NUMBERS:
        return values or numpy.empty(0, object)
    wanted = numpy.dtype(tensors.NUMBERS[datatype][1])
    try:
        made = numpy.array(values)
        if made.dtype.kind not in "biuf" or not values:  # something is missing, or a text
            made = numpy.array(values, float if wanted.kind in "iu" else wanted)
        if wanted.kind in "iu" and made.dtype.kind == "f":
            if any(not isinstance(v, (int, float)) or v % 1 != 0 for v in values):
                raise ValueError("whole numbers are wanted")
            made = numpy.array([int(v) for v in values], wanted)  # not by way of a float
        if wanted.kind == "b" and made.dtype.kind != "b" and values:
            raise ValueError("true or false is wanted")
        return made.astype(wanted, copy=False)
    except (TypeError, ValueError, OverflowError) as e:
        raise ValueError("the column %s: %s" % (name, e)) from None


def _is_split(told):
    return isinstance(told, dict) and set(told) >= {"columns", "data"} and isinstance(told["data"], list) \
        and isinstance(told["columns"], list) and not (told["data"] and not isinstance(told["data"][0], list))


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


def _picture(data):
    import io

    from PIL import Image

    try:
        return Image.open(io.BytesIO(data))
    except Exception as e:
        raise ValueError("it is no image that can be read: %s" % e) from None


def _array(value):
    """Something of numpy or pandas as an array."""
    if tensors.is_array(value):
        return value
    if hasattr(value, "toarray"):  # a sparse matrix
        return value.toarray()
    return value.to_numpy() if hasattr(value, "to_numpy") else value


def _is_pandas(value):
    return type(value).__module__.partition(".")[0] == "pandas"


def form(hint, notes=()):
    """The form of a type hint and what Annotated says beside it."""
    if hint is None or hint in (typing.Any, object):
        return Form()
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if set(args) == {int, float}:
            return Number("FP64", float)
        return Form(hint)
    if origin is typing.Literal:
        return _literal(hint, args)
    kind = origin or hint
    if isinstance(kind, type):
        return _of_class(kind, hint, args, notes)
    return _list(hint, notes) or Form(hint)


def _literal(hint, args):
    if all(type(a) is str for a in args):
        return Text()
    if all(type(a) is int for a in args):
        return Number("INT64", int)
    return Form(hint)


def _of_class(kind, hint, args, notes):
    name, module = kind.__name__, kind.__module__.partition(".")[0]
    if kind in _PLAIN:
        return Number(_PLAIN[kind], kind)
    if module == "numpy":
        if name == "ndarray":
            return _ndarray(args, notes)
        if _NUMPY.get(name) in tensors.NUMBERS:
            return Number(_NUMPY[name], kind)
    if module == "pandas" and name == "DataFrame":
        return Frame(_columns(notes))
    if module == "pandas" and name == "Series":
        datatype, shape = _said(notes)
        return Array(datatype or "FP64", shape or [-1], datatype is not None, kind)
    if kind in (bytes, bytearray, memoryview):
        return Content(kind, _note(notes, "Kind", "name") or "file")
    if module == "PIL":
        return Content(_picture, "image")
    if name == "BytesIO":
        return Content(kind)
    if kind is str:
        return Text()
    return _text_class(kind) or _list(hint, notes) or Form(hint)


def _text_class(kind):
    """What is written as one text."""
    import enum

    if issubclass(kind, enum.Enum):
        return Text(lambda text: convert.word(text, kind))
    if hasattr(kind, "fromisoformat") or kind.__module__ in ("decimal", "uuid", "pathlib", "fractions"):
        return Text(lambda text: convert.word(text, kind))
    return None


def _list(hint, notes):
    """A list of numbers or texts, or of lists of them; None for any other."""
    makers, shape = [], []
    while convert.is_list(hint):
        origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
        if not args or len(makers) == 8:
            return None
        fixed = origin is tuple and args[1:] != (...,)
        if fixed and len(set(args)) != 1:
            return None
        makers.append(origin if origin in (tuple, set, frozenset) else list)
        shape.append(len(args) if fixed else -1)
        hint, more = bare(args[0])
        notes = (*notes, *more)
    if not makers:
        return None
    element = form(hint, notes)
    if not isinstance(element, (Number, Text)) or any(m in (set, frozenset) for m in makers[:-1] if len(makers) > 1):
        return None
    if isinstance(element, Number):
        element.make = None if element.make in (int, float, bool) else element.make
    made = List(element, makers, shape)
    made.element_hint = hint
    return made


def _ndarray(args, notes):
    """numpy.ndarray[shape, dtype[element]], its alias NDArray, and notes."""
    datatype, shape = _said(notes)
    if len(args) > 1 and datatype is None:
        found = typing.get_args(args[1])
        datatype = _NUMPY.get(getattr(found[0], "__name__", "")) if found else None
    if args and shape is None:
        dims = typing.get_args(args[0])
        if dims and dims[-1] is not ... and typing.get_origin(args[0]) is tuple:
            shape = [-1] * len(dims)
    return Array(datatype or "FP64", shape, datatype is not None)


def _said(notes):
    """The type of elements and the shape of notes."""
    name = _note(notes, "DType", "name")
    dims = _note(notes, "Shape", "dims")
    return name and datatype(name), dims and list(dims)


def datatype(kind):
    """The name of a type, as the protocol has it, of numpy's name, a class or itself."""
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
    if name in tensors.NUMBERS or name == "BYTES":
        return name
    if name in _NUMPY:
        return _NUMPY[name]
    raise TypeError("%s is no type of elements" % name)


def _columns(notes):
    found = _note(notes, "Columns", "types")
    return found and {n: "FP64" if t is None else datatype(t) for n, t in found.items()}


def _note(notes, kind, attribute):
    """What the last note of a kind says."""
    for note in reversed(notes):
        if type(note).__name__ == kind and hasattr(note, attribute):
            return getattr(note, attribute)
    return None


def bare(hint):
    """A hint without Annotated, and what Annotated says."""
    notes, hint = (), convert.unalias(hint)
    while typing.get_origin(hint) is typing.Annotated:
        notes = (*hint.__metadata__, *notes)
        hint = convert.unalias(typing.get_args(hint)[0])
    return hint, notes
