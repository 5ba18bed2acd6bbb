"""Calls everything that Triton's client knows and that means something here, over
HTTP or gRPC: python triton.py http|grpc HOST:PORT"""
import queue
import sys
import threading

import numpy as np
from calls import Calls

way, url = sys.argv[1:3]
HTTP = way == "http"
if HTTP:
    import tritonclient.http as client
else:
    import tritonclient.grpc as client
from tritonclient.utils import triton_to_np_dtype

call = Calls()
rng = np.random.default_rng(7)
rows = rng.uniform(0, 20, (3, 30)).astype(np.float32)


def open_client(**more):
    return client.InferenceServerClient(url, **more)


c = open_client(concurrency=8) if HTTP else open_client()


def told(document):
    """A document as Python has it, however it came."""
    if HTTP:
        return document
    from google.protobuf.json_format import MessageToDict
    return MessageToDict(document, preserving_proto_field_name=True)


def tensor(name, array, kind, binary=True):
    t = client.InferInput(name, list(array.shape), kind)
    if HTTP:
        t.set_data_from_numpy(array, binary_data=binary)
    else:
        t.set_data_from_numpy(array)
    return t


def wanted(name, binary=True, **more):
    return client.InferRequestedOutput(name, binary_data=binary, **more) if HTTP else client.InferRequestedOutput(name, **more)


def cancer(n=3, binary=True):
    return [tensor("measurements", rows[:n], "FP32", binary)]


# What the server is and has.
call("live", c.is_server_live, lambda a: a is True)
call("ready", c.is_server_ready, lambda a: a is True)
for name in ["iris", "cancer", "voice", "sentences"]:
    call(f"{name} is ready", lambda: c.is_model_ready(name), lambda a: a is True)
    call(f"{name} 1 is ready", lambda: c.is_model_ready(name, "1"), lambda a: a is True)
    meta = told(call(f"metadata of {name}", lambda: c.get_model_metadata(name)))
    call(f"metadata of {name} 1", lambda: c.get_model_metadata(name, "1"), lambda a: told(a) == meta)
    config = told(call(f"configuration of {name}", lambda: c.get_model_config(name)))
    if not HTTP:
        config = config["config"]
    call.made += 1
    if [f["name"] for f in config["input"]] != [f["name"] for f in meta["inputs"]] or meta["name"] != name:
        call.fail("metadata and configuration", f"{meta} {config}")
call("a model that is not there is not ready", lambda: c.is_model_ready("none"), lambda a: a is False)
call("metadata of the server", c.get_server_metadata, lambda a: told(a)["name"] == "wherry" and "binary_tensor_data" in told(a)["extensions"])
call.refused("metadata of no model", lambda: c.get_model_metadata("none"), 'no model "none"')
call.refused("metadata of no version", lambda: c.get_model_metadata("iris", "9"), 'no version "9"')

# Tensors in all ways there are.
fields = {f["name"]: f for f in told(c.get_model_metadata("cancer"))["outputs"]}
answers = []
for binary in [True, False] if HTTP else [True]:
    for outputs in [None, [wanted("label"), wanted("probabilities")], [wanted("label", binary=False), wanted("probabilities", binary=False)],
                    [wanted("probabilities", binary=False), wanted("label")]]:
        for packed in [None, "gzip", "deflate"]:
            more = {"request_compression_algorithm": packed, "response_compression_algorithm": packed} if HTTP else {"compression_algorithm": packed}
            a = call(f"infer {binary} {outputs and len(outputs)} {packed}", lambda: c.infer("cancer", cancer(3, binary), outputs=outputs, request_id="r1", **more),
                     lambda a: (a.get_response()["id"] if HTTP else a.get_response().id) == "r1")
            if a:
                answers.append((a.as_numpy("label"), a.as_numpy("probabilities")))
