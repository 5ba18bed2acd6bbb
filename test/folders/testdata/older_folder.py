"""Makes a folder with nothing but a model that scikit-learn of years ago has
saved, and what it answered then.

    python older_folder.py FOLDER ANSWERS.json
"""
import json
import os
import sys

import joblib
import sklearn
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main(folder, answers):
    os.makedirs(folder)
    X, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), RandomForestClassifier(n_estimators=20, random_state=0)).fit(X, y)
    joblib.dump(model, os.path.join(folder, "wine.joblib"), compress=3)
    rows = X[::20]
    with open(answers, "w") as f:
        json.dump({"cases": [{"name": "wine %d" % i, "inputs": {"X": [row.tolist()]}, "outputs": {
            "label": model.predict([row]).tolist(), "probabilities": model.predict_proba([row]).tolist()}} for i, row in enumerate(rows)],
            "rtol": 1e-5, "atol": 1e-6, "made": {"by": "scikit-learn %s, native" % sklearn.__version__}}, f)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
