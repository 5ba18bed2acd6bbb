"""Makes the requests that Cog's documents describe, and the plain ones of /predict:
python predictions.py URL URL, the second of a server that classifies"""
import base64
import io
import json
import re
import sys
import time

import numpy as np
import requests
from calls import Calls

url, sorters = sys.argv[1:3]
call = Calls()
flower = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def succeeded(a):
    p = a.json()
    return a.status_code == 200 and p["status"] == "succeeded" and p["output"]["species"] == "setosa" and p["metrics"]["predict_time"] > 0 and p["started_at"] <= p["completed_at"]


# Cog.
call("discovery", lambda: requests.get(url + "/", headers={"Accept": "application/json"}).json(), lambda a: a["predictions_url"] == "/predictions" and a["openapi_url"] == "/openapi.json")
call("health", lambda: requests.get(url + "/health-check").json(), lambda a: a["status"] == "READY" and a["setup"]["status"] == "succeeded")
schemas = call("schema", lambda: requests.get(url + "/openapi.json").json()["components"]["schemas"])
call("its input", lambda: schemas["Input"], lambda a: set(a["properties"]) == set(flower) and set(a["required"]) == set(flower))
call("its output", lambda: schemas["Output"], lambda a: set(a["properties"]) == {"species", "probability"})
call("predict", lambda: requests.post(url + "/predictions", json={"input": flower}), succeeded)
call("with a name", lambda: requests.post(url + "/predictions", json={"id": "a1", "input": flower}), lambda a: succeeded(a) and a.json()["id"] == "a1")
name = f"p{time.time_ns()}"
call("idempotent", lambda: requests.put(f"{url}/predictions/{name}", json={"input": flower}), lambda a: succeeded(a) and a.json()["id"] == name)
call("idempotent again", lambda: requests.put(f"{url}/predictions/{name}", json={"input": {**flower, "petal_length": 5}}), lambda a: succeeded(a) and a.json()["input"] == flower)
call("in the background", lambda: requests.post(url + "/predictions", json={"id": name + "b", "input": flower}, headers={"Prefer": "respond-async"}),
     lambda a: a.status_code == 202 and a.json()["status"] == "starting")


def later():
    for _ in range(100):
        a = requests.get(f"{url}/predictions/{name}b")
        if a.json().get("status") == "succeeded":
            return a
        time.sleep(0.1)
    return a


call("and then", later, succeeded)
call("cancel", lambda: requests.post(f"{url}/predictions/{name}b/cancel"), lambda a: a.status_code == 200)
call("cancel what there is not", lambda: requests.post(url + "/predictions/none/cancel"), lambda a: a.status_code == 404 and a.json() == {})
call("a wrong input", lambda: requests.post(url + "/predictions", json={"input": {"sepal_length": "x"}}), lambda a: a.status_code == 422 and a.json()["detail"][0]["loc"] == ["body", "input", "sepal_length"])
call("a webhook", lambda: requests.post(url + "/predictions", json={"input": flower, "webhook": "http://localhost:1/"}), lambda a: a.status_code == 422)
events = call("a stream", lambda: requests.post(url + "/predictions", json={"input": flower}, headers={"Accept": "text/event-stream"}).text)
call("its events", lambda: [line[7:] for line in events.splitlines() if line.startswith("event: ")], lambda a: a == ["start", "output", "completed"])
call("of a model", lambda: requests.post(sorters + "/m/classes/predictions", json={"input": {"text": "a boat boat", "pair": None}}).json(), lambda a: a["output"]["label"] == "water")

# The plain way.
post = lambda **k: requests.post(url + "/predict", **k)
setosa = lambda a: a.status_code == 200 and a.json()["species"] == "setosa" and int(re.search(r"\bfuel=(\d+)", a.headers["Wherry-Receipt"])[1]) > 0
csv = "sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n6.2,2.9,4.3,1.3\n"
call("JSON", lambda: post(json=flower), setosa)
call("a form", lambda: post(data=flower), setosa)
call("a form of parts", lambda: post(files={k: (None, str(v)) for k, v in flower.items()}), setosa)
call("a list", lambda: post(json=[flower, flower]).json(), lambda a: [r["species"] for r in a] == ["setosa"] * 2)
call("CSV", lambda: post(data=csv, headers={"Content-Type": "text/csv"}).json(), lambda a: [r["species"] for r in a] == ["setosa", "versicolor"])
call("CSV for CSV", lambda: post(data=csv, headers={"Content-Type": "text/csv", "Accept": "text/csv"}).text, lambda a: a.splitlines()[0] == "species,probability" and len(a.splitlines()) == 3)
call("one output", lambda: requests.post(url + "/predict?output=species", json=flower).json(), lambda a: a == {"species": "setosa"})
call("events", lambda: post(json=flower, headers={"Accept": "text/event-stream"}).text, lambda a: json.loads(a.splitlines()[0][6:])["species"] == "setosa" and "event: end" in a)
array = io.BytesIO()
np.save(array, np.ones((2, 30)))
npy = lambda accept: requests.post(url + "/m/cancer/predict?output=probabilities", data=array.getvalue(), headers={"Content-Type": "application/x-npy", "Accept": accept})
call("an array", lambda: npy("application/json"), lambda a: a.status_code in (200, 400))
call("an array as a file", lambda: requests.post(url + "/m/cancer/predict", files={"measurements": ("x.npy", array.getvalue())}), lambda a: a.status_code == 200)
call("arrays back", lambda: np.load(io.BytesIO(requests.post(url + "/m/cancer/predict", data=array.getvalue(), headers={"Content-Type": "application/x-npy", "Accept": "application/x-npz"}).content)), lambda a: len(a.files) > 0)
call("texts", lambda: requests.post(url + "/m/sentences/predict", json=["a boat"]).json(), lambda a: len(a["embeddings"][0]) == 384)
call("a text", lambda: requests.post(sorters + "/m/classes/predict", data="bread cake", headers={"Content-Type": "text/plain"}).json(), lambda a: a["label"] == "food")
call("a wrong input", lambda: post(json={"sepal_length": "x"}), lambda a: a.status_code == 400 and a.json()["reason"] == "bad_input")
call("no such model", lambda: requests.post(url + "/m/none/predict", json={}), lambda a: a.status_code == 404)
call.end()
