"""A value of JSON as the type that a hint names; ValueError says where it does not fit."""
import types
import typing

from . import convert


def build(value, hint):
    """The value as the type; whatever no rule is about stays as it is."""
    hint = convert.unalias(hint)
    if hint is None or hint in (typing.Any, object):
        return value
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return build(value, args[0])
    if origin in (typing.Required, typing.NotRequired, getattr(typing, "ReadOnly", typing.Final), typing.Final, typing.ClassVar):
        return build(value, args[0])
    if origin in (typing.Union, types.UnionType):
        return _first(value, args)
    if origin is typing.Literal:
        if any(value == a and type(value) is type(a) for a in args):
            return value
        raise ValueError("one of %s is wanted, got %s" % (", ".join(map(repr, args)), short(value)))
    kind = origin or hint
    if kind in _RULES:
        return _RULES[kind](value, args)
    if isinstance(kind, type):
        return _of_class(value, kind, args)
    return value


def short(value):
    """The beginning of a value, for people."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _wrong(what, value):
    return ValueError("%s is wanted, got %s" % (what, short(value)))


def _first(value, choices):
    """The first member of a union that takes the value."""
    if value is None and type(None) in choices:
        return None
    if type(value) in choices:
        return value
    failure = None
    for choice in choices:
        if choice is not type(None):
            try:
                return build(value, choice)
            except ValueError as e:
                failure = e
    raise failure


def _bool(value, args):
    if not isinstance(value, bool):
        raise _wrong("true or false", value)
    return value


def _int(value, args):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1 != 0:
        raise _wrong("a whole number", value)
    return int(value)


def _float(value, args):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong("a number", value)
    return float(value)


def _str(value, args):
    if not isinstance(value, str):
        raise _wrong("a text", value)
    return value


def _none(value, args):
    if value is not None:
        raise _wrong("null", value)


def _bytes(value, args):
    import base64

    return base64.b64decode(_str(value, args), validate=True)


def _at(where, value, hint):
    """build, which names the place when it fails."""
    try:
        return build(value, hint)
    except ValueError as e:
        raise ValueError("%s: %s" % (where, e)) from None


def _list(make):
    def rule(value, args):
        if not isinstance(value, list):
            raise _wrong("a list", value)
        element = args[0] if args else None
        return make(_at("[%d]" % i, v, element) for i, v in enumerate(value))

    return rule


def _tuple(value, args):
    if not args or args[1:] == (...,):
        return _list(tuple)(value, args)
    if not isinstance(value, list) or len(value) != len(args):
        raise _wrong("a list of %d" % len(args), value)
    return tuple(_at("[%d]" % i, v, a) for i, (v, a) in enumerate(zip(value, args)))


def _dict(value, args):
    if not isinstance(value, dict):
        raise _wrong("an object", value)
    if len(args) != 2:
        return value
    key = args[0]
    return {k if key in (str, typing.Any) else convert.word(k, key): _at(k, v, args[1]) for k, v in value.items()}


def _abcs():
    import collections.abc as abc

    return {abc.Sequence: _list(list), abc.Iterable: _list(list), abc.Collection: _list(list), abc.Mapping: _dict,
            abc.MutableMapping: _dict, abc.MutableSequence: _list(list)}


_RULES = {bool: _bool, int: _int, float: _float, str: _str, bytes: _bytes, type(None): _none, list: _list(list),
          tuple: _tuple, set: _list(set), frozenset: _list(frozenset), dict: _dict, **_abcs()}


def _of_class(value, kind, args):
    """An object of a class, recognised by what it offers."""
    import dataclasses
    import enum

    name = kind.__name__
    if typing.is_typeddict(kind):
        return _object(value, kind, kind.__required_keys__, dict, typing.get_type_hints(kind, include_extras=True))
    if dataclasses.is_dataclass(kind):
        fields = {f.name: f for f in dataclasses.fields(kind) if f.init}
        needed = {n for n, f in fields.items()
                  if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING}
        return _object(value, kind, needed, kind, _hints(kind, fields))
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        if isinstance(value, list):
            value = dict(zip(kind._fields, value)) if len(value) <= len(kind._fields) else value
        needed = set(kind._fields) - set(kind._field_defaults)
        return _object(value, kind, needed, kind, _hints(kind, kind._fields))
    if hasattr(kind, "model_validate"):
        return kind.model_validate(value)
    if issubclass(kind, enum.Enum):
        for member in kind:
            if value in (member.name, member.value):
                return member
        raise ValueError("one of %s is wanted, got %s" % (", ".join(m.name for m in kind), short(value)))
    if name == "ndarray":
        return _array(value, args)
    if name in ("DataFrame", "Series") and kind.__module__.partition(".")[0] == "pandas":
        return kind(value)
    if isinstance(value, str):
        return convert.word(value, kind)
    return value


def _hints(kind, names):
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except Exception:  # a name that only a type checker knows
        return dict.fromkeys(names)


def _object(value, kind, needed, make, hints):
    """An object whose keys are known."""
    if not isinstance(value, dict):
        raise _wrong("an object", value)
    for key in value:
        if key not in hints:
            raise ValueError("%s has no %s" % (kind.__name__, short(key)))
    missing = sorted(set(needed) - set(value))
    if missing:
        raise ValueError("%s needs %s" % (kind.__name__, ", ".join(missing)))
    return make(**{k: _at(k, v, hints[k]) for k, v in value.items()})


def _array(value, args):
    """A numpy array, of the element type that NDArray names."""
    import numpy

    found = [a for arg in args[1:] for a in typing.get_args(arg)]
    dtype = found[0] if found and isinstance(found[0], type) and not typing.get_args(found[0]) else None
    try:
        return numpy.asarray(value, dtype)
    except (TypeError, ValueError) as e:
        raise ValueError("an array is wanted: %s" % e) from None
