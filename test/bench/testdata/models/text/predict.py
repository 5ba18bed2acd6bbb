"""Says what a letter to a shop is about."""
import os

import joblib

model = joblib.load(os.path.join(os.path.dirname(__file__), "text.joblib"))


def predict(letter: str) -> dict:
    probabilities = model.predict_proba([letter])[0]
    best = probabilities.argmax()
    return {"topic": str(model.classes_[best]), "probability": float(probabilities[best])}
