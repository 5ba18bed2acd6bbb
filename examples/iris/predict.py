"""Says which iris has petals and sepals of these sizes, in centimetres."""
import os
from typing import Annotated, TypedDict

import joblib
from slugify import slugify
from wherry import Range

# Loaded once, when the container starts; predict is called as often as needed.
model = joblib.load(os.path.join(os.path.dirname(__file__), "iris.joblib"))

Centimetres = Annotated[float, Range(0, 20), "in centimetres"]


class Iris(TypedDict):
    species: str
    probability: float


def predict(sepal_length: Centimetres, sepal_width: Centimetres, petal_length: Centimetres, petal_width: Centimetres) -> Iris:
    probabilities = model.predict_proba([[sepal_length, sepal_width, petal_length, petal_width]])[0]
    best = probabilities.argmax()
    return {
        "species": slugify(str(model.classes_[best])),
        "probability": float(probabilities[best]),
    }
