"""Calls a model that streams by Triton's client: python streams.py HOST:PORT"""
import queue
import sys

import numpy as np
import tritonclient.grpc as client
from calls import Calls

call = Calls()


def inputs(text, how=None):
    t = client.InferInput("text", [1], "BYTES")
    t.set_data_from_numpy(np.array([text], dtype=object))
    if how is None:
        return [t]
    h = client.InferInput("how", [1], "BYTES")
    h.set_data_from_numpy(np.array([how], dtype=object))
    return [t, h]


def stream(requests, final=False, model="talk"):
    """What comes of requests, by their ids: words, and what ended them."""
    got, ended = {}, {}
    answers = queue.Queue()
    with client.InferenceServerClient(sys.argv[1]) as c:
        c.start_stream(lambda result, error: answers.put((result, error)))
        for name, given in requests.items():
            c.async_stream_infer(model, given, request_id=name, enable_empty_final_response=final)
        c.stop_stream()  # waits for the answers
    while not answers.empty():
        result, error = answers.get()
        if error is not None:
            ended["error"] = str(error)
            continue
        r = result.get_response()
        if r.parameters["triton_final_response"].bool_param:
            ended[r.id] = True
        for o in result.get_response().outputs:
            got.setdefault(r.id, []).extend(w.decode() for w in result.as_numpy(o.name).ravel())
    return got, ended


call("a stream", lambda: stream({"1": inputs("a b c")}), lambda a: a == ({"1": ["a", "b", "c"]}, {}))
call("its end", lambda: stream({"1": inputs("a b c")}, final=True), lambda a: a == ({"1": ["a", "b", "c"]}, {"1": True}))
call("nothing", lambda: stream({"1": inputs(" ")}, final=True), lambda a: a == ({}, {"1": True}))
call("two", lambda: stream({"1": inputs("a b"), "2": inputs("c d e")}), lambda a: a[0] == {"1": ["a", "b"], "2": ["c", "d", "e"]})
call("an error", lambda: stream({"1": inputs("a b", "raise")}), lambda a: a[0] == {"1": ["a"]} and "ValueError: no" in a[1]["error"])
call("a pipeline", lambda: stream({"1": inputs("a b")}, model="loud"), lambda a: a[0] == {"1": ["A", "B"]})
with client.InferenceServerClient(sys.argv[1]) as c:
    call("as a whole", lambda: c.infer("talk", inputs("a b c")).as_numpy("word").tolist(), lambda a: a == [b"a", b"b", b"c"])
    call("it is decoupled", lambda: c.get_model_config("talk").config.model_transaction_policy.decoupled, lambda a: a)
call.end()
