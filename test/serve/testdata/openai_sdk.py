"""Calls what OpenAI's SDK knows and means something here:
python openai_sdk.py URL"""
import base64
import struct
import sys

import numpy as np
import openai
from calls import Calls

url = sys.argv[1]
call = Calls()
texts = ["A wherry is a light boat.", "Cakes are made of flour."]


def unit(vector, length=384):
    return len(vector) == length and abs(sum(x * x for x in vector) - 1) < 1e-3


for prefix in ["/v1", "/openai/v1", "/m/sentences/v1"]:
    c = openai.OpenAI(base_url=url + prefix, api_key="any", max_retries=0)
    call("list", c.models.list, lambda a: "sentences" in [m.id for m in a])
    call("a text", lambda: c.embeddings.create(model="sentences", input=texts[0]), lambda a: unit(a.data[0].embedding))
    both = call("texts", lambda: c.embeddings.create(model="sentences", input=texts),
                lambda a: [d.index for d in a.data] == [0, 1] and all(unit(d.embedding) for d in a.data) and a.model == "sentences" and a.usage.total_tokens >= 0)
    call("floats", lambda: c.embeddings.create(model="sentences", input=texts, encoding_format="float"),
         lambda a: np.array_equal(np.float32(a.data[1].embedding), np.float32(both.data[1].embedding)))
    call("base64", lambda: c.embeddings.create(model="sentences", input=texts, encoding_format="base64"),
         lambda a: list(struct.unpack("<384f", base64.b64decode(a.data[1].embedding))) == both.data[1].embedding)
    call("dimensions", lambda: c.embeddings.create(model="sentences", input=texts, dimensions=64), lambda a: unit(a.data[0].embedding, 64))

c = openai.OpenAI(base_url=url + "/v1", api_key="any", max_retries=0)
call("retrieve", lambda: c.models.retrieve("iris"), lambda a: a.id == "iris" and a.object == "model" and a.created > 0)
call("many", lambda: c.embeddings.create(model="sentences", input=[f"sentence {i}" for i in range(70)]),
     lambda a: len(a.data) == 70 and all(unit(d.embedding) for d in a.data))
call("with its version", lambda: c.embeddings.create(model="sentences:1", input="a"), lambda a: unit(a.data[0].embedding))
call.refused("no such model", lambda: c.models.retrieve("none"), "there is no model")
call.refused("embed with no such model", lambda: c.embeddings.create(model="none", input="a"), "there is no model")
call.refused("embed with another model", lambda: c.embeddings.create(model="iris", input="a"), "makes no embeddings")
call.refused("an empty text", lambda: c.embeddings.create(model="sentences", input=""), "is empty")
call.refused("tokens", lambda: c.embeddings.create(model="sentences", input=[1, 2, 3]), "takes texts")
call.refused("too many dimensions", lambda: c.embeddings.create(model="sentences", input="a", dimensions=1000), "384")
call.refused("chat", lambda: c.chat.completions.create(model="sentences", messages=[{"role": "user", "content": "hi"}]), "generates text")
try:
    c.embeddings.create(model="none", input="a")
except openai.NotFoundError as e:
    call("the error's type", lambda: e, lambda e: e.code == "model_not_found" and e.param == "model")


async def more():
    a = openai.AsyncOpenAI(base_url=url + "/v1", api_key="any")
    await call.aio("async", a.embeddings.create(model="sentences", input=texts), lambda r: unit(r.data[1].embedding))

import asyncio

asyncio.run(more())
call.end()
