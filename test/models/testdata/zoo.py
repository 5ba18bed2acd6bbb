"""Trains models of many kinds on the irises, and asks them.

The same file runs in the sandbox and in native CPython:

    python zoo.py train FOLDER     fits every model, saves it and its answers
    python zoo.py ask FOLDER       loads what is saved there and prints the answers

Answers are what a model says of all 150 rows: every method it has, one list of
numbers (or labels) a row.
"""
import json
import os
import runpy
import sys
import warnings
from contextlib import redirect_stdout

import joblib
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import (ExtraTreesClassifier, GradientBoostingRegressor,
                              HistGradientBoostingClassifier, IsolationForest,
                              RandomForestClassifier)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

warnings.simplefilter("error")  # a model of another version is no success

IRIS = load_iris()
ROWS = IRIS.data
SPECIES = IRIS.target_names[IRIS.target]

# A table as people have them: numbers, and a column of words.
TABLE = pd.DataFrame(ROWS, columns=["sepal_length", "sepal_width", "petal_length", "petal_width"])
TABLE["leaf"] = np.where(ROWS[:, 1] > 3.2, "broad", np.where(ROWS[:, 1] > 2.8, "middling", "narrow"))


def zoo():
    """Name -> model to fit, its input, its target."""
    scaled = StandardScaler
    columns = ColumnTransformer([
        ("numbers", scaled(), ["petal_length", "petal_width"]),
        ("words", OneHotEncoder(handle_unknown="ignore"), ["leaf"]),
    ])
    return {
        "logistic regression": (make_pipeline(scaled(), LogisticRegression(max_iter=1000)), ROWS, SPECIES),
        "random forest": (RandomForestClassifier(50, random_state=1), ROWS, SPECIES),
        "extra trees": (ExtraTreesClassifier(50, random_state=2), ROWS, SPECIES),
        "gradient boosting": (GradientBoostingRegressor(n_estimators=40, random_state=3), ROWS[:, :3], ROWS[:, 3]),
        "histogram boosting": (HistGradientBoostingClassifier(max_iter=20, random_state=4), ROWS, SPECIES),
        "support vectors": (make_pipeline(scaled(), SVC()), ROWS, SPECIES),
        "neural network": (make_pipeline(scaled(), MLPClassifier((16, 8), tol=1e-3, max_iter=2000, random_state=5)), ROWS, SPECIES),
        "gaussian process": (GaussianProcessRegressor(RBF() + WhiteKernel(), random_state=6), ROWS[:, :3], ROWS[:, 3]),
        "PCA and k-means": (make_pipeline(PCA(2), KMeans(3, n_init=3, random_state=7)), ROWS, None),
        "naive Bayes": (GaussianNB(), ROWS, SPECIES),
        "isolation forest": (IsolationForest(n_estimators=50, random_state=8), ROWS, None),
        "neighbours, KD-tree": (KNeighborsClassifier(5, algorithm="kd_tree"), ROWS, SPECIES),
        "neighbours, ball tree": (KNeighborsClassifier(5, algorithm="ball_tree"), ROWS, SPECIES),
        "table of columns": (make_pipeline(columns, LogisticRegression(max_iter=1000)), TABLE, SPECIES),
    }


METHODS = ("predict", "predict_proba", "decision_function", "score_samples", "transform", "kneighbors")


def answers(model, rows):
    """Everything that the model says of the rows."""
    said = {}
    for method in METHODS:
        if hasattr(model, method):
            result = getattr(model, method)(rows)
            parts = result if isinstance(result, tuple) else (result,)
            for i, part in enumerate(parts):
                said["%s %d" % (method, i) if i else method] = np.asarray(part).tolist()
    return said


def train(folder):
    """Fit every model, save it and what it says; the example's among them."""
    models = {"example iris": (example(folder), ROWS)}
    for name, (model, rows, target) in zoo().items():
        models[name] = model.fit(rows, target), rows
    said = {}
    for name, (model, rows) in models.items():
        joblib.dump(model, os.path.join(folder, name + ".joblib"))
        said[name] = answers(model, rows)
    with open(os.path.join(folder, "answers.json"), "w") as f:
        json.dump(said, f)


def example(folder):
    """The model of examples/iris: the one of its image, else its train.py fits one."""
    path = os.environ.get("IRIS_MODEL")
    if path is None:
        here, script = os.getcwd(), os.path.join(os.path.dirname(os.path.abspath(__file__)), "train.py")
        os.chdir(folder)
        try:
            with redirect_stdout(sys.stderr):
                runpy.run_path(script)
        finally:
            os.chdir(here)
        path = os.path.join(folder, "iris.joblib")
    return joblib.load(path)


def ask(folder):
    """Print what the saved models say; what fails says why."""
    inputs = {name: rows for name, (_, rows, _) in zoo().items()}
    said = {}
    for file in sorted(os.listdir(folder)):
        name, suffix = os.path.splitext(file)
        if suffix != ".joblib":
            continue
        try:
            said[name] = answers(joblib.load(os.path.join(folder, file)), inputs.get(name, ROWS))
        except Exception as e:
            said[name] = {"error": "%s: %s" % (type(e).__name__, e)}
    json.dump(said, sys.stdout)


for verb, folder in zip(sys.argv[1::2], sys.argv[2::2]):
    {"train": train, "ask": ask}[verb](folder)
