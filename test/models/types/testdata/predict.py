"""Takes a value of every type that has a form as a tensor, and says what it got; gives one of each as well."""
import dataclasses
import datetime
import decimal
import enum
import sys
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
import wherry


class Colour(enum.Enum):
    red = "r"
    blue = "b"


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0


class Customer(TypedDict):
    name: str
    age: int


class Pair(NamedTuple):
    a: int
    b: list[Point]


class Out(TypedDict):
    got: dict
    real: Annotated[float, "a number"]
    whole: int
    truth: bool
    text: str
    row: list[float]
    rows: list[list[int]]
    words: list[str]
    single: npt.NDArray[np.float32]
    labels: np.ndarray
    table: pd.DataFrame
    series: pd.Series
    point: Point
    raw: bytes
    picture: wherry.Image


def plain(value):
    """The value and its type, as JSON has them."""
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        assert value.flags.writeable and (value.flags.aligned or value.size == 0)
        if value.size and value.dtype.kind == "f":
            value *= 1  # memory of the message, and the model's own
        return ["%s %s" % (kind, value.dtype), value.tolist()]
    if isinstance(value, pd.DataFrame):
        return [kind, {str(t): n for n, t in value.dtypes.items()}, value.values.tolist()]
    if isinstance(value, pd.Series):
        return [kind, value.tolist()]
    if isinstance(value, (bytes, bytearray)):
        return [kind, list(value)]
    if isinstance(value, (enum.Enum, datetime.date, decimal.Decimal, np.generic)):
        return [kind, str(value)]
    if dataclasses.is_dataclass(value):
        return [kind, dataclasses.asdict(value)]
    if isinstance(value, (set, frozenset)):
        return [kind, sorted(value)]
    return [kind, value]


def predict(
    real: float = 0.5, whole: int = 3, truth: bool = False, text: str = "x", single: np.float32 = None,
    limited: Annotated[int, wherry.Range(1, 10)] = 1, colour: Colour = Colour.red, mode: Literal["a", "b"] = "a",
    level: Literal[1, 2] = 1, day: datetime.date = None, price: decimal.Decimal = None, maybe: Optional[float] = None,
    row: list[float] = (), rows: list[list[int]] = (), words: list[str] = (), pair: tuple[float, float] = (0, 0),
    some: set[int] = (), modes: list[Literal["a", "b"]] = (), parts: list[Annotated[float, wherry.Range(0, 1)]] = (),
    array: np.ndarray = None, halves: npt.NDArray[np.float32] = None, longs: npt.NDArray[np.int64] = None,
    image: Annotated[npt.NDArray[np.uint8], wherry.Shape(-1, 2, 2)] = None, names: npt.NDArray[np.str_] = None,
    frame: pd.DataFrame = None, columns: Annotated[pd.DataFrame, wherry.Columns(a=float, b=str)] = None,
    counts: Annotated[pd.DataFrame, wherry.Columns(n=int, ok=bool)] = None, series: pd.Series = None, point: Point = None, customer: Customer = None, tuple_: Pair = None,
    points: list[Point] = (), prices: dict[str, float] = None, either: int | str = 0, any_: Any = None, bare=None,
    file: bytes = b"", picture: wherry.Image = b"",
) -> Out:
    got = {n: plain(v) for n, v in locals().items() if not same(v, n)}
    if text == "raise":
        raise LookupError("as it was told to")
    if text == "lie":
        return {"got": got}
    if text == "print":
        print("printed")
    if text == "exit":
        sys.exit(3)
    return {
        "got": got, "real": np.float32(0.5), "whole": np.int32(7), "truth": np.bool_(True), "text": np.str_("ä"),
        "row": np.arange(3), "rows": [[1, 2], [3, 4]], "words": ["a", ""], "single": [1.5, 2.5],
        "labels": np.array(["p", "q"]), "table": pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        "series": pd.Series([1.5, 2.5]), "point": Point(1.0), "raw": b"\x00\xff", "picture": bytearray(b"png"),
    }


_DEFAULTS = dict(zip(predict.__code__.co_varnames, predict.__defaults__))


def same(value, name):
    """Whether a parameter has its default."""
    return value is _DEFAULTS[name]
