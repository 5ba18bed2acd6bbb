"""The signature of predict: the metadata document of the Open Inference Protocol, made of type hints.

What a value is as a tensor is in forms.py, and of which hint in hints.py; what is said beside the types, as
Range(0, 10), is read here.
"""
import enum
import inspect
import json
import math
import struct
import types
import typing

from . import convert, forms, frames, hints, tensors

OUTPUT = "output"  # the name of what has none


class Signature:
    """What goes in and comes out, and the way between values and tensors."""

    def __init__(self, function, signature):
        told = _hints(function)
        self.inputs, self.outputs = {}, {}
        self.documents = []  # the fields of the inputs
        self.positional = []  # parameters that cannot be named
        for p in signature.parameters.values():
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                continue
            form, field = _input(p, told.get(p.name))
            self.inputs[p.name] = form
            self.documents.append({"name": p.name, **field})
            if p.kind is p.POSITIONAL_ONLY:
                self.positional.append(p.name)
        self.parts = None  # how the outputs are taken from the result: None is the result itself
        self.streams, hint = _streamed(function, told.get("return"))  # it gives one value after the other
        self.hinted = hint is not None and hint is not typing.Any
        self.result = []  # the fields of the outputs
        self._outputs(hint)
        self.quoted = {name: json.dumps(name) for name in self.outputs}  # as in JSON

    def observe(self, value):
        """Without a hint the result is what it was when predict was tried."""
        if not self.hinted:
            self.result = [{"name": OUTPUT, **observed(value)}]

    def document(self, name):
        """All of it as what JSON has."""
        made = {"name": name, "platform": "python", "inputs": self.documents, "outputs": self.result}
        if self.streams:
            made.update(outputs=[_of_parts(field) for field in self.result], streams=True)
        return made

    def _outputs(self, hint):
        hint, notes = hints.bare(hint)
        fields = _members(hint)
        if fields:
            self.parts, taken = fields[0], fields[1]
        else:
            taken = {_named(notes) or OUTPUT: (hint, notes)}
        for name, (kind, notes) in taken.items():
            kind, more = hints.bare(kind)
            notes = (*more, *notes)
            name = _named(notes) or name
            form = forms.Form() if kind is None else hints.form(kind, notes)
            self.outputs[name] = form
            self.result.append({"name": name, **_field(form, kind, notes)})

    def arguments(self, tensors_of, tables):
        """Positional and named arguments of predict; ValueError names the parameter."""
        named = {}
        for name, t in tensors_of.items():
            form = self.inputs.get(name)
            if form is None:
                raise Unfit(name, "there is no such parameter")
            try:
                named[name] = form.decode(t)
            except (ValueError, TypeError, KeyError) as e:
                raise Unfit(name, str(e)) from None
        for name, columns in tables.items():
            try:
                named[name] = self.inputs[name].of_columns(columns)
            except (ValueError, TypeError, KeyError, AttributeError) as e:
                raise Unfit(name, str(e)) from None
        return [named.pop(n) for n in self.positional if n in named], named

    def parse(self, values):
        """Values as cases in JSON have them, as tensors."""
        given = {}
        for name, value in values.items():
            form = self.inputs.get(name)
            if form is None:
                raise Unfit(name, "there is no such parameter")
            given[name] = form.parse(value)
        return given

    def example(self):
        """Plain values for the parameters that need any; None when there are none that are plain."""
        found = {}
        for field in self.documents:
            said = field.get("parameters", {})
            if not said.get("optional"):
                value = self.inputs[field["name"]].example(said)
                if value is None:
                    return None
                found[field["name"]] = value
        return found

    def answers(self, result, wanted, like):
        """The outputs that are wanted, as name and tensor."""
        found = []
        for at, (name, form) in enumerate(self.outputs.items()):
            if wanted and name not in wanted:
                continue
            value = result
            if self.parts is not None:
                value = self.parts(result, at, list(self.outputs)[at])
            if like and not self.hinted:
                form = alike(like)
            try:
                found.append((name, form.encode(value)))
            except Exception as e:
                raise TypeError("predict returned %s, which is no %s of shape %s as its signature says: %s"
                                % (_kind(value), form.datatype, form.shape, e)) from e
        return found


def _streamed(function, hint):
    """Whether a function gives one value after the other, and the hint of its result, or of one value."""
    import collections.abc as abc

    plain, notes = hints.bare(hint)
    origin, args = typing.get_origin(plain) or plain, typing.get_args(plain)
    makes = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    streams = (abc.Iterator, abc.Generator, abc.AsyncIterator, abc.AsyncGenerator, abc.AsyncIterable)
    if origin not in streams and not (makes and origin is abc.Iterable):
        return makes, hint
    if not args or isinstance(args[0], typing.TypeVar):
        return True, None
    return True, typing.Annotated[(args[0], *notes)] if notes else args[0]


