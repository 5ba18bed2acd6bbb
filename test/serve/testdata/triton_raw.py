"""What Triton's examples do beside the client's calls: messages by hand, with
elements in fields of their type; objects used again; options of channels; many
requests on one client without growing: python triton_raw.py HOST:PORT HOST:PORT"""
import json
import resource
import sys
import urllib.request

import grpc
import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from calls import Calls
from tritonclient.grpc import service_pb2, service_pb2_grpc

http, rpc = sys.argv[1:3]
call = Calls()
rows = np.random.default_rng(7).uniform(0, 20, (2, 30)).astype(np.float32)

stub = service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(rpc))


def message(model, *inputs, raw=()):
    m = service_pb2.ModelInferRequest(model_name=model, id="hand")
    for name, kind, shape, field, values in inputs:
        t = m.inputs.add(name=name, datatype=kind, shape=shape)
        if field:
            getattr(t.contents, field).extend(values)
    m.raw_input_contents.extend(raw)
    return m


measured = ("measurements", "FP32", [2, 30], "fp32_contents", rows.ravel().tolist())
first = call("fp32_contents", lambda: stub.ModelInfer(message("cancer", measured)), lambda a: a.id == "hand" and len(a.raw_output_contents) == 2)
call("raw_input_contents", lambda: stub.ModelInfer(message("cancer", (*measured[:3], None, None), raw=[rows.tobytes()])),
     lambda a: a.raw_output_contents == first.raw_output_contents)
flower = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
call("fp64_contents", lambda: stub.ModelInfer(message("iris", *((n, "FP64", [1], "fp64_contents", [v]) for n, v in flower.items()))),
     lambda a: a.raw_output_contents[0] == b"\x06\x00\x00\x00setosa")
call("bytes_contents", lambda: stub.ModelInfer(message("sentences", ("sentences", "BYTES", [2], "bytes_contents", [b"a", "\u00fc".encode()]))),
     lambda a: len(a.raw_output_contents[0]) == 2 * 384 * 4)
call("int64_contents", lambda: stub.ModelInfer(message("voice", ("sr", "INT64", [], "int64_contents", [16000]), ("input", "FP32", [1, 576], "fp32_contents", [0.0] * 576),
                                                       ("state", "FP32", [2, 1, 128], "fp32_contents", [0.0] * 256))), lambda a: len(a.outputs) == 2)
call.refused("contents of another type", lambda: stub.ModelInfer(message("cancer", ("measurements", "FP32", [1, 30], "int_contents", [1] * 30))), "field that is not of FP32")
call.refused("contents of too few", lambda: stub.ModelInfer(message("cancer", ("measurements", "FP32", [1, 30], "fp32_contents", [1] * 29))), "116 bytes")
call.refused("contents and raw", lambda: stub.ModelInfer(message("cancer", measured, raw=[rows.tobytes()])), "raw_input_contents has them all")
call.refused("raw of too many", lambda: stub.ModelInfer(message("cancer", (*measured[:3], None, None), raw=[rows.tobytes()] * 2)), "2 entries")
call.refused("no model", lambda: stub.ModelInfer(message("none", measured), metadata=[("x", "y")]), "no model")

for what, client in [
    ("keepalive", grpcclient.InferenceServerClient(rpc, keepalive_options=grpcclient.KeepAliveOptions(keepalive_time_ms=10_000, keepalive_timeout_ms=5_000, keepalive_permit_without_calls=True))),
    ("channel arguments", grpcclient.InferenceServerClient(rpc, channel_args=[("grpc.max_receive_message_length", 1 << 26), ("grpc.lb_policy_name", "pick_first")])),
    ("HTTP, with time limits", httpclient.InferenceServerClient(http, connection_timeout=30.0, network_timeout=30.0, max_greenlets=4)),
]:
    module = httpclient if isinstance(client, httpclient.InferenceServerClient) else grpcclient
    t = module.InferInput("measurements", [2, 30], "FP32")
    o = module.InferRequestedOutput("label")
    for i in range(5):  # the same objects, with other elements
        t.set_data_from_numpy(rows + i)
        call(what, lambda: client.infer("cancer", [t], outputs=[o]), lambda a: a.as_numpy("label").shape == (2,))
    t.set_shape([1, 30])
    t.set_data_from_numpy(rows[:1])
    call(f"{what}: another shape", lambda: client.infer("cancer", [t], outputs=[o]), lambda a: a.as_numpy("label").shape == (1,))

# The extension for texts, as one types it.


def post(path, document):
    r = urllib.request.Request(f"http://{http}{path}", json.dumps(document).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(r) as a:
        return a.headers["Content-Type"], a.read().decode()


call("generate", lambda: post("/v2/models/sentences/generate", {"text_input": "a boat", "id": "g"}), lambda a: json.loads(a[1])["id"] == "g" and len(json.loads(a[1])["embeddings"]) == 384)
call("generate by name", lambda: post("/v2/models/sentences/versions/1/generate", {"sentences": ["a", "b"]}), lambda a: len(json.loads(a[1])["embeddings"]) == 768)
call("generate_stream", lambda: post("/v2/models/sentences/generate_stream", {"text_input": "a boat", "parameters": {"temperature": 0.5}}),
     lambda a: a[0] == "text/event-stream" and a[1].startswith("data: {") and a[1].endswith("}\n\n"))
call.refused("generate of no text", lambda: post("/v2/models/cancer/generate", {"text_input": "a boat"}), "400")
call("raw-binary", lambda: urllib.request.urlopen(urllib.request.Request(f"http://{http}/v2/models/cancer/infer", rows.tobytes(),
     {"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"})).headers["Inference-Header-Content-Length"], lambda n: int(n) > 0)

# Many requests on one client.
client = grpcclient.InferenceServerClient(rpc)
t = grpcclient.InferInput("measurements", [2, 30], "FP32")
t.set_data_from_numpy(rows)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for i in range(300):
    call("many", lambda: client.infer("cancer", [t]), lambda a: a.as_numpy("label") is not None)
call("memory", lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, lambda more: more < 64 << 10)
call.end()
