"""Triton's client with TLS and an API key: python triton_secured.py HOST:PORT HOST:PORT CA KEY"""
import queue
import ssl
import sys

import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from calls import Calls
from tritonclient._plugin import InferenceServerClientPlugin

http, rpc, ca, key = sys.argv[1:5]
call = Calls()
rows = np.random.default_rng(7).uniform(0, 20, (2, 30)).astype(np.float32)
mine = {"authorization": f"Bearer {key}"}


def stream(client):
    got = queue.Queue()
    client.start_stream(lambda result, error: got.put(error))
    raise got.get(timeout=30)


def sample():
    t = grpcclient.InferInput("measurements", [2, 30], "FP32")
    t.set_data_from_numpy(rows)
    return t


for module, client in [
    (httpclient, httpclient.InferenceServerClient(http, ssl=True, ssl_options={"ca_certs": ca, "cert_reqs": ssl.CERT_REQUIRED})),
    (grpcclient, grpcclient.InferenceServerClient(rpc, ssl=True, root_certificates=ca)),
]:
    t = module.InferInput("measurements", [2, 30], "FP32")
    t.set_data_from_numpy(rows)
    call("live without a key", client.is_server_live, bool)
    call("ready without a key", client.is_server_ready, bool)
    call("model ready without a key", lambda: client.is_model_ready("cancer"), bool)
    call.refused("infer without a key", lambda: client.infer("cancer", [t]), "key")
    call.refused("infer with another", lambda: client.infer("cancer", [t], headers={"authorization": "Bearer not-this-one"}), "key")
    call.refused("index without a key", client.get_model_repository_index, "key")
    call("infer", lambda: client.infer("cancer", [t], headers=dict(mine)), lambda a: a.as_numpy("label").shape == (2,))
    call("metadata", lambda: client.get_model_metadata("cancer", headers=dict(mine)))

    class Keyed(InferenceServerClientPlugin):
        def __call__(self, request):
            request.headers.update(mine)

    client.register_plugin(Keyed())
    call("infer by a plugin's header", lambda: client.infer("cancer", [t]), lambda a: a.as_numpy("label").shape == (2,))
    client.unregister_plugin()
    if module is grpcclient:
        call.refused("a stream without a key", lambda: stream(client), "key")

call.refused("without TLS", lambda: grpcclient.InferenceServerClient(rpc).is_server_live(), "")
call.refused("of another authority", lambda: httpclient.InferenceServerClient(http, ssl=True, ssl_options={"cert_reqs": ssl.CERT_REQUIRED}).is_server_live(), "")
call.end()
