"""Fits a model of who leaves, on a table of three thousand subscribers, which it makes up."""
import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

rows, draw = 3000, np.random.default_rng(1)
table = pd.DataFrame({
    "age": draw.integers(18, 90, rows).astype(float),
    "months": draw.integers(0, 120, rows).astype(float),
    "city": draw.choice(["Bergen", "Gdansk", "Porto", "Split"], rows),
    "plan": draw.choice(["basic", "family", "student"], rows),
})
leaves = table["months"] + 20 * (table["plan"] == "family") + draw.normal(0, 15, rows) < 40
table.loc[draw.choice(rows, 200, replace=False), "age"] = np.nan

columns = ColumnTransformer([
    ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "months"]),
    ("words", OneHotEncoder(handle_unknown="ignore"), ["city", "plan"]),
])
model = make_pipeline(columns, LogisticRegression(max_iter=1000))
model.fit(table, np.where(leaves, "leaves", "stays"))
joblib.dump(model, "table.joblib")
