"""Reads what a server told of its requests: python operations.py REQUESTS.csv METRICS.txt
With how many requests pandas finds in the one, and Prometheus' parser in the other."""
import json
import sys

import numpy as np
import pandas as pd
from prometheus_client.parser import text_string_to_metric_families

log, metrics = sys.argv[1:3]
d = pd.read_csv(log, parse_dates=["time"], converters={"inputs": json.loads, "outputs": json.loads}, keep_default_na=False)
assert str(d.time.dtype) == "datetime64[ns, UTC]", d.time.dtype
assert set(d.status) == {200, 400}, set(d.status)
good = d[d.status == 200]
assert all(set(i) == {"x"} and np.allclose(o["y"], 2 * np.array(i["x"]), 1e-6) for i, o in zip(good.inputs, good.outputs))
assert (good.seconds >= good.compute_seconds).all() and (good.compute_seconds > 0).all() and (good.fuel > 0).all()
assert set(d.reason) == {"", "bad_input"} and set(d.key) == {"tester"} and (d.trace.str.len() == 32).all()
assert d.id.is_unique

with open(metrics, encoding="utf-8") as f:
    families = {m.name: m for m in text_string_to_metric_families(f.read())}
counted = {s.labels["code"]: s.value for s in families["wherry_inference_requests"].samples if s.name.endswith("_total")}
for name, kind in {"wherry_inference_request_duration_seconds": "histogram", "wherry_inference_batch_size": "histogram",
                   "wherry_inference_pending_requests": "gauge", "nv_inference_request_success": "counter",
                   "nv_inference_pending_request_count": "gauge", "process_resident_memory_bytes": "gauge"}.items():
    assert families[name].type == kind, (name, families[name].type)
print(len(d), int(counted["200"]), int(counted["400"]))
