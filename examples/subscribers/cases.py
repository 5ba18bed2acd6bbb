"""Writes cases.json: some subscribers, and what native scikit-learn says of them.

    pip install -r requirements.txt
    python train.py
    python cases.py
"""
import json
import pathlib

import joblib
import pandas as pd
import sklearn

model = joblib.load("subscribers.joblib")
people = {
    "one": [{"age": 34, "months": 80, "calls": 0, "city": "Porto", "plan": "basic"}],
    "a family": [{"age": 41, "months": 3, "calls": 1, "city": "Bergen", "plan": "family"}],
    "no age, an unknown city": [{"age": None, "months": 12, "calls": 8, "city": "Atlantis", "plan": "student"}],
    "several": [{"age": 20 + 7 * i, "months": 9 * i, "calls": i % 3, "city": ["Split", "Gdansk"][i % 2], "plan": "basic"} for i in range(9)],
}
cases = []
for name, rows in people.items():
    probability = model.predict_proba(pd.DataFrame(rows).astype({"age": float}))[:, 0]
    cases.append({
        "name": name,
        "inputs": {"subscribers": rows},
        "outputs": {"probability": probability.tolist(), "leaves": (probability > 0.5).tolist()},
    })

