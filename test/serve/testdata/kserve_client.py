"""Calls what KServe's client knows, versions 1 and 2, HTTP and gRPC:
python kserve_client.py URL HOST:PORT"""
import asyncio
import sys

import numpy as np
from calls import Calls
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferOutput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

url, grpc = sys.argv[1:3]
call = Calls()
rows = np.random.default_rng(7).uniform(0, 20, (3, 30)).astype(np.float32)


def cancer(binary=True, **more):
    t = InferInput(name="measurements", shape=[3, 30], datatype="FP32")
    t.set_data_from_numpy(rows, binary_data=binary)
    return InferRequest(model_name="cancer", infer_inputs=[t], request_id="k1", **more)


def label(a):
    return next(o for o in a.outputs if o.name == "label").as_numpy()


async def main():
    v2 = InferenceRESTClient(config=RESTConfig(protocol="v2", verbose=False))
    await call.aio("live", v2.is_server_live(url), bool)
    await call.aio("ready", v2.is_server_ready(url), bool)
    for name in ["cancer", "iris", "sentences"]:
        await call.aio("model ready", v2.is_model_ready(url, name), bool)
    first = await v2.infer(url, cancer(), model_name="cancer")
    same = lambda a: a.id == "k1" and a.model_name == "cancer" and np.array_equal(label(a), label(first))
    for binary in [True, False]:
        for out in [None, True, False]:
            outputs = None if out is None else [RequestedOutput("label", {"binary_data": out})]
            await call.aio(f"infer {binary} {out}", v2.infer(url, cancer(binary, request_outputs=outputs), model_name="cancer"), same)
    plain = {"id": "k1", "inputs": [{"name": "measurements", "shape": [3, 30], "datatype": "FP32", "data": rows.tolist()}]}
    await call.aio("infer of a dict", v2.infer(url, plain, model_name="cancer"), same)
    words = InferInput(name="sentences", shape=[2], datatype="BYTES")
    words.set_data_from_numpy(np.array(["a boat", "ein Schiff"], dtype=np.object_), binary_data=True)
    await call.aio("text", v2.infer(url, InferRequest(model_name="sentences", infer_inputs=[words]), model_name="sentences"), lambda a: a.outputs[0].shape == [2, 384])
    await call.aio_refused("no model", v2.infer(url, cancer(), model_name="none"), "404")

    v1 = InferenceRESTClient(config=RESTConfig(protocol="v1"))
    await call.aio("v1 live", v1.is_server_live(url), bool)
    await call.aio("v1 model ready", v1.is_model_ready(url, "cancer"), bool)
    await call.aio("v1", v1.infer(url, {"instances": rows.tolist()}, model_name="cancer"), lambda a: len(a["predictions"]) == 3 or a["predictions"]["label"])
    flower = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
    await call.aio("v1 by names", v1.infer(url, {"instances": [flower, flower]}, model_name="iris"), lambda a: [p["species"] for p in a["predictions"]] == ["setosa"] * 2)
    await call.aio("v1 of texts", v1.infer(url, {"instances": ["a boat", "b"]}, model_name="sentences"), lambda a: len(a["predictions"]) == 2 and len(a["predictions"][0]) == 384)
    await call.aio_refused("v1 explain", v1.explain(url, "iris", {"instances": [flower]}), "404")
    await v2.close()
    await v1.close()

    g = InferenceGRPCClient(grpc)
    await call.aio("gRPC live", g.is_server_live(), bool)
    await call.aio("gRPC ready", g.is_server_ready(), bool)
    await call.aio("gRPC model ready", g.is_model_ready("cancer"), bool)
    for binary in [True, False]:
        await call.aio(f"gRPC infer {binary}", g.infer(cancer(binary)), same)
    await asyncio.gather(*(call.aio("gRPC infer", g.infer(cancer()), same) for _ in range(16)))
    await call.aio_refused("gRPC no model", g.infer(InferRequest(model_name="none", infer_inputs=[cancer().inputs[0]])), "no model")
    await g.close()


asyncio.run(main())
call.end()
