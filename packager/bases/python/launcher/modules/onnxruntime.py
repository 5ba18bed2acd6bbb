"""onnxruntime, for a program in the sandbox.

The same ONNX Runtime, compiled to WebAssembly, runs beside the program in a
sandbox of its own, and this module hands tensors to it. What chooses hardware,
threads or providers is taken and has no effect: there is one processor.
"""
import enum
import json
import os

from _wherry import tensors

__version__ = "1.18.0"
__all__ = ["ExecutionMode", "GraphOptimizationLevel", "InferenceSession", "ModelMetadata", "NodeArg", "OrtValue",
           "RunOptions", "SessionOptions", "get_available_providers", "get_all_providers", "get_device",
           "set_default_logger_severity", "set_default_logger_verbosity", "set_seed"]

_HEAD = b"\0onnx\1"
_TYPES = {"BOOL": "bool", "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64", "UINT8": "uint8",
          "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64", "FP16": "float16", "BF16": "bfloat16",
          "FP32": "float", "FP64": "double", "BYTES": "string"}


class GraphOptimizationLevel(enum.IntEnum):
    """Taken, and without effect: a graph is always optimized."""

    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_ALL = 99


class ExecutionMode(enum.IntEnum):
    """Taken, and without effect."""

    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


class _Fail(Exception):
    """What ONNX Runtime says is wrong."""


class Fail(_Fail, RuntimeError):
    """A failure of no other kind."""


class InvalidArgument(_Fail, ValueError):
    """Inputs that do not fit the model."""


class NoSuchFile(_Fail, FileNotFoundError):
    """There is no such model."""


class InvalidProtobuf(_Fail, ValueError):
    """The model is no ONNX."""


class InvalidGraph(_Fail, ValueError):
    """The model contradicts itself."""


class NotImplemented(_Fail, NotImplementedError):
    """The model has what this ONNX Runtime has not."""


_ERRORS = {"INVALID_ARGUMENT": InvalidArgument, "NO_SUCHFILE": NoSuchFile, "NO_MODEL": NoSuchFile,
           "INVALID_PROTOBUF": InvalidProtobuf, "INVALID_GRAPH": InvalidGraph, "NOT_IMPLEMENTED": NotImplemented}


class _Options:
    """Attributes that are kept and change nothing."""

    def __init__(self):
        self._entries = {}

    def add_session_config_entry(self, key, value):
        """Keep an entry."""
        self._entries[key] = value

    add_run_config_entry = add_session_config_entry

    def get_session_config_entry(self, key):
        """An entry that was kept."""
        return self._entries[key]


class SessionOptions(_Options):
    """How a session is made."""

    def __init__(self):
        super().__init__()
        self.enable_cpu_mem_arena = self.enable_mem_pattern = self.enable_mem_reuse = True
        self.enable_profiling = False
        self.execution_mode = ExecutionMode.ORT_SEQUENTIAL
        self.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_ALL
        self.inter_op_num_threads = self.intra_op_num_threads = 0
        self.log_severity_level, self.log_verbosity_level = -1, 0
        self.logid = self.optimized_model_filepath = self.profile_file_prefix = ""
        self.use_deterministic_compute = False

    def add_free_dimension_override_by_name(self, name, value):
        """A dimension is as long as the inputs are."""

    add_free_dimension_override_by_denotation = add_free_dimension_override_by_name

    def register_custom_ops_library(self, path):
        """Native code cannot be loaded."""
        raise NotImplemented("a library of operators is native code, which a WebAssembly guest cannot load: %s" % path)


class RunOptions(_Options):
    """How a run is made."""

    def __init__(self):
        super().__init__()
        self.log_severity_level, self.log_verbosity_level, self.logid = -1, 0, ""
        self.only_execute_path_to_fetches = self.terminate = False


class NodeArg:
    """An input or output of a model."""

    def __init__(self, field):
        self.name = field["name"]
        self.type = "tensor(%s)" % _TYPES[field["datatype"]]
        self.shape = [None if d < 0 else d for d in field["shape"] or []]
        self._datatype = field["datatype"]
        self._labels = (field.get("parameters") or {}).get("labels")

    def __repr__(self):
        return "NodeArg(name=%r, type=%r, shape=%s)" % (self.name, self.type, self.shape)


class ModelMetadata:
    """What a model says of itself: little of it is known here."""

    def __init__(self, name):
        self.graph_name = self.producer_name = self.domain = self.description = self.graph_description = ""
        self.graph_name, self.version, self.custom_metadata_map = name, 0, {}


class OrtValue:
    """A tensor, which is an array of numpy."""

    def __init__(self, array):
        self._array = array

    @staticmethod
    def ortvalue_from_numpy(array, device_type="cpu", device_id=0):
        """The array as a value."""
        return OrtValue(array)

    def numpy(self):
        """The value as an array."""
        return self._array

    def shape(self):
        """The length of each dimension."""
        return list(self._array.shape)

    def device_name(self):
        """Where it is."""
        return "cpu"

    def is_tensor(self):
        """It is one."""
        return True

    has_value = is_tensor


