"""The model of scikit-learn of a folder, MODEL, behind FastAPI, as its documents have it."""
import os

import joblib
from fastapi import FastAPI
from pydantic import BaseModel, Field
from slugify import slugify

model = joblib.load(os.path.join(os.environ["MODEL"], "iris.joblib"))
app = FastAPI()


class Flower(BaseModel):
    sepal_length: float = Field(ge=0, le=20)
    sepal_width: float = Field(ge=0, le=20)
    petal_length: float = Field(ge=0, le=20)
    petal_width: float = Field(ge=0, le=20)


class Iris(BaseModel):
    species: str
    probability: float


def answer(f: Flower) -> Iris:
    probabilities = model.predict_proba([[f.sepal_length, f.sepal_width, f.petal_length, f.petal_width]])[0]
    best = probabilities.argmax()
    return Iris(species=slugify(str(model.classes_[best])), probability=float(probabilities[best]))


@app.post("/predict")
def predict(f: Flower) -> Iris:
    return answer(f)


@app.post("/async")
async def predict_async(f: Flower) -> Iris:
    return answer(f)
