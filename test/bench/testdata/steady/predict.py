"""Runs one of the programs beside it, and gives what it prints."""
import contextlib
import io
import os

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

here = os.path.dirname(os.path.abspath(__file__))
programs = {}
for name in ("loops", "classes", "ufuncs", "estimator"):
    with open(os.path.join(here, name + ".py")) as f:
        programs[name] = compile(f.read(), name, "exec")

rows = (np.arange(569 * 30, dtype=np.float64) * 7919 % 104729 / 104729).reshape(569, 30)
kinds = np.where(rows[:, :5].sum(axis=1) > 2.5, "one", "other")
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, kinds)


def on_restore():
    """Nothing is to be made anew: scikit-learn drew an id for the fit, which is over."""


def predict(name: str) -> dict:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(programs[name], {"__name__": name, "model": model, "rows": rows})
    return {"out": out.getvalue()}
