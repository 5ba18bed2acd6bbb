"""Fits a forest of 100 trees on four measures of 569 tumours."""
import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

data = load_breast_cancer()
model = RandomForestClassifier(n_estimators=100, random_state=1)
model.fit(data.data[:, :4], data.target_names[data.target])
joblib.dump(model, "forest.joblib")
