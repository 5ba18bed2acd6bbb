"""Fits LightGBM's trees to handwritten digits, and writes model.onnx and, with what
native ONNX Runtime says of it, cases.json.

    pip install -r requirements.txt
    python train.py
"""
import json
import pathlib

import lightgbm
import numpy as np
import onnxruntime
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

# Eight by eight dots of 17 greys. They are whole numbers, so that the thresholds
# between them stay what they are in the float32 of an export.
x, y = load_digits(return_X_y=True)
x, x_test, y, y_test = train_test_split(x.astype(np.float32), y, random_state=0)
model = lightgbm.LGBMClassifier(n_estimators=50, num_leaves=15, random_state=0, n_jobs=1, verbose=-1)
model.fit(x, y)
print("accuracy: %.3f" % model.score(x_test, y_test))

onnx = convert_lightgbm(model, initial_types=[("dots", FloatTensorType([None, x.shape[1]]))])
pathlib.Path("model.onnx").write_bytes(onnx.SerializeToString())

session = onnxruntime.InferenceSession("model.onnx")
label, probabilities = session.run(None, {"dots": x_test})  # a dict for each row
probabilities = np.array([[row[digit] for digit in model.classes_] for row in probabilities])
assert np.abs(probabilities - model.predict_proba(x_test)).max() < 1e-5, "the export says something else than LightGBM"
cases = [{
    "name": f"a {y_test[i]}",
    "inputs": {"dots": x_test[i : i + 1].astype(int).tolist()},
    "outputs": {"label": label[i : i + 1].tolist(), "probabilities": probabilities[i : i + 1].tolist()},
} for i in range(10)]
text = {"cases": cases, "rtol": 1e-5, "made": {"by": f"onnxruntime {onnxruntime.__version__}, native", "lightgbm": lightgbm.__version__}}
pathlib.Path("cases.json").write_text(json.dumps(text, separators=(",", ":")).replace('},{"name"', '},\n{"name"') + "\n")
