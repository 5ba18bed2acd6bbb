"""Writes cases.json: five moments of a made-up sound, and what native ONNX Runtime
says of them.

    pip install -r requirements.txt
    pip install --no-deps silero-vad==6.2.3
    python cases.py
"""
import importlib.util
import json
import pathlib

import numpy as np
import onnxruntime

SAMPLES, BEFORE, RATE = 512, 64, 16000


def sound():
    """Two seconds: quiet, then a buzz with the formants of an "a", then quiet again."""
    draw, n = np.random.default_rng(1), 2 * RATE
    t = np.arange(n) / RATE
    pitch = 2 * np.pi * np.cumsum(120 + 15 * np.sin(2 * np.pi * 3 * t)) / RATE
    buzz = sum(np.sin(k * pitch) / k * sum(np.exp(-((120 * k - f) / 150) ** 2) for f in (700, 1200, 2600)) for k in range(1, 40))
    loud = np.clip(np.minimum(t - 0.5, 1.5 - t) * 20, 0, 1)
    return np.round(0.5 * loud * buzz + 0.002 * draw.normal(size=n), 4).astype(np.float32)


package = importlib.util.find_spec("silero_vad").submodule_search_locations[0]
model = onnxruntime.InferenceSession(pathlib.Path(package, "data", "silero_vad.onnx"))
heard, state, cases = np.concatenate([np.zeros(BEFORE, np.float32), sound()]), np.zeros((2, 1, 128), np.float32), []
for at in range(0, len(heard) - BEFORE - SAMPLES + 1, SAMPLES):
    inputs = {"input": heard[None, at : at + BEFORE + SAMPLES], "state": state, "sr": np.array(RATE)}
    probability, after = model.run(["output", "stateN"], inputs)
    if at // SAMPLES % 12 == 4:
        cases.append({
            "name": f"after {(at + SAMPLES) / RATE:.2f} s",
            "inputs": {name: value.tolist() for name, value in inputs.items()},
            "outputs": {"output": probability.tolist(), "stateN": after.tolist()},
        })
    state = after

text = {"cases": cases, "rtol": 1e-5, "atol": 1e-5, "made": {"by": f"onnxruntime {onnxruntime.__version__}, native", "model": "silero-vad 6.2.3"}}
pathlib.Path("cases.json").write_text(json.dumps(text, separators=(",", ":")).replace('},{"name"', '},\n{"name"') + "\n")
print(*(f'{c["name"]}: {c["outputs"]["output"][0][0]:.3f}' for c in cases), sep="\n")
