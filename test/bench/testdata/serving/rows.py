"""A model of ONNX behind FastAPI, as its documents have it. MODEL names the file."""
import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

session = onnxruntime.InferenceSession(os.environ["MODEL"])
names = [o.name for o in session.get_outputs()]
app = FastAPI()


class Rows(BaseModel):
    x: list[list[float]]


def answer(rows: Rows):
    outputs = session.run(None, {"x": np.array(rows.x, dtype=np.float32)})
    return {name: values.tolist() for name, values in zip(names, outputs)}


@app.post("/predict")
def predict(rows: Rows):
    return answer(rows)


@app.post("/async")
async def predict_async(rows: Rows):
    return answer(rows)
