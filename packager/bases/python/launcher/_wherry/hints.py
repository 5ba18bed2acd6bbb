"""The form of a type hint, by the table of types in docs/models.md."""
import types
import typing

from . import convert, tensors
from .forms import Array, Content, Form, List, Number, Text
from .frames import Frame

_PLAIN = {bool: "BOOL", int: "INT64", float: "FP64"}
_NUMPY = {"bool": "BOOL", "bool_": "BOOL", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
          "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "float16": "FP16",
          "float32": "FP32", "float64": "FP64", "double": "FP64", "single": "FP32", "half": "FP16",
          "longlong": "INT64", "ulonglong": "UINT64", "intc": "INT32", "intp": "INT64", "int_": "INT64",
          "long": "INT64", "float": "FP64", "int": "INT64", "str": "BYTES", "str_": "BYTES", "object": "BYTES"}


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


def _picture(data):
    import io

    from PIL import Image

    try:
        return Image.open(io.BytesIO(data))
    except Exception as e:
        raise ValueError("it is no image that can be read: %s" % e) from None
