"""Fits a pipeline on a table of subscribers, which it makes up: numbers that are
sometimes missing, and words."""
import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

rows, draw = 3000, np.random.default_rng(1)
table = pd.DataFrame({
    "age": draw.integers(18, 90, rows).astype(float),
    "months": draw.integers(0, 120, rows).astype(float),
    "calls": draw.integers(0, 9, rows).astype(float),
    "city": draw.choice(["Bergen", "Gdansk", "Porto", "Split"], rows),
    "plan": draw.choice(["basic", "family", "student"], rows),
})
leaves = table["months"] - 6 * table["calls"] + 20 * (table["plan"] == "family") + draw.normal(0, 15, rows) < 20
table.loc[draw.choice(rows, 200, replace=False), "age"] = np.nan

columns = ColumnTransformer([
    ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["age", "months", "calls"]),
    ("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["city", "plan"]),
])
both = VotingClassifier([
    ("line", LogisticRegression(max_iter=1000, tol=1e-10)),
    ("trees", HistGradientBoostingClassifier(max_iter=50, random_state=0)),
], voting="soft")
model = make_pipeline(columns, both).fit(table, np.where(leaves, "leaves", "stays"))
print("accuracy: %.3f" % model.score(table, np.where(leaves, "leaves", "stays")))
joblib.dump(model, "subscribers.joblib")
