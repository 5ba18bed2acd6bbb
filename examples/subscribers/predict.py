"""Says which subscribers are going to leave."""
import os
from typing import Annotated, TypedDict

import joblib
import numpy as np
import pandas as pd
from wherry import Columns, DType, Shape

model = joblib.load(os.path.join(os.path.dirname(__file__), "subscribers.joblib"))

Subscribers = Annotated[pd.DataFrame, Columns(age=float, months=float, calls=float, city=str, plan=str)]


class Answer(TypedDict):
    probability: Annotated[np.ndarray, DType("float64"), Shape(-1), "that the subscriber leaves"]
    leaves: Annotated[np.ndarray, DType("bool"), Shape(-1)]


def predict(subscribers: Subscribers) -> Answer:
    probability = model.predict_proba(subscribers)[:, 0]
    return {"probability": probability, "leaves": probability > 0.5}
