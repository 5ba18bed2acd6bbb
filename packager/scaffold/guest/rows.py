"""Example rows for a model: from the data that the notebook reads, from a call
in it, or made up from what the model has learnt."""
import os

from pickled import chain, part, plain

MANY = 3  # rows that become golden cases


def add(report, loaded, source):
    """Put columns and rows into the report."""
    model = part(loaded)
    if report["input"] == "text":
        report["columns"] = []
        report["rows"], report["rows_from"] = _texts(source)
        return
    columns = _learnt(report, model, loaded)
    report["rows"], report["rows_from"] = [], ""
    if source is not None:
        if report["input"] == "table":
            _from_data(report, columns, source, model)
        if not report["rows"]:
            _from_calls(report, columns, source)
    if not report["rows"]:
        report["rows"], report["rows_from"] = [[c["example"] for c in columns]], "guess"
    if "columns" not in report:
        report["columns"] = columns


def _texts(source):
    """Sentences that the notebook asks its model about."""
    if source is not None:
        for value in source.calls():
            if isinstance(value, (list, tuple)) and value and all(isinstance(v, str) for v in value):
                return [[v] for v in value[:MANY]], source.name
    return [["the quick brown fox jumps over the lazy dog"]], "guess"


def _scalers(report, loaded):
    """What a file that holds a model holds to prepare its rows."""
    where = report.get("part")
    if where is None:
        return []
    return [loaded[key] for key, kind in where["others"] if kind.endswith("Scaler")]


def _learnt(report, model, loaded):
    """The columns of the model, with types, choices and a plausible value of each."""
    n = report.get("n_features") or len(report.get("features") or []) or 1
    names = report.get("features") or ["x%d" % i for i in range(n)]
    columns = [{"name": name, "type": "float", "example": 0.0} for name in names]
    by_name = {c["name"]: c for c in columns}
    try:
        _walk(_scalers(report, loaded) + chain(model), [c["name"] for c in columns], by_name)
    except Exception:  # what cannot be seen stays a plain number
        pass
    for c in columns:
        c["example"] = _rounded(c["example"])
    return columns


def _walk(steps, names, columns):
    """What the steps of a pipeline have learnt about its columns."""
    for step in steps:
        kind = type(step).__name__
        if kind == "ColumnTransformer":
            for _, inner, where in step.transformers_:
                chosen = _columns(where, names)
                if not isinstance(inner, str):
                    _walk(chain(inner), chosen, columns)
            return
        if not _step(step, kind, names, columns):
            return


def _step(step, kind, names, columns):
    """One step; returns whether the next one sees the same columns."""
    if hasattr(step, "categories_"):
        for name, choices in zip(names, step.categories_):
            values = [plain(c) for c in choices]
            kept = [v for v in values if v is not None]
            c = columns[name]
            c["example"] = kept[0] if kept else ""
            if kept and all(isinstance(v, str) for v in kept):
                c["type"] = "str"
                if getattr(step, "handle_unknown", "error") == "error" and len(kept) == len(values) <= 60:
                    c["choices"] = kept
        return False
    values = None
    for attribute in ("statistics_", "mean_", "center_", "data_min_", "_fit_X", "support_vectors_", "theta_"):
        values = getattr(step, attribute, None)
        if values is not None:
            break
    if values is None and kind.endswith(("Forest", "Classifier", "Regressor")):
        values = _thresholds(step, len(names))
    if values is None:
        return kind in ("SimpleImputer", "RobustScaler", "MaxAbsScaler", "Normalizer")
    if attribute == "data_min_":
        values = (step.data_min_ + step.data_max_) / 2
    if hasattr(values, "toarray"):
        values = values.toarray()
    if getattr(values, "ndim", 1) == 2:
        values = values.mean(axis=0)
    if len(values) != len(names):
        return False
    for name, value in zip(names, values):
        value = plain(value)
        columns[name]["example"] = value
        if isinstance(value, str):
            columns[name]["type"] = "str"
    return kind in ("SimpleImputer",)


