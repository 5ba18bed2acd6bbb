"""Calls the asynchronous forms of Triton's client: python triton_aio.py http|grpc HOST:PORT"""
import asyncio
import sys

import numpy as np
from calls import Calls

way, url = sys.argv[1:3]
HTTP = way == "http"
if HTTP:
    import tritonclient.http.aio as client
else:
    import tritonclient.grpc.aio as client

call = Calls()
rows = np.random.default_rng(7).uniform(0, 20, (3, 30)).astype(np.float32)


def cancer(n=3):
    t = client.InferInput("measurements", [n, 30], "FP32")
    t.set_data_from_numpy(rows[:n])
    return [t]


async def main():
    async with client.InferenceServerClient(url) as c:
        await call.aio("live", c.is_server_live(), bool)
        await call.aio("ready", c.is_server_ready(), bool)
        await call.aio("model ready", c.is_model_ready("cancer"), bool)
        await call.aio("metadata", c.get_server_metadata())
        await call.aio("metadata of a model", c.get_model_metadata("cancer"))
        await call.aio("configuration", c.get_model_config("cancer"))
        await call.aio("index", c.get_model_repository_index())
        await call.aio("statistics", c.get_inference_statistics("cancer"))
        await call.aio("trace", c.get_trace_settings())
        await call.aio("log", c.get_log_settings())
        await call.aio("shared memory", c.get_system_shared_memory_status())
        await call.aio("CUDA", c.get_cuda_shared_memory_status())
        await call.aio("unload", c.unload_model("voice"))
        await call.aio("load", c.load_model("voice"))
        one = await c.infer("cancer", cancer())
        same = lambda a: np.array_equal(a.as_numpy("probabilities"), one.as_numpy("probabilities"))
        await asyncio.gather(*(call.aio("infer", c.infer("cancer", cancer(), request_id=str(i)), same) for i in range(32)))
        for packed in ["gzip", "deflate"]:
            more = {"request_compression_algorithm": packed, "response_compression_algorithm": packed} if HTTP else {"compression_algorithm": packed}
            await call.aio(packed, c.infer("cancer", cancer(), **more), same)
        await call.aio_refused("no model", c.infer("none", cancer()), "no model")
        await call.aio_refused("no sequence", c.infer("cancer", cancer(), sequence_id=3), "sequence")
        if HTTP:
            return

        async def requests():
            for i in range(10):
                yield {"model_name": "cancer", "inputs": cancer(1 + i % 3), "request_id": str(i)}
            yield {"model_name": "none", "inputs": cancer(), "request_id": "bad"}

        i = 0
        async for result, error in c.stream_infer(requests()):
            if i < 10:
                call("stream", lambda: result, lambda a: error is None and a.get_response().id == str(i) and a.as_numpy("label").shape == (1 + i % 3,))
            else:
                call("an error in a stream", lambda: error, lambda e: "no model" in str(e))
            i += 1
        call("all of a stream", lambda: i, lambda n: n == 11)


asyncio.run(main())
call.end()