def _of_parts(field):
    """The field of all parts of an answer, one after the other, of the field of one."""
    shape = field["shape"]
    if not shape or shape[0] < 0:
        return field
    return {**field, "shape": [-1, *shape[1:]], "parameters": {**field.get("parameters", {}), "part": shape}}


class Unfit(Exception):
    """An argument that does not fit its parameter."""

    def __init__(self, name, reason):
        super().__init__("%s: %s" % (name, reason))
        self.name, self.reason = name, reason


def _kind(value):
    name = type(value).__name__
    return "None" if value is None else ("an " if name[:1] in "aeiou" else "a ") + name


def _hints(function):
    """Parameter name -> type, with what stands beside it."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # a name that only a type checker knows
        found = getattr(function, "__annotations__", {})
        return {n: h for n, h in found.items() if not isinstance(h, str)}


def _input(p, hint):
    """The form and the field of one parameter."""
    hint, notes = hints.bare(hint)
    optional = p.default is not p.empty
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kept = [a for a in typing.get_args(hint) if a is not type(None)]
        if len(kept) < len(typing.get_args(hint)):
            inner, more = hints.bare(kept[0] if len(kept) == 1 else typing.Union[tuple(kept)])
            made = hints.form(inner, (*more, *notes))
            if type(made) is not forms.Form:
                hint, notes, optional = inner, (*more, *notes), True
    form = hints.form(hint, notes)
    field = _field(form, hint, notes)
    if optional:
        field.setdefault("parameters", {})["optional"] = True
        default = _json(p.default) if p.default is not p.empty else None
        if default is not None:
            field["parameters"]["default"] = default
    return form, field


def _json(value):
    """A default as JSON would have it; None for one that cannot be shown."""
    try:
        text = convert.line(value)
    except Exception:
        return None
    if len(text) > 4096:
        return None
    return json.loads(text)


def _field(form, hint, notes):
    """The field of a form, with its constraints."""
    field = form.field()
    said = field["parameters"]
    element = getattr(form, "element_hint", hint)
    choices = _choices(element)
    for note in _notes(hint, notes):
        kind = type(note).__name__
        if isinstance(note, str):
            said["description"] = note
        elif kind == "Range":
            _bound(said, note.minimum, note.maximum)
        elif kind == "Choices":
            choices = list(note.values)
        elif kind == "Description":
            said["description"] = note.text
        elif kind == "Labels":
            said["labels"] = list(note.names)
        elif isinstance(getattr(note, "documentation", None), str):
            said["description"] = note.documentation
        else:
            _bounds_of(said, note, field["datatype"])
    if choices:
        said["choices"] = choices
    if not said:
        del field["parameters"]
    return field


def _notes(hint, notes):
    """What Annotated says, of the elements of a list as well."""
    found, inner = list(notes), hint
    while convert.is_list(inner) and typing.get_args(inner):
        inner, more = hints.bare(typing.get_args(inner)[0])
        found = [*more, *found]
    return found


def _choices(hint):
    if typing.get_origin(hint) is typing.Literal:
        return list(typing.get_args(hint))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return [m.value if isinstance(m.value, str) else m.name for m in hint]
    return None


def _bound(said, minimum, maximum):
    for name, value in (("minimum", minimum), ("maximum", maximum)):
        if value is not None:
            said[name] = float(value)


def _bounds_of(said, note, datatype):
    """Bounds as pydantic and annotated-types say them."""
    whole = datatype.startswith(("INT", "UINT"))
    ge, le, gt, lt = (getattr(note, n, None) for n in ("ge", "le", "gt", "lt"))
    if isinstance(gt, (int, float)):
        ge = gt + 1 if whole else math.nextafter(gt, math.inf)
    if isinstance(lt, (int, float)):
        le = lt - 1 if whole else math.nextafter(lt, -math.inf)
    numbers = [v if isinstance(v, (int, float)) else None for v in (ge, le)]
    _bound(said, *numbers)


def _named(notes):
    for note in notes:
        if type(note).__name__ == "Name":
            return note.name
    return None


def _members(hint):
    """How the members of a result are taken, and their hints, when it is an object of known members."""
    import dataclasses

    if typing.get_origin(hint) is tuple:
        args = typing.get_args(hint)
        if args and args[-1] is not ... and len(set(args)) > 1:
            return (lambda r, at, _: r[at]), {"%s_%d" % (OUTPUT, i): (a, ()) for i, a in enumerate(args)}
        return None
    if not isinstance(hint, type):
        return None
    try:
        found = {n: (h, ()) for n, h in typing.get_type_hints(hint, include_extras=True).items()}
    except Exception:
        return None
    if typing.is_typeddict(hint):
        plain = {n: (typing.get_args(h)[0] if typing.get_origin(h) in (typing.Required, getattr(typing, "ReadOnly", typing.Required)) else h, s)
                 for n, (h, s) in found.items()}
        if any(typing.get_origin(h) is typing.NotRequired for h, _ in plain.values()) or not hint.__total__:
            return None  # who reads them cannot know which are there
        return (lambda r, _, name: r[name]), plain
    if dataclasses.is_dataclass(hint):
        names = [f.name for f in dataclasses.fields(hint)]
        return (lambda r, at, _: getattr(r, names[at])), {n: found[n] for n in names}
    if issubclass(hint, tuple) and hasattr(hint, "_fields"):
        return (lambda r, at, _: r[at]), {n: found.get(n, (None, ())) for n in hint._fields}
    return None


def observed(value):
    """The field of a result that no hint tells about."""
    form = alike_value(value)
    field = form.field()
    if not field["parameters"]:
        del field["parameters"]
    return field


def alike_value(value):
    """The form of a value."""
    module = type(value).__module__.partition(".")[0]
    if isinstance(value, (bool, int, float)) and not tensors.is_array(value):
        for kind, name in ((bool, "BOOL"), (int, "INT64"), (float, "FP64")):
            if isinstance(value, kind):
                return forms.Number(name, kind)
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return forms.Text()
    if isinstance(value, (bytes, bytearray)):
        return forms.Content(bytes)
    if tensors.is_array(value) or module == "pandas" and type(value).__name__ == "Series" or hasattr(value, "toarray"):
        try:
            t = tensors.of_array(forms.array(value))
        except TypeError:
            return forms.Form()
        return forms.Array(t.type, [-1] * len(t.shape) or [1], True)
    if module == "pandas" and type(value).__name__ == "DataFrame":
        return frames.Frame({str(n): tensors.NAMES.get("%s%s" % (t.kind, getattr(t, "itemsize", "")), "BYTES")
                            for n, t in value.dtypes.items()})
    if isinstance(value, list) and value:
        return _list_like(value)
    return forms.Form()


def _list_like(value):
    """The form of a list of numbers or texts, or of rows of them."""
    depth, flat = 1, value
    while flat and all(isinstance(v, list) for v in flat) and depth < 4:
        if len({len(v) for v in flat}) != 1:
            return forms.Form()
        depth, flat = depth + 1, [x for v in flat for x in v]
    for kinds, element in (((bool,), bool), ((int,), int), ((int, float), float), ((str,), str)):
        if flat and all(type(v) in kinds for v in flat):
            hint = element
            for _ in range(depth):
                hint = list[hint]
            return hints.form(hint)
    return forms.Form()


def alike(like):
    """The form of a field that was observed when the signature was made."""
    datatype, kind, shape = like["datatype"], like.get("kind", ""), like.get("shape")
    if kind == "table":
        return frames.Frame()
    if kind in ("json", "file", "image"):
        return forms.Form() if kind == "json" else forms.Content(bytes, kind)
    return _Like(datatype, shape)


class _Like(forms.Array):
    """A number, a text, a list or an array, whatever it is this time."""

    def __init__(self, datatype, shape):
        super().__init__(datatype, shape, True)

    def encode(self, value):
        """As what the signature has, else as what the value is."""
        one = getattr(value, "ndim", 0) == 0 and not isinstance(value, (list, tuple))
        try:
            if one and self.shape == [1]:
                return self._element().encode(value)
            if isinstance(value, (list, tuple)):
                depth, inner = 1, value
                while inner and isinstance(inner[0], (list, tuple)):
                    depth, inner = depth + 1, inner[0]
                return forms.List(self._element(), [list] * depth, [-1] * depth).encode(value)
            if not one:
                return super().encode(value)
        except (TypeError, ValueError, struct.error):
            pass
        return alike_value(value).encode(value)

    def _element(self):
        return forms.Text() if self.datatype == "BYTES" else forms.Number(self.datatype, None)


def of(function):
    """The signature of a function."""
    return Signature(function, inspect.signature(function))