def _thresholds(model, n):
    """The middle of the thresholds that trees compare each feature with."""
    import numpy as np

    trees = getattr(model, "estimators_", None)
    trees = list(np.ravel(trees)) if trees is not None else [model]
    seen = [[] for _ in range(n)]
    for tree in trees[:50]:
        tree = getattr(tree, "tree_", None)
        if tree is None:
            return None
        for feature, threshold in zip(tree.feature, tree.threshold):
            if 0 <= feature < n:
                seen[feature].append(threshold)
    return np.array([float(np.median(s)) if s else 0.0 for s in seen])


def _columns(where, names):
    """The names that a ColumnTransformer's selection stands for."""
    import numpy as np

    if isinstance(where, str):
        return [where]
    if isinstance(where, slice):
        return names[where] if not isinstance(where.start, str) else \
            names[names.index(where.start):names.index(where.stop) + 1]
    out = []
    for at, w in enumerate(np.asarray(where).tolist()):
        if isinstance(w, bool):
            out += [names[at]] if w else []
        else:
            out.append(names[w] if isinstance(w, int) else w)
    return out


def _rounded(value):
    """A number that people can read."""
    if isinstance(value, float):
        return float("%.4g" % value)
    return value


def _from_data(report, columns, source, model):
    """Rows of the table that the notebook reads, with what it does to them."""
    table = source.table()
    if table is None:
        return
    import prepare

    plan = prepare.plan(source, table, report["features"], model)
    learnt = {c["name"]: c for c in columns}
    if plan is not None:
        report["prepare"] = plan.report()
        report["columns"] = [_typed(table, name, learnt) for name in plan.raw]
        chosen = plan.rows
    elif all(name in table.columns for name in report["features"]):
        report["columns"] = [_typed(table, name, learnt) for name in report["features"]]
        chosen = table.dropna(subset=report["features"]).head(MANY)
    else:
        report["columns"] = columns
        return
    names = [c["name"] for c in report["columns"]]
    types = [c["type"] for c in report["columns"]]
    report["rows"] = [[_cell(v, t) for v, t in zip(row, types)] for row in chosen[names].itertuples(index=False, name=None)]
    report["rows_from"] = os.path.basename(source.path)


def _typed(table, name, learnt):
    """A column of the table as a parameter."""
    series = table[name]
    kind = series.dtype.kind if hasattr(series.dtype, "kind") else "O"
    c = dict(learnt.get(name, {}), name=name)
    c["type"] = {"b": "bool", "i": "int", "u": "int", "f": "float"}.get(kind, "str")
    whole = series.dropna()
    if c["type"] == "float" and not len(whole):
        c["type"] = "str"
    if c["type"] != "str":
        c.pop("choices", None)
    c["example"] = _cell(whole.iloc[0], c["type"]) if len(whole) else ""
    return c


def _cell(value, kind):
    value = plain(value)
    return value if value is None or kind != "str" else str(value)


def _from_calls(report, columns, source):
    """A row that stands in a call of predict, written out."""
    names = [c["name"] for c in columns]
    for value in source.calls():
        if isinstance(value, dict):
            lists = {k: v if isinstance(v, list) else [v] for k, v in value.items()}
            value = [dict(zip(lists, row)) for row in zip(*lists.values())]
        if not isinstance(value, (list, tuple)) or not value:
            continue
        if isinstance(value[0], dict):
            rows = [[row.get(n) for n in names] for row in value if set(names) <= set(row)]
        else:
            rows = [list(row) for row in value if isinstance(row, (list, tuple)) and len(row) == len(names)]
        rows = [row for row in rows if all(isinstance(v, (str, int, float, bool)) for v in row)]
        if rows:
            report["rows"], report["rows_from"] = rows[:MANY], source.name
            for at, c in enumerate(columns):
                if isinstance(rows[0][at], str):
                    c["type"] = "str"
            return