call.made += 1
if any(not np.array_equal(x, y) for a in answers for x, y in zip(a, answers[0])) or answers[0][1].shape != (3, 2) or answers[0][0].dtype != triton_to_np_dtype(fields["label"]["datatype"]):
    call.fail("all ways give the same", answers)
call("one output", lambda: c.infer("cancer", cancer(), outputs=[wanted("label")]), lambda a: a.as_numpy("probabilities") is None and a.get_output("label") is not None)
call("version", lambda: c.infer("cancer", cancer(), model_version="1"), lambda a: a.as_numpy("label").shape == (3,))

# Classes: value:index:label, the likeliest first.
for k in [1, 2, 5]:
    def classes(a):
        got = a.as_numpy("probabilities")
        values = [[float(v.decode().split(":")[0]) for v in row] for row in got]
        return got.shape == (3, min(k, 2)) and all(r == sorted(r, reverse=True) for r in values) and got[0][0].decode().split(":")[2] in "01"
    call(f"{k} classes", lambda: c.infer("cancer", cancer(), outputs=[wanted("probabilities", class_count=k)]), classes)
call.refused("classes of text", lambda: c.infer("iris", [tensor(n, np.array([1.0]), "FP64") for n in ["sepal_length", "sepal_width", "petal_length", "petal_width"]],
                                                outputs=[wanted("species", class_count=1)]), "no classes")

# Text goes in and comes out.
texts = np.array(["a boat", "ein Schiff \u2014 \U0001F6A2", ""], dtype=np.object_)
embedded = []
for binary in [True, False] if HTTP else [True]:
    a = call(f"text {binary}", lambda: c.infer("sentences", [tensor("sentences", texts, "BYTES", binary)]), lambda a: a.as_numpy("embeddings").shape == (3, 384))
    embedded.append(a.as_numpy("embeddings"))
call.made += 1
if not all(np.allclose(e, embedded[0], atol=1e-6) for e in embedded):
    call.fail("text in binary and in JSON", embedded)
flower = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
for binary in [True, False] if HTTP else [True]:
    call(f"scalars {binary}", lambda: c.infer("iris", [tensor(n, np.array([v]), "FP64", binary) for n, v in flower.items()], outputs=[wanted("species", binary), wanted("probability", binary)]),
         lambda a: a.as_numpy("species")[0] in (b"setosa", "setosa") and 0.9 < a.as_numpy("probability")[0] < 1)

# A state that the client keeps, and a scalar.
state, sure = np.zeros((2, 1, 128), np.float32), []
for i in range(3):
    a = call("a state", lambda: c.infer("voice", [tensor("input", np.zeros((1, 576), np.float32), "FP32"), tensor("state", state, "FP32"), tensor("sr", np.array(16000, np.int64).reshape(()), "INT64")]),
             lambda a: a.as_numpy("stateN").shape == (2, 1, 128))
    if a:
        state = a.as_numpy("stateN")

# Parameters.
call("priority and timeout", lambda: c.infer("cancer", cancer(), priority=1, timeout=30_000_000))
call("a parameter of one's own", lambda: c.infer("cancer", cancer(), parameters={"mine": "x", "number": 3, "truth": True}))
call("headers", lambda: c.infer("cancer", cancer(), headers={"x-mine": "1"}))
call.refused("a sequence", lambda: c.infer("cancer", cancer(), sequence_id=7, sequence_start=True), "sequence")
if HTTP:
    call("a query", lambda: c.infer("cancer", cancer(), query_params={"a": "b", "c": [1, 2]}))
    call("live with headers", lambda: c.is_server_live(headers={"x": "y"}, query_params={"a": 1}))
else:
    call("a time of the client's", lambda: c.infer("cancer", cancer(), client_timeout=30))
    call.refused("too little time", lambda: c.infer("sentences", [tensor("sentences", np.array(["many words " * 40] * 64, dtype=np.object_), "BYTES")], client_timeout=0.02), ["Deadline", "CANCELLED", "DEADLINE"])

