"""Makes a folder as a data scientist leaves it: data, a notebook, a pickle.

The notebook's own cells are run, so what is pickled is what they say.
"""
import json
import os
import sys

CELLS = [
    ("markdown", "# Which customers leave?"),
    ("code", "%matplotlib inline\nimport pickle\nimport numpy as np\nimport pandas as pd\n"
             "from sklearn.compose import ColumnTransformer\n"
             "from sklearn.ensemble import RandomForestClassifier\n"
             "from sklearn.model_selection import train_test_split\n"
             "from sklearn.pipeline import Pipeline\n"
             "from sklearn.preprocessing import OneHotEncoder, StandardScaler"),
    ("code", "df = pd.read_csv('customers.csv')\ndf.head()"),
    ("code", "!ls\ndf = df.drop(columns=['customer_id'])\n"
             "df = df.dropna(subset=['monthly'])\n"
             "df = df.rename(columns={'Contract Type': 'contract'})\n"
             "df['years'] = df['months'] / 12\n"
             "df['spent'] = df['monthly'] * df['months']\n"
             "df['contract'] = df['contract'].str.lower()"),
    ("code", "X = df.drop(columns=['left', 'months'])\ny = df['left']\n"
             "X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)"),
    ("code", "numbers = ['monthly', 'years', 'spent', 'calls']\n"
             "model = Pipeline([\n"
             "    ('columns', ColumnTransformer([('numbers', StandardScaler(), numbers),\n"
             "                                   ('contract', OneHotEncoder(), ['contract'])])),\n"
             "    ('forest', RandomForestClassifier(n_estimators=30, random_state=0)),\n"
             "])\nmodel.fit(X_train, y_train)\nprint(model.score(X_test, y_test))"),
    ("code", "with open('model.pkl', 'wb') as f:\n    pickle.dump(model, f)"),
]


def main(folder):
    import numpy as np
    import pandas as pd

    os.chdir(folder)
    r = np.random.default_rng(7)
    n = 400
    months = r.integers(1, 60, n)
    monthly = np.round(r.uniform(10, 90, n), 2)
    calls = r.integers(0, 9, n)
    contract = r.choice(["Month", "Year", "Two Years"], n)
    left = (calls + (contract == "Month") * 4 - months / 12 + r.normal(0, 1, n)) > 3
    table = pd.DataFrame({"customer_id": ["C%04d" % i for i in range(n)], "months": months, "monthly": monthly,
                          "calls": calls, "Contract Type": contract, "left": np.where(left, "yes", "no")})
    table.loc[[5, 50], "monthly"] = np.nan
    table.to_csv("customers.csv", index=False)
    book = {"cells": [{"cell_type": kind, "metadata": {}, "source": text.splitlines(True),
                       **({"outputs": [], "execution_count": None} if kind == "code" else {})} for kind, text in CELLS],
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            "nbformat": 4, "nbformat_minor": 5}
    with open("churn.ipynb", "w") as f:
        json.dump(book, f, indent=1)
    space = {"__name__": "__main__"}
    for kind, text in CELLS:
        if kind == "code":
            exec("\n".join(line for line in text.split("\n") if line[:1] not in "%!"), space)


if __name__ == "__main__":
    main(sys.argv[1])
