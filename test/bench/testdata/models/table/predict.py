"""Says whether a subscriber is going to leave."""
import os

import joblib
import pandas as pd

model = joblib.load(os.path.join(os.path.dirname(__file__), "table.joblib"))


def predict(age: float, months: float, city: str, plan: str) -> dict:
    row = pd.DataFrame([{"age": age, "months": months, "city": city, "plan": plan}])
    probabilities = model.predict_proba(row)[0]
    best = probabilities.argmax()
    return {"subscriber": str(model.classes_[best]), "probability": float(probabilities[best])}
