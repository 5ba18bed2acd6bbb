"""Calls what Hugging Face's and Ollama's clients know of a server of texts:
python texts.py URL URL FOLDER, the second of a server that classifies and ranks"""
import sys

sys.path.append(sys.argv[3])  # of testdata/texts.txt
import numpy as np
import ollama
import requests
from calls import Calls
from huggingface_hub import InferenceClient

url, sorters = sys.argv[1:3]
call = Calls()
texts = ["A wherry is a light boat.", "A ship on the river.", "Cakes are made of flour."]


def units(a, n):
    a = np.asarray(a)
    return a.shape == (n, 384) and np.allclose((a * a).sum(axis=1), 1, atol=1e-3)


# Text Embeddings Inference, by InferenceClient: the address of the model, or of what it is asked.
for address in [url + "/m/sentences", url + "/m/sentences/", url + "/m/sentences/embed"]:
    c = InferenceClient(address)
    call("feature extraction", lambda: c.feature_extraction(texts[0]), lambda a: units(a, 1))
    call("of several", lambda: c.feature_extraction(texts), lambda a: units(a, 3))
    call("with its options", lambda: c.feature_extraction(texts, normalize=True, truncate=True, truncation_direction="right"), lambda a: units(a, 3))
for address in [url + "/m/sentences/", url + "/m/sentences/similarity"]:
    c = InferenceClient(address)
    call("similarity", lambda: c.sentence_similarity(texts[0], texts[1:]), lambda a: len(a) == 2 and a[0] > a[1])
c = InferenceClient(url + "/m/sentences", provider="hf-inference")
call("info", c.get_endpoint_info, lambda a: a["model_id"] == "sentences" and "embedding" in a["model_type"] and a["model_sha"].startswith("sha256:"))
call("health", c.health_check, lambda a: a is True)
call.refused("of another model", lambda: InferenceClient(url + "/m/iris/embed").feature_extraction("a"), "424")

# What it has no method for, as the protocol's document has it.
post = lambda path, body: requests.post((url if path.startswith("/m/sentences") else sorters) + path, json=body)
call("rerank", lambda: post("/m/rank/rerank", {"query": "light boat", "texts": texts, "raw_scores": False, "return_text": True, "truncate": True}).json(),
     lambda a: [r["index"] for r in a] == [0, 1, 2] and a[0]["text"] == texts[0] and all(0 < r["score"] < 1 for r in a))
call("raw scores", lambda: post("/m/rank/rerank", {"query": "light boat", "texts": texts, "raw_scores": True}).json(), lambda a: a[0] == {"index": 0, "score": -1.0})
call("predict", lambda: post("/m/classes/predict", {"inputs": "river boat"}).json(), lambda a: a[0]["label"] == "water" and len(a) == 3)
call("predict several", lambda: post("/m/classes/predict", {"inputs": [["a boat"], ["some bread"]]}).json(), lambda a: len(a) == 2 and a[1][0]["label"] in ("food", "other"))
call("predict a pair", lambda: post("/m/classes/predict", {"inputs": ["a boat", "river boat"]}).json(), lambda a: a[0]["label"] == "water")
call("at the root", lambda: post("/m/classes/", {"inputs": "cake bread"}).json(), lambda a: a[0]["label"] == "food")
call("the plain way", lambda: post("/m/classes/predict", {"text": "cake bread cake"}).json(), lambda a: a["label"] == "food" and len(a["scores"]) == 3)
call("info of classes", lambda: requests.get(sorters + "/m/classes/info").json(), lambda a: a["model_type"]["classifier"]["id2label"] == {"0": "water", "1": "food", "2": "other"})
call("rerank as Jina and Cohere", lambda: post("/v1/rerank", {"model": "rank", "query": "light boat", "documents": texts, "top_n": 1, "return_documents": True}).json(),
     lambda a: len(a["results"]) == 1 and a["results"][0]["index"] == 0 and a["results"][0]["document"]["text"] == texts[0])
answer = call("headers", lambda: post("/m/sentences/embed", {"inputs": texts}))
call("their values", lambda: answer.headers, lambda h: h["x-compute-type"] == "cpu" and int(h["x-compute-characters"]) == sum(map(len, texts)) and int(h["x-inference-time"]) >= 0)
call("tokenize", lambda: post("/m/sentences/tokenize", {"inputs": "a"}), lambda a: a.status_code == 424 and a.json()["error_type"] == "Backend")
call("no texts", lambda: post("/m/sentences/embed", {"inputs": []}), lambda a: a.status_code == 400 and a.json()["error_type"] == "Empty")

# Ollama.
o = ollama.Client(host=url)
call("embed", lambda: o.embed(model="sentences", input=texts), lambda a: units(a.embeddings, 3) and a.total_duration > 0)
call("embed one", lambda: o.embed(model="sentences:latest", input=texts[0], dimensions=16), lambda a: len(a.embeddings[0]) == 16)
call("embeddings", lambda: o.embeddings(model="sentences", prompt=texts[0]), lambda a: units([a.embedding], 1))
call("list", o.list, lambda a: "sentences:latest" in [m.model for m in a.models])
call("ps", o.ps, lambda a: len(a.models) > 0)
call("show", lambda: o.show("sentences"), lambda a: a.capabilities == ["embedding"])
call.refused("no such model", lambda: o.embed(model="none", input="a"), "there is no model")
call.refused("generate", lambda: o.generate(model="sentences", prompt="a"), "does not generate")
call.refused("chat", lambda: o.chat(model="sentences", messages=[{"role": "user", "content": "a"}]), "does not generate")
call.end()
