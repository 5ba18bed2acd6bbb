"""The folder of an MLflow model: its flavour, signature and input example."""
import json
import os

_TYPES = {"double": "float", "float": "float", "integer": "int", "long": "int", "boolean": "bool", "string": "str"}
# Flavour -> the key of its file.
_FILES = {"sklearn": "pickled_model", "onnx": "data", "xgboost": "data", "lightgbm": "data", "catboost": "model_data_path"}


class Folder:
    """What MLmodel says."""

    def __init__(self, path):
        import yaml

        self.folder = os.path.dirname(path)
        with open(path, encoding="utf-8") as f:
            self.document = yaml.safe_load(f)
        flavors = self.document.get("flavors") or {}
        self.flavor = next((n for n in _FILES if n in flavors), next(iter(flavors), ""))
        said = flavors.get(self.flavor) or {}
        self.file = said.get(_FILES.get(self.flavor, ""), "") or ""
        if self.flavor == "onnx" and not self.file:
            self.file = "model.onnx"
        self.version = said.get("sklearn_version")
        self.code = said.get("code") or (flavors.get("python_function") or {}).get("code") or ""

    def report(self):
        return {"flavor": str(self.flavor), "file": str(self.file), "code": str(self.code)}

    def columns(self):
        """The inputs of the signature, when they are columns."""
        text = (self.document.get("signature") or {}).get("inputs")
        listed = json.loads(text) if text else []
        if not listed or not all(isinstance(c, dict) and c.get("name") for c in listed):
            return None
        return [{"name": str(c["name"]), "type": _TYPES.get(c.get("type"), "str")} for c in listed]

    def rows(self):
        """The rows of the input example, as dictionaries or lists."""
        for name, read in (("serving_input_example.json", _serving), ("input_example.json", _example)):
            path = os.path.join(self.folder, name)
            if os.path.isfile(path):
                with open(path, encoding="utf-8") as f:
                    rows = read(json.load(f))
                if rows:
                    return rows
        return []

    def complete(self, report):
        """Put signature and example into the report of the model."""
        rows, columns = self.rows(), self.columns()
        known = {c["name"]: c for c in report.get("columns", [])}
        if columns and report["input"] == "table" and {c["name"] for c in columns} == set(known):
            report["columns"] = [dict(known[c["name"]], **c) for c in columns]
            for c in report["columns"]:
                if c["type"] != "str":
                    c.pop("choices", None)
        names = [c["name"] for c in report.get("columns", [])]
        if report["input"] == "text":
            kept = [[r] if isinstance(r, str) else list(r) for r in rows if isinstance(r, (str, list))]
            kept = [r for r in kept if len(r) == 1 and isinstance(r[0], str)]
        else:
            kept = [[r[n] for n in names] if isinstance(r, dict) else r for r in rows
                    if (isinstance(r, dict) and set(names) <= set(r)) or (isinstance(r, list) and len(r) == len(names))]
        if kept:
            report["rows"], report["rows_from"] = kept[:3], "input example of MLflow"


def _serving(document):
    if "dataframe_split" in document:
        return _split(document["dataframe_split"])
    if "dataframe_records" in document:
        return document["dataframe_records"]
    inputs = document.get("inputs", document.get("instances"))
    if isinstance(inputs, dict):
        return [dict(zip(inputs, row)) for row in zip(*inputs.values())]
    return inputs if isinstance(inputs, list) else []


def _example(document):
    if isinstance(document, dict) and "data" in document:
        return _split(document)
    return document if isinstance(document, list) else []


def _split(document):
    names = document.get("columns")
    return [dict(zip(names, row)) if names and not all(isinstance(n, int) for n in names) else row
            for row in document["data"]]
