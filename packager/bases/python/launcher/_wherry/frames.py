"""Tables of pandas as tensors: CSV, JSON, and columns that a hint names."""
import json

from . import tensors
from .forms import ONE, Form


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
        return self.columns and [{n: ONE.get(d, 1.0) for n, d in self.columns.items()}]


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
