"""Says whether a tumour of these measures is malignant."""
import os

import joblib

model = joblib.load(os.path.join(os.path.dirname(__file__), "forest.joblib"))


def predict(radius: float, texture: float, perimeter: float, area: float) -> dict:
    probabilities = model.predict_proba([[radius, texture, perimeter, area]])[0]
    best = probabilities.argmax()
    return {"finding": str(model.classes_[best]), "probability": float(probabilities[best])}
