"""Calls what MLflow's client knows of a scoring server, and the forms that its
documents have: python tables.py HOST PORT"""
import json
import sys
import types

import numpy as np
import pandas as pd
import requests
from calls import Calls

# The client asks whether there is scipy.sparse, and falls over where there is no scipy.
sys.modules["scipy"] = types.ModuleType("scipy")
sys.modules["scipy"].__path__ = []
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

host, port = sys.argv[1:3]
call = Calls()
c = ScoringServerClient(host, int(port))
columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
flowers = pd.DataFrame([[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3], [7.2, 3.0, 5.8, 1.6]], columns=columns)
species = ["setosa", "versicolor", "virginica"]


def predictions(a):
    return (a.json() if isinstance(a, requests.Response) else json.loads(a.to_json()))["predictions"]


def kinds(a):
    return [r["species"] for r in predictions(a)]


call("ping", c.ping)
call("version", c.get_version, lambda a: a != "")
call("wait until ready", lambda: c.wait_server_ready(timeout=5))
call("a data frame", lambda: c.invoke(flowers), lambda a: kinds(a) == species)
call("one row", lambda: c.invoke(flowers.iloc[:1]), lambda a: kinds(a) == species[:1])
call("as a data frame", lambda: c.invoke(flowers).get_predictions(), lambda a: list(a["species"]) == species)
call("an array", lambda: ScoringServerClient(host, f"{port}/m/cancer").invoke(np.ones((2, 30), np.float32)), lambda a: len(predictions(a)) > 0)
call("a list of texts", lambda: ScoringServerClient(host, f"{port}/m/sentences").invoke(["a boat", "a ship"]), lambda a: len(predictions(a)) == 2)
call.refused("a wrong column", lambda: c.invoke(flowers.rename(columns={"sepal_width": "width"})), "no such input")

url = f"http://{host}:{port}/invocations"
post = lambda body: requests.post(url, json=body)
rows = flowers.to_numpy().tolist()
records = flowers.to_dict("records")
call("dataframe_split", lambda: post({"dataframe_split": {"columns": columns, "data": rows}}), lambda a: kinds(a) == species)
call("dataframe_split with an index", lambda: post({"dataframe_split": flowers.to_dict("split")}), lambda a: kinds(a) == species)
call("dataframe_records", lambda: post({"dataframe_records": records}), lambda a: kinds(a) == species)
call("instances", lambda: post({"instances": records}), lambda a: kinds(a) == species)
call("inputs", lambda: post({"inputs": records[0]}), lambda a: predictions(a)["species"] == "setosa")
call("CSV", lambda: requests.post(url, data=flowers.to_csv(index=False), headers={"Content-Type": "text/csv"}), lambda a: kinds(a) == species)
call("SageMaker's ping", lambda: requests.get(url.replace("/invocations", "/ping")), lambda a: a.status_code == 200)
call("health", lambda: requests.get(url.replace("/invocations", "/health")), lambda a: a.status_code == 200)
call("another type", lambda: requests.post(url, data=b"<a/>", headers={"Content-Type": "application/xml"}), lambda a: a.status_code == 415)
call("nothing", lambda: post({}), lambda a: a.status_code == 400 and a.json()["error_code"] == "BAD_REQUEST")
call("params that there are not", lambda: post({"dataframe_records": records, "params": {"temperature": 1}}), lambda a: a.status_code == 400)
call.end()
