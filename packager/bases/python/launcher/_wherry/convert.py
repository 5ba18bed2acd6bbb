"""Words of a command line to values by type hints, and values to one JSON line."""
import json
import types
import typing

BOOLEANS = {"true": True, "yes": True, "on": True, "1": True,
            "false": False, "no": False, "off": False, "0": False}
_ALIAS = getattr(typing, "TypeAliasType", ())
_LISTS = (list, tuple, set, frozenset)


def hints(function, signature):
    """Parameter name -> type, for those that have one."""
    try:
        found = typing.get_type_hints(function)
    except Exception:  # a name that only a type checker knows
        found = {n: p.annotation for n, p in signature.parameters.items()
                 if p.annotation is not p.empty and not isinstance(p.annotation, str)}
    found.pop("return", None)
    return {n: unalias(h) for n, h in found.items()}


def unalias(hint):
    """What a name made by the statement "type" stands for."""
    while True:
        origin = typing.get_origin(hint)
        if isinstance(hint, _ALIAS):
            hint = hint.__value__
        elif isinstance(origin, _ALIAS):
            hint = origin.__value__[typing.get_args(hint)]
        else:
            return hint


def is_list(hint):
    """Whether several words can make one value of this type."""
    hint = _without_none(hint)
    return hint in _LISTS or typing.get_origin(hint) in (*_LISTS, *_SEQUENCES) or _is_array(hint)


def _sequences():
    import collections.abc as abc

    return abc.Sequence, abc.Iterable, abc.Collection


_SEQUENCES = _sequences()


def _without_none(hint):
    """T of Optional[T]."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kept = [a for a in typing.get_args(hint) if a is not type(None)]
        if len(kept) == 1:
            return kept[0]
    return hint


def _is_array(hint):
    """numpy.ndarray, or one of its aliases with a type of element."""
    origin = typing.get_origin(hint) or hint
    return getattr(origin, "__name__", "") == "ndarray"


def shown(hint):
    """A type as people write it."""
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) \
        else str(hint).replace("typing.", "")


def word(text, hint):
    """One word as a value of the type; ValueError says what was expected."""
    if hint is None or hint in (typing.Any, object):
        return _guess(text)
    if is_list(hint):
        return words([text], hint)
    return _scalar(text, hint)


def words(texts, hint):
    """Several words as a list; one word may hold JSON, or commas."""
    hint = _without_none(hint)
    if len(texts) == 1:
        text = texts[0].strip()
        if text.startswith("["):
            return _collect(_elements(_json(text, "a list"), hint), hint)
        texts = [t for t in (t.strip() for t in text.split(",")) if t]
    element = (typing.get_args(hint) or (None,))[0]
    if _is_array(hint):
        element = float
    return _collect([word(t, element) for t in texts], hint)


def _elements(values, hint):
    """Numbers of a JSON list as the type of element that is wanted."""
    if typing.get_args(hint)[:1] == (float,) and isinstance(values, list):
        return [float(v) if type(v) is int else v for v in values]
    return values


def _collect(values, hint):
    """A list as the container that the type names."""
    if not isinstance(values, list):
        raise ValueError("a list is wanted")
    if _is_array(hint):
        import numpy

        return numpy.asarray(values)
    origin = typing.get_origin(hint) or hint
    return origin(values) if origin in _LISTS and origin is not list else values


def _guess(text):
    """A word without a type: a number if it looks like one, JSON if it is, else itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    if text[:1] in "[{":
        try:
            return json.loads(text)
        except ValueError:
            pass
    return text


def _json(text, what):
    try:
        return json.loads(text)
    except ValueError as e:
        raise ValueError("%s is wanted, as JSON; got %r (%s)" % (what, text, e)) from None


def _scalar(text, hint):
    """One word as a value that is not a list."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _first(text, args)
    if origin is typing.Annotated:
        return word(text, args[0])
    if origin is typing.Literal:
        for value in args:
            if str(value) == text:
                return value
        raise ValueError("one of %s is wanted, got %r" % (", ".join(map(str, args)), text))
    if hint is bool:
        if text.lower() not in BOOLEANS:
            raise ValueError("true or false is wanted, got %r" % text)
        return BOOLEANS[text.lower()]
    if hint is str:
        return text
    if hint is dict or origin is dict:
        return _json(text, "an object")
    if isinstance(hint, type):
        return _construct(text, hint)
    return _guess(text)


def _first(text, choices):
    """The first member of a union that takes the word; None for an empty one."""
    if type(None) in choices and text.lower() in ("", "none", "null"):
        return None
    failure = ValueError("got %r" % text)
    for choice in choices:
        if choice is type(None):
            continue
        try:
            return word(text, choice)
        except ValueError as e:
            failure = e
    raise failure


def _construct(text, kind):
    """A value made by a class of one string, an enum by name or value."""
    import enum

    if issubclass(kind, enum.Enum):
        for member in kind:
            if text in (member.name, str(member.value)):
                return member
        raise ValueError("one of %s is wanted, got %r"
                         % (", ".join(m.name for m in kind), text))
    try:
        return getattr(kind, "fromisoformat", kind)(text)
    except Exception:
        raise ValueError("%s is wanted, got %r" % (kind.__name__, text)) from None


def line(value):
    """A value as one line of JSON; numbers that JSON does not have become null."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False)


def plain(value):
    """A value made of what JSON has."""
    if value is None or isinstance(value, (str, bool)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        value = float(value)
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {_key(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        if hasattr(value, "_asdict"):
            return plain(value._asdict())
        return [plain(v) for v in value]
    return _object(value)


def _key(key):
    key = plain(key)
    return key if isinstance(key, str) else json.dumps(key)


def _object(value):
    """numpy, pandas, dataclasses, pydantic and the like, recognised by what they offer."""
    import dataclasses
    import enum

    kind = type(value)
    if kind.__module__.partition(".")[0] == "pandas":
        if kind.__name__ == "DataFrame":
            return plain(value.to_dict(orient="records"))
        if kind.__name__ == "Series":
            return plain(value.tolist())
        if str(value) in ("NaT", "<NA>"):
            return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain({f.name: getattr(value, f.name) for f in dataclasses.fields(value)})
    if isinstance(value, enum.Enum):
        return plain(value.value)
    for method in ("model_dump", "isoformat", "tolist", "item"):
        convert = getattr(value, method, None)
        if callable(convert):
            made = convert()
            return str(value) if made is value else plain(made)
    if isinstance(value, (bytes, bytearray, memoryview)):
        import base64

        return base64.b64encode(bytes(value)).decode()
    if hasattr(value, "__iter__"):
        return [plain(v) for v in value]
    return str(value)
