"""Fits a pipeline on Fisher's irises and saves it. It runs in the sandbox, at
build time; nothing in it knows about that."""
import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

iris = load_iris()
species = iris.target_names[iris.target]

model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
print("accuracy: %.3f" % cross_val_score(model, iris.data, species, cv=5).mean())

model.fit(iris.data, species)
joblib.dump(model, "iris.joblib")
