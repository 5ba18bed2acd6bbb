"""Makes ONNX of a pickled model. It runs in a throw-away environment of the
host: what is in the pickle is run there.
"""
import os
import sys

OPSETS = {"": 18, "ai.onnx.ml": 3}


def answer(job):
    """Does {"model": PATH, "source": NOTEBOOK or nothing, "output": MODEL.onnx}; the
    answer has golden cases by the model itself, and who that is."""
    import beside

    source = beside.enter(job["model"], job.get("source"))
    import pickled
    import rows

    report = pickled.report(job["model"], source)
    if "problem" in report:
        return {"problem": report["problem"]}
    rows.add(report, pickled.loaded, source)
    model = pickled.part(pickled.loaded)
    try:
        made, inputs = convert(model, report)
    except Exception as e:
        return {"problem": {"type": type(e).__name__, "text": str(e)[:2000]}}
    with open(job["output"], "wb") as f:
        f.write(made.SerializeToString())
    names = [o.name for o in made.graph.output]
    cases = [{"inputs": inputs(row), "outputs": outputs(model, report, row, names)} for row in rows_of(report)]
    return {"cases": cases, "by": by(model), "rows_from": report["rows_from"]}


def by(model):
    """Who answers."""
    root = type(model).__module__.partition(".")[0]
    module = sys.modules.get(root)
    name = {"sklearn": "scikit-learn"}.get(root, root)
    return "%s %s" % (name, getattr(module, "__version__", ""))


def rows_of(report):
    """Rows by the model's own columns: a notebook's preparation is not part of the file."""
    if report.get("prepare"):
        return []
    return report["rows"]


def native(model):
    """Which converter a model that is no scikit-learn pipeline wants."""
    root = type(model).__module__.partition(".")[0]
    return root if root in ("xgboost", "lightgbm", "catboost") else None


def convert(model, report):
    """The ONNX model, and what makes inputs of a row."""
    columns = report["columns"]
    if native(model):
        return boosted(model, len(columns)), lambda row: {"X": [[float(v) for v in row]]}
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import BooleanTensorType, FloatTensorType, StringTensorType

    register()
    options = {}
    if report["kind"] == "classifier":
        options = {id(model): {"zipmap": False}}
        final = pickled_last(model)
        if final is not model:
            options = {id(final): {"zipmap": False}, **options}
    if report["input"] == "text":
        made = to_onnx(model, initial_types=[("text", StringTensorType([None, 1]))], options=options, target_opset=OPSETS)
        return made, lambda row: {"text": [row]}
    if report["input"] == "array" or all(c["type"] in ("float", "int") for c in columns) and not selects(model):
        made = to_onnx(model, initial_types=[("X", FloatTensorType([None, len(columns)]))], options=options, target_opset=OPSETS)
        return made, lambda row: {"X": [[float(v) for v in row]]}
    types = {"str": StringTensorType, "bool": BooleanTensorType}
    initial = [(c["name"], types.get(c["type"], FloatTensorType)([None, 1])) for c in columns]
    made = to_onnx(model, initial_types=initial, options=options, target_opset=OPSETS)
    return made, lambda row: {c["name"]: [[v if c["type"] in types else float(v)]] for c, v in zip(columns, row)}


def pickled_last(model):
    import pickled

    return pickled.chain(model)[-1]


def selects(model):
    """Whether a step picks columns by their names."""
    import pickled

    return any(type(s).__name__ == "ColumnTransformer" for s in pickled.chain(model))


def register():
    """Estimators of other packages inside a pipeline."""
    for module in ("xgboost", "lightgbm"):
        if module not in sys.modules:
            continue
        from skl2onnx import update_registered_converter
        from skl2onnx.common.shape_calculator import (
            calculate_linear_classifier_output_shapes, calculate_linear_regressor_output_shapes)

        if module == "xgboost":
            from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost as converter
            from xgboost import XGBClassifier as classifier, XGBRegressor as regressor
        else:
            from lightgbm import LGBMClassifier as classifier, LGBMRegressor as regressor
            from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm as converter
        options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
        update_registered_converter(classifier, classifier.__name__, calculate_linear_classifier_output_shapes, converter, options=options)
        update_registered_converter(regressor, regressor.__name__, calculate_linear_regressor_output_shapes, converter)


def boosted(model, n):
    """XGBoost, LightGBM, CatBoost by themselves."""
    root = native(model)
    if root == "catboost":
        import onnx
        import tempfile

        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "model.onnx")
            model.save_model(path, format="onnx")
            return onnx.load(path)
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    one = [("X", FloatTensorType([None, n]))]
    if root == "xgboost":
        return onnxmltools.convert_xgboost(model, initial_types=one, target_opset=15)
    return onnxmltools.convert_lightgbm(model, initial_types=one, target_opset=15, zipmap=False)


def outputs(model, report, row, names):
    """What the model itself answers, by the names of the file's outputs."""
    from pickled import plain

    if report["input"] == "text":
        table = list(row)
    elif report["input"] == "table":
        import pandas as pd

        table = pd.DataFrame([dict(zip([c["name"] for c in report["columns"]], row))])
    else:
        import numpy as np

        table = np.asarray([row], dtype=float)
    said = {}
    if hasattr(model, "predict"):
        said[names[0]] = listed(model.predict(table))
        if len(names) > 1 and hasattr(model, "predict_proba"):
            said[names[1]] = listed(model.predict_proba(table))
    else:
        said[names[0]] = listed(model.transform(table))
    return said


def listed(values):
    if hasattr(values, "toarray"):
        values = values.toarray()
    return values.tolist() if hasattr(values, "tolist") else list(values)

