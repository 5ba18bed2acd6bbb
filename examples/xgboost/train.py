"""Fits XGBoost's trees to measurements of breast tumours, and writes model.onnx and,
with what native ONNX Runtime says of it, cases.json.

    pip install -r requirements.txt
    python train.py
"""
import json
import pathlib

import numpy as np
import onnxruntime
import xgboost
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

tumours = load_breast_cancer()
x, x_test, y, y_test = train_test_split(tumours.data.astype(np.float32), tumours.target, random_state=0, stratify=tumours.target)
model = xgboost.XGBClassifier(n_estimators=300, max_depth=6, learning_rate=0.05, subsample=0.8, random_state=0, n_jobs=1)
model.fit(x, y)
print("accuracy: %.3f" % model.score(x_test, y_test))

onnx = convert_xgboost(model, initial_types=[("measurements", FloatTensorType([None, x.shape[1]]))])
pathlib.Path("model.onnx").write_bytes(onnx.SerializeToString())

session = onnxruntime.InferenceSession("model.onnx")
label, probabilities = session.run(None, {"measurements": x_test})
assert np.abs(probabilities - model.predict_proba(x_test)).max() < 1e-5, "the export says something else than XGBoost"
cases = [{
    "name": f"tumour {i}",
    "inputs": {"measurements": x_test[i : i + 1].astype(float).tolist()},
    "outputs": {"label": label[i : i + 1].tolist(), "probabilities": probabilities[i : i + 1].astype(float).tolist()},
} for i in range(10)]
text = {"cases": cases, "rtol": 1e-5, "made": {"by": f"onnxruntime {onnxruntime.__version__}, native", "xgboost": xgboost.__version__}}
pathlib.Path("cases.json").write_text(json.dumps(text, separators=(",", ":")).replace('},{"name"', '},\n{"name"') + "\n")
