"""Words about what predict takes and gives, for the signature of its model.

They stand beside a type, in typing.Annotated, and do nothing by themselves:

    from typing import Annotated
    from wherry import Range

    def predict(area: Annotated[float, Range(1, 400), "living area in square metres"]) -> float: ...
"""
from typing import Annotated

__all__ = ["Choices", "Columns", "Description", "DType", "File", "Image", "Kind", "Labels", "Name", "Range", "Shape"]


class Range:
    """Numbers from minimum to maximum, both included; None bounds nothing."""

    def __init__(self, minimum=None, maximum=None):
        self.minimum, self.maximum = minimum, maximum


class Choices:
    """The only values there are."""

    def __init__(self, *values):
        self.values = values


class Shape:
    """The length of each dimension of an array; -1 is any."""

    def __init__(self, *dims):
        self.dims = tuple(int(d) for d in dims)


class DType:
    """The type of an array's elements, as numpy names it: "float32"."""

    def __init__(self, name):
        self.name = name


class Columns:
    """The columns of a table in their order: Columns("a", "b"), or with types Columns(a=float, b=str)."""

    def __init__(self, *names, **types):
        self.types = {**dict.fromkeys(names), **types}


class Labels:
    """The names of the classes that the last dimension, or an integer, stands for."""

    def __init__(self, *names):
        self.names = tuple(str(n) for n in names)


class Description:
    """A sentence about it. A plain string in Annotated says the same."""

    def __init__(self, text):
        self.text = text


class Name:
    """The name of an output."""

    def __init__(self, name):
        self.name = name


class Kind:
    """What bytes are to a person: "file" or "image"."""

    def __init__(self, name):
        self.name = name


File = Annotated[bytes, Kind("file")]
Image = Annotated[bytes, Kind("image")]
