"""Says which iris has petals and sepals of these sizes, in centimetres."""
import os

import joblib
from slugify import slugify

# Loaded once, when the container starts; predict is called as often as needed.
model = joblib.load(os.path.join(os.path.dirname(__file__), "iris.joblib"))


def predict(sepal_length: float, sepal_width: float, petal_length: float, petal_width: float) -> dict:
    probabilities = model.predict_proba([[sepal_length, sepal_width, petal_length, petal_width]])[0]
    best = probabilities.argmax()
    return {
        "species": slugify(str(model.classes_[best])),
        "probability": float(probabilities[best]),
    }
