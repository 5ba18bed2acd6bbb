"""Makes a folder for each way in which people save models, and what the model
answers to the rows that are in there.

    python zoo_folder.py FOLDER      prints JSON: [[name, model, source], ...]
"""
import json
import os
import pickle
import sys
import textwrap

import joblib
import numpy as np
import pandas as pd
from sklearn import cluster, compose, datasets, decomposition, ensemble, feature_extraction, impute, linear_model
from sklearn import model_selection, naive_bayes, neighbors, pipeline, preprocessing, svm, tree

made = []


def folder(name, model, file="model.joblib", source=None):
    os.makedirs(name)
    path = os.path.join(name, file)
    if file.endswith(".pkl"):
        with open(path, "wb") as f:
            pickle.dump(model, f)
    else:
        joblib.dump(model, path, compress=("gzip", 3) if "gz" in name else 0)
    made.append([name, file, source or ""])


def script(name, text, file="train.py", **tables):
    """A folder whose script makes the model."""
    os.makedirs(name)
    for table, frame in tables.items():
        frame.to_csv(os.path.join(name, table + ".csv"), index=False)
    text = textwrap.dedent(text)
    if file.endswith(".ipynb"):
        cells = [{"cell_type": "code", "source": part} for part in text.split("\n\n")]
        content = json.dumps({"cells": cells, "nbformat": 4})
    else:
        content = text
    with open(os.path.join(name, file), "w") as f:
        f.write(content)
    here = os.getcwd()
    os.chdir(name)
    try:
        main = sys.modules["__main__"]
        module = sys.modules["__main__"] = type(sys)("__main__")
        exec(compile(text, file, "exec"), module.__dict__)
    finally:
        sys.modules["__main__"] = main
        os.chdir(here)
    with open(os.path.join(name, "expected.json"), "w") as f:
        json.dump(np.asarray(module.expected).tolist(), f)
    models = [f for f in os.listdir(name) if f.startswith("model.")]
    made.append([name, models[0], file])


def tables():
    r = np.random.default_rng(3)
    n = 300
    people = pd.DataFrame({"id": range(n), "age": r.integers(18, 90, n), "height": np.round(r.normal(170, 10, n), 1),
                           "city": r.choice(["Rome", "Oslo", "Lima"], n), "smokes": r.random(n) < 0.3})
    people["sick"] = ((people.age > 50) & people.smokes).astype(int)
    people.loc[::17, "height"] = np.nan
    return people


def main(where):
    os.chdir(where)
    iris = datasets.load_iris(as_frame=True)
    X, y = iris.data, iris.target
    folder("named", ensemble.RandomForestClassifier(10, random_state=0).fit(X, iris.target_names[y]))
    folder("array", linear_model.LogisticRegression(max_iter=500).fit(X.values, y), "model.pkl")
    folder("gz", svm.SVC().fit(X.values, y))
    folder("text", pipeline.make_pipeline(feature_extraction.text.TfidfVectorizer(), naive_bayes.MultinomialNB()).fit(
        ["good boat", "bad wind", "good river", "bad tide"], ["+", "-", "+", "-"]))
    scaler = preprocessing.StandardScaler().fit(X.values)
    folder("bundle", {"model": neighbors.KNeighborsClassifier().fit(scaler.transform(X.values), y), "scaler": scaler, "features": list(X.columns)}, "model.pkl")
    folder("pair", (preprocessing.MinMaxScaler().fit(X.values), tree.DecisionTreeClassifier(random_state=0).fit(X.values, y)))
    folder("several", linear_model.Ridge().fit(X, np.c_[y, -y]))
    folder("clusters", cluster.KMeans(3, random_state=0, n_init=1).fit(X.values))
    folder("outliers", ensemble.IsolationForest(n_estimators=10, random_state=0).fit(X))
    folder("transform", decomposition.PCA(2).fit(X))
    folder("search", model_selection.GridSearchCV(pipeline.Pipeline([("s", preprocessing.RobustScaler()), ("m", linear_model.Lasso())]), {"m__alpha": [0.1, 1]}).fit(X, y))
    people = tables()
    parts = compose.ColumnTransformer([
        ("n", pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()), ["age", "height"]),
        ("c", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["city"]), ("b", "passthrough", ["smokes"])])
    folder("mixed", pipeline.Pipeline([("p", parts), ("m", ensemble.HistGradientBoostingClassifier(max_iter=10))]).fit(people[["age", "height", "city", "smokes"]], people.sick.astype(bool)))
    script("dummies", """
        import pandas as pd
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import train_test_split
        import joblib

        people = pd.read_csv("people.csv")
        people = people.dropna()
        people["old"] = (people["age"] > 60).astype(int)
        y = people.pop("sick")
        X = pd.get_dummies(people.drop("id", axis=1), columns=["city"], drop_first=True)

        X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=1)
        clf = LogisticRegression(max_iter=1000)
        clf.fit(X_train, y_train)
        joblib.dump(clf, "model.joblib")
        expected = clf.predict_proba(X.head(3))
        """, "work.ipynb", people=people)
    script("filled", """
        import pandas as pd
        import numpy as np
        from sklearn.tree import DecisionTreeRegressor
        import pickle

        CITIES = {"Rome": 0, "Oslo": 1, "Lima": 2}
        def tidy(frame):
            frame = frame.copy()
            frame["city"] = frame["city"].map(CITIES)
            return frame

        df = pd.read_csv("people.csv", index_col="id")
        df["height"] = df["height"].fillna(df["height"].mean())
        df = tidy(df)
        df["log"] = np.log(df["age"])
        features = ["height", "city", "log"]
        model = DecisionTreeRegressor(max_depth=3).fit(df[features], df["age"])
        pickle.dump(model, open("model.pkl", "wb"))
        expected = model.predict(df[features].iloc[1:4])
        """, people=people)
    script("scaled", """
        import pandas as pd
        from sklearn.preprocessing import StandardScaler
        from sklearn.neighbors import KNeighborsRegressor
        import joblib

        df = pd.read_csv("people.csv").dropna()
        X = df[["age", "height"]]
        scaler = StandardScaler()
        scaler.set_output(transform="pandas")
        scaled = scaler.fit_transform(X)
        model = KNeighborsRegressor().fit(scaled, df["sick"])
        joblib.dump(scaler, "scaler.joblib")
        joblib.dump(model, "model.joblib")
        expected = model.predict(scaled.head(3))
        """, people=people)
    script("custom", """
        import joblib
        import numpy as np
        from sklearn.base import BaseEstimator, TransformerMixin
        from sklearn.linear_model import LinearRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer

        OFFSET = 1.5
        def shift(x):
            return x + OFFSET
        class Square(BaseEstimator, TransformerMixin):
            def fit(self, X, y=None):
                return self
            def transform(self, X):
                return np.hstack([X, np.square(X)])

        data = np.arange(20.0).reshape(10, 2)
        model = make_pipeline(FunctionTransformer(shift), Square(), LinearRegression()).fit(data, data[:, 0])
        joblib.dump(model, "model.joblib")
        expected = model.predict(np.array([[3.0, 4.0], [5, 6]]))
        """)
    print(json.dumps(made))


main(sys.argv[1])
