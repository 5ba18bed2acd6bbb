"""Writes cases.json: small pictures with bars like letters, and where native ONNX
Runtime finds text in them.

    pip install -r requirements.txt
    pip install --no-deps rapidocr-onnxruntime==1.4.4
    python cases.py
"""
import importlib.util
import json
import pathlib

import numpy as np
import onnxruntime


def picture(seed, height=32, width=64):
    """Dark strokes, four wide or four high, on white paper."""
    draw = np.random.default_rng(seed)
    paper = np.ones((height, width), np.float32)
    for _ in range(2 * seed):
        y, x = draw.integers(4, height - 12), draw.integers(4, width - 12)
        tall = draw.integers(2)
        paper[y : y + (10 if tall else 3), x : x + (3 if tall else 8)] = -1
    return np.broadcast_to(paper, (1, 3, height, width))


package = importlib.util.find_spec("rapidocr_onnxruntime").submodule_search_locations[0]
model = onnxruntime.InferenceSession(pathlib.Path(package, "models", "ch_PP-OCRv4_det_infer.onnx"))
cases = []
for seed in range(4):
    x = picture(seed)
    (found,) = model.run(None, {"x": x})
    cases.append({
        "name": f"{2 * seed} strokes",
        "inputs": {"x": x.astype(int).tolist()},
        "outputs": {model.get_outputs()[0].name: found.tolist()},
    })
    print(cases[-1]["name"], found.max())

text = {"cases": cases, "rtol": 1e-4, "atol": 1e-6, "made": {"by": f"onnxruntime {onnxruntime.__version__}, native", "model": "rapidocr-onnxruntime 1.4.4"}}
pathlib.Path("cases.json").write_text(json.dumps(text, separators=(",", ":")).replace('},{"name"', '},\n{"name"') + "\n")
