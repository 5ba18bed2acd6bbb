"""An onnxruntime whose models are run elsewhere: it writes down what it is asked,
and answers what it was told.

Programs are run again with the answers until they ask nothing new.
"""
import sys

_TYPES = {"BOOL": "bool", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64", "INT8": "int8",
          "INT16": "int16", "INT32": "int32", "INT64": "int64", "FP16": "float16", "FP32": "float32", "FP64": "float64"}
feeds = []  # what was asked and has no answer yet


class Needed(Exception):
    """There is no answer yet."""


class _Value:
    def __init__(self, field):
        self.name, self.shape = field["name"], field["shape"]
        self.type = "tensor(%s)" % {"FP32": "float", "FP64": "double", "BYTES": "string"}.get(
            field["datatype"], _TYPES.get(field["datatype"], ""))


def install(job):
    """Put the module where it is imported from."""
    asked = [0]
    feeds.clear()

    class InferenceSession:
        """A model, as the library has it."""

        def __init__(self, *args, **kwargs):
            pass

        def get_inputs(self):
            return [_Value(f) for f in job["inputs"]]

        def get_outputs(self):
            return [_Value(f) for f in job["outputs"]]

        def run(self, names, feed, options=None):
            import numpy as np

            at, asked[0] = asked[0], asked[0] + 1
            if at >= len(job["answers"]):
                feeds.append({name: np.asarray(value).tolist() for name, value in feed.items()})
                raise Needed
            answer = job["answers"][at]
            types = {f["name"]: f["datatype"] for f in job["outputs"]}
            return [np.asarray(answer[n], dtype=_TYPES.get(types[n], object)) for n in names or [f["name"] for f in job["outputs"]]]

    module = type(sys)("onnxruntime")
    module.InferenceSession = InferenceSession
    module.SessionOptions = type("SessionOptions", (), {})
    sys.modules["onnxruntime"] = module
