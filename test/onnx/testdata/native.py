"""Runs the backend suite with native ONNX Runtime: a line of JSON for each model."""
import glob, json, os, sys
import numpy as np
import onnx, onnx.numpy_helper as helper
import onnxruntime as ort

ort.set_default_logger_severity(4)


def load(path, kind):
    with open(path, "rb") as f:
        text = f.read()
    if kind == "tensor_type":
        return helper.to_array(onnx.TensorProto.FromString(text))
    if kind == "sequence_type":
        return helper.to_list(onnx.SequenceProto.FromString(text))
    if kind == "optional_type":
        return helper.to_optional(onnx.OptionalProto.FromString(text))
    raise TypeError(kind)


def same(got, want):
    if isinstance(want, list):
        return len(got) == len(want) and all(map(same, got, want))
    if want is None or got is None:
        return got is want
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return False
    if want.dtype.kind in "OSU" or got.dtype.kind in "OSU":
        return got.tolist() == want.tolist()
    if want.dtype.kind == "f":
        return bool(np.allclose(got.astype(np.float64), want.astype(np.float64), rtol=1e-3, atol=1e-7, equal_nan=True))
    return bool((got == want).all())


def one(directory):
    model = onnx.load(os.path.join(directory, "model.onnx"))
    constant = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constant]
    data = os.path.join(directory, "test_data_set_0")
    kinds = lambda values: [v.type.WhichOneof("value") for v in values]
    feed = {v.name: load(f"{data}/input_{i}.pb", k) for i, (v, k) in enumerate(zip(inputs, kinds(inputs))) if os.path.exists(f"{data}/input_{i}.pb")}
    want = [load(f"{data}/output_{i}.pb", k) for i, k in enumerate(kinds(model.graph.output))]
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    got = ort.InferenceSession(model.SerializeToString(), options).run(None, feed)
    return "pass" if len(got) == len(want) and all(map(same, got, want)) else "wrong"


for line in sys.stdin:
    name, directory = line.rstrip("\n").split("\t")
    try:
        verdict, why = one(directory), ""
    except Exception as e:
        verdict, why = "error", (str(e) or repr(e)).strip().splitlines()[0][:200]
    print(json.dumps({"name": name, "verdict": verdict, "why": why}), flush=True)