# Requests that are wrong.
for what, inputs, words in [
    ("no input", [], "the model needs it"),
    ("another name", [tensor("what", rows, "FP32")], "no such input"),
    ("another type", [tensor("measurements", rows.astype(np.float64), "FP64")], "it is of type FP64"),
    ("another shape", [tensor("measurements", rows[:, :29].copy(), "FP32")], "shape"),
]:
    call.refused(what, lambda: c.infer("cancer", inputs), words)
call.refused("another output", lambda: c.infer("cancer", cancer(), outputs=[wanted("what")]), "no such output")
call.refused("no model", lambda: c.infer("none", cancer()), "no model")

# Many at once.
if HTTP:
    waiting = [c.async_infer("cancer", cancer(), request_id=str(i)) for i in range(32)]
    for i, w in enumerate(waiting):
        call("async", w.get_result, lambda a: a.get_response()["id"] == str(i) and np.array_equal(a.as_numpy("label"), answers[0][0]))
    body, length = client.InferenceServerClient.generate_request_body(cancer(), outputs=[wanted("label")])
    import urllib.request

    def by_hand():
        r = urllib.request.Request(f"http://{url}/v2/models/cancer/infer", body, {"Inference-Header-Content-Length": str(length), "Content-Type": "application/octet-stream"})
        with urllib.request.urlopen(r) as a:
            return client.InferenceServerClient.parse_response_body(a.read(), header_length=int(a.headers["Inference-Header-Content-Length"]))
    call("a body made and read by the client's own functions", by_hand, lambda a: np.array_equal(a.as_numpy("label"), answers[0][0]))
else:
    got = queue.Queue()
    contexts = [c.async_infer("cancer", cancer(), lambda result, error, i=i: got.put((i, result, error)), request_id=str(i)) for i in range(32)]
    for _ in contexts:
        i, result, error = got.get(timeout=60)
        call("async", lambda: result, lambda a: error is None and a.get_response().id == str(i) and np.array_equal(a.as_numpy("label"), answers[0][0]))
    lost = c.async_infer("voice", [tensor("input", np.zeros((64, 5760), np.float32), "FP32"), tensor("state", np.zeros((2, 64, 128), np.float32), "FP32"),
                                   tensor("sr", np.array(16000, np.int64).reshape(()), "INT64")], lambda result, error: got.put((0, result, error)))
    lost.cancel()
    i, result, error = got.get(timeout=60)
    call("canceled", lambda: error, lambda e: e is not None and "ancel" in str(e))

    # One stream, many requests: answers in their order, errors with their ids.
    c.start_stream(lambda result, error: got.put((result, error)))
    for i in range(20):
        c.async_stream_infer("cancer", cancer(1 + i % 3), request_id=str(i), enable_empty_final_response=False)
    for i in range(20):
        result, error = got.get(timeout=60)
        call("stream", lambda: result, lambda a: error is None and a.get_response().id == str(i) and a.as_numpy("label").shape == (1 + i % 3,))
    c.async_stream_infer("none", cancer(), request_id="bad")
    result, error = got.get(timeout=60)
    call("an error in a stream", lambda: error, lambda e: "no model" in str(e))
    c.async_stream_infer("cancer", cancer(), request_id="last", enable_empty_final_response=True)
    result, error = got.get(timeout=60)
    call("the only response is the last", lambda: result, lambda a: a.get_response().parameters["triton_final_response"].bool_param)
    c.stop_stream()

# Many clients.
errors = []


def many():
    try:
        with open_client() as mine:
            for _ in range(10):
                if not np.array_equal(mine.infer("cancer", cancer()).as_numpy("label"), answers[0][0]):
                    raise AssertionError("another answer")
    except Exception as e:
        errors.append(e)


if HTTP:  # gevent's clients stay in their thread
    many()
