"""Makes the folder of a model as MLflow saves it: scikit-learn, with a signature
and an input example."""
import os
import sys

import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder


def main(folder):
    data = load_diabetes(as_frame=True, scaled=False).frame
    data["sex"] = data["sex"].map({1.0: "female", 2.0: "male"}).astype(object)
    X, y = data.drop(columns="target"), data["target"]
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["sex"]), remainder="passthrough"),
        GradientBoostingRegressor(n_estimators=40, random_state=0))
    model.fit(X, y)
    mlflow.sklearn.save_model(model, os.path.join(folder, "model"), signature=infer_signature(X, model.predict(X)),
                              input_example=X.head(2), pip_requirements=["scikit-learn==1.9.1"])


if __name__ == "__main__":
    main(sys.argv[1])