class InferenceSession:
    """A model that is loaded."""

    def __init__(self, path_or_bytes, sess_options=None, providers=None, provider_options=None, **kwargs):
        self._options = sess_options or SessionOptions()
        self._path, self._data = "", None
        if isinstance(path_or_bytes, (str, os.PathLike)):
            self._path = os.path.abspath(os.fspath(path_or_bytes))
            if not os.path.isfile(self._path):
                raise NoSuchFile("[ONNXRuntimeError] : 3 : NO_SUCHFILE : Load model from %s failed. File doesn't exist"
                                 % path_or_bytes)
        elif isinstance(path_or_bytes, (bytes, bytearray, memoryview)):
            self._data = bytes(path_or_bytes)
        else:
            raise TypeError("Unable to load from type '%s'" % type(path_or_bytes))
        self._open()

    def _open(self):
        try:
            told, _ = _say({"open": self._path}, [self._data] if self._data is not None else [])
        except NoSuchFile:
            # A file that the program made: only it has it.
            with open(self._path, "rb") as f:
                self._data, self._path = f.read(), ""
            told, _ = _say({"open": ""}, [self._data])
        self._key = told["key"]
        self._inputs = [NodeArg(f) for f in told["inputs"] or []]
        self._outputs = [NodeArg(f) for f in told["outputs"] or []]

    def get_inputs(self):
        """The inputs."""
        return self._inputs

    def get_outputs(self):
        """The outputs."""
        return self._outputs

    def get_overridable_initializers(self):
        """None that are known."""
        return []

    def get_modelmeta(self):
        """What the model says of itself."""
        return ModelMetadata(os.path.basename(self._path))

    def get_session_options(self):
        """The options it was made with."""
        return self._options

    def get_providers(self):
        """The one there is."""
        return get_available_providers()

    def get_provider_options(self):
        """None."""
        return {name: {} for name in self.get_providers()}

    def set_providers(self, providers=None, provider_options=None):
        """There is one."""

    def disable_fallback(self):
        """There is nothing to fall back to."""

    enable_fallback = disable_fallback

    def run(self, output_names, input_feed, run_options=None):
        """The outputs that are named, all for none, for inputs by their names."""
        names = list(output_names or [o.name for o in self._outputs])
        known = {o.name: o for o in self._outputs}
        for name in names:
            if name not in known:
                raise InvalidArgument("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Invalid output name:%s" % name)
        wanted = {i.name: i for i in self._inputs}
        missing = [n for n in wanted if n not in input_feed]
        if missing:
            raise ValueError("Required inputs (%s) are missing from input feed (%s)." % (missing, list(input_feed)))
        specs, pieces = [], []
        for name, value in input_feed.items():
            if name not in wanted:
                raise InvalidArgument("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Invalid input name: %s" % name)
            t = _tensor(wanted[name], value)
            specs.append({"name": name, "datatype": t.type, "shape": t.shape, "size": tensors.size(t.data)})
            pieces.append(t.data)
        told, memory = self._ask({"run": self._key, "inputs": specs, "outputs": names}, pieces)
        found = {spec["name"]: t for spec, t in tensors.split(told["outputs"] or [], memory)}
        return [self._value(known[name], found[name]) for name in names]

    def _ask(self, request, pieces):
        """Run; a host that does not know the model, as after a restore, is told it again."""
        told, memory = _say(request, pieces)
        if told.get("unknown"):
            self._open()
            told, memory = _say({**request, "run": self._key}, pieces)
        return told, memory

    def run_with_ort_values(self, output_names, input_dict_ort_values, run_options=None):
        """run, of values."""
        feed = {name: value.numpy() for name, value in input_dict_ort_values.items()}
        return [OrtValue(v) for v in self.run(output_names, feed, run_options)]

    def _value(self, arg, t):
        """An output as onnxruntime gives it: of a ZipMap, a list of dictionaries."""
        array = t.array()
        if not arg._labels or array.ndim != 2 or array.dtype.kind != "f" or len(arg._labels) != array.shape[1]:
            return array
        labels = arg._labels
        if any(o._datatype == "INT64" for o in self._outputs) and all(l.lstrip("-").isdecimal() for l in labels):
            labels = [int(l) for l in labels]
        return [dict(zip(labels, row)) for row in array.tolist()]


def _tensor(arg, value):
    """A value of a feed as a tensor of the input's type, as far as onnxruntime would take it."""
    import numpy

    if isinstance(value, OrtValue):
        value = value.numpy()
    if not isinstance(value, numpy.ndarray):
        value = numpy.asarray(value, dtype=None if arg._datatype == "BYTES" else tensors.NUMBERS.get(arg._datatype, (0, None))[1])
    t = tensors.of_array(value)
    if t.type != arg._datatype:
        raise InvalidArgument("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Unexpected input data type. Actual: "
                              "(tensor(%s)) , expected: (%s)" % (_TYPES[t.type], arg.type))
    return t


def _say(request, pieces):
    """Ask the host: what it answers, and the memory behind that."""
    import _host

    text = json.dumps(request).encode()
    try:
        answer = _host.call(b"".join((_HEAD, len(text).to_bytes(4, "little"), text, *pieces)))
    except OSError:
        raise Fail("nobody runs ONNX models for this program here") from None
    end = 4 + int.from_bytes(answer[:4], "little")
    told = json.loads(answer[4:end])
    if "error" in told:
        e = told["error"]
        raise _ERRORS.get(e["type"], Fail)("[ONNXRuntimeError] : %s : %s" % (e["type"], e["message"]))
    return told, memoryview(answer)[end:]


def get_available_providers():
    """The one there is."""
    return ["CPUExecutionProvider"]


get_all_providers = get_available_providers


def get_device():
    """What models run on."""
    return "CPU"


def set_default_logger_severity(severity):
    """ONNX Runtime prints errors."""


set_default_logger_verbosity = set_seed = set_default_logger_severity