else:
    threads = [threading.Thread(target=many) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
call("many clients", lambda: errors, lambda e: not e)

# Counters.
before = told(c.get_inference_statistics("cancer"))["model_stats"][0]
c.infer("cancer", cancer())
for what, ask in [("all", lambda: c.get_inference_statistics()), ("a model", lambda: c.get_inference_statistics("cancer")), ("a version", lambda: c.get_inference_statistics("cancer", "1"))]:
    def counted(a):
        s = next(s for s in told(a)["model_stats"] if s["name"] == "cancer")
        return int(s["inference_stats"]["success"]["count"]) > int(before["inference_stats"]["success"]["count"]) and int(s["last_inference"]) > 1_600_000_000_000
    call(f"statistics of {what}", ask, counted)
call.refused("statistics of no model", lambda: c.get_inference_statistics("none"), "no model")

# The repository.
def index():
    list = told(c.get_model_repository_index())
    return {m["name"]: m["state"] for m in (list if HTTP else list["models"])}
call("index", index, lambda a: a["iris"] == "READY" and len(a) == 4)
call("unload", lambda: c.unload_model("voice"))
call("index after it", index, lambda a: a["voice"] != "READY")
call("not ready", lambda: c.is_model_ready("voice"), lambda a: a is False)
call("unload with dependents", lambda: c.unload_model("voice", unload_dependents=True))
call("load", lambda: c.load_model("voice"))
call("ready again", lambda: c.is_model_ready("voice"), lambda a: a is True)
call.refused("load another configuration", lambda: c.load_model("voice", config='{"max_batch_size": 4}'), "loaded from its image")
call.refused("load another file", lambda: c.load_model("voice", config="{}", files={"file:1/model.onnx": b"x"}), "loaded from its image")
call.refused("load no model", lambda: c.load_model("none"), "no model")

# Settings.
call("trace", lambda: c.get_trace_settings(), lambda a: "trace_level" in (told(a) if HTTP else told(a)["settings"]))
call("trace of a model", lambda: c.get_trace_settings("iris"))
call("trace as it is", lambda: c.update_trace_settings(settings={"trace_level": ["OFF"]}))
call("trace of a model as it is", lambda: c.update_trace_settings("iris", settings={"trace_level": None}))
call.refused("trace of no model", lambda: c.get_trace_settings("none"), "no model")
call.refused("trace elsewhere", lambda: c.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]}), "cannot be changed")
call("log", lambda: c.get_log_settings(), lambda a: "log_info" in (told(a) if HTTP else told(a)["settings"]))
call("log as it is", lambda: c.update_log_settings({}))
for level in [1, 0]:
    def tells(a):
        set = told(a) if HTTP else told(a)["settings"]["log_verbose_level"]
        return (set["log_verbose_level"] if HTTP else set.get("uint32_param", 0)) == level
    call(f"log of level {level}", lambda: c.update_log_settings({"log_verbose_level": level}), tells)
call.refused("log elsewhere", lambda: c.update_log_settings({"log_file": "/tmp/x"}), "cannot be changed")

# Shared memory, of which there is none.
call("shared memory", lambda: c.get_system_shared_memory_status(), lambda a: not (a if HTTP else told(a).get("regions")))
call("unregister all", lambda: c.unregister_system_shared_memory())
call.refused("register", lambda: c.register_system_shared_memory("a", "/a", 16), "no shared memory")
call("CUDA", lambda: c.get_cuda_shared_memory_status(), lambda a: not (a if HTTP else told(a).get("regions")))
call("unregister CUDA", lambda: c.unregister_cuda_shared_memory())
call.refused("register CUDA", lambda: c.register_cuda_shared_memory("a", b"eA==", 0, 16), "no shared memory")
shared = client.InferInput("measurements", [3, 30], "FP32")
shared.set_shared_memory("a", 360)
call.refused("infer by shared memory", lambda: c.infer("cancer", [shared]), "no shared memory")
call("close", c.close)
call.end()
