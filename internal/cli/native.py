"""Asks a model's predict on the machine's own Python: LAUNCHER PREDICT.PY, cases in JSON on stdin.

The values go the same way as in the sandbox: as tensors, there and back.
"""
import base64
import importlib.util
import json
import os
import sys


def package(folder):
    """The base's launcher as the package that it is."""
    spec = importlib.util.spec_from_file_location(
        "_wherry", os.path.join(folder, "_wherry", "__init__.py"), submodule_search_locations=[os.path.join(folder, "_wherry")])
    made = importlib.util.module_from_spec(spec)
    sys.modules["_wherry"] = made
    spec.loader.exec_module(made)
    sys.path.append(os.path.join(folder, "modules"))  # who has the real ones has them


def nested(flat, shape):
    """Elements as lists in lists."""
    for d in reversed(shape[1:]):
        flat = [flat[i:i + d] for i in range(0, len(flat), d)] if d else []
    return flat


def value(t, field):
    """A tensor as golden cases have it."""
    kind = (field.get("parameters") or {}).get("kind")
    if t.type != "BYTES":
        flat = [v if v - v == 0 else "NaN" if v != v else "Infinity" if v > 0 else "-Infinity" for v in t.numbers()]
        return nested(flat, list(t.shape) or [1])
    if kind in ("json", "table"):
        return json.loads(bytes(t.element()))
    if kind in ("file", "image"):
        return {"base64": base64.b64encode(bytes(t.element())).decode()}
    return nested(t.texts(), list(t.shape) or [1])


def outputs(p, case):
    """What a predictor answers to a case; the parts of an answer one after the other, as the host joins them."""
    fields = {f["name"]: f for f in p.document()["outputs"]}
    result = p.asked(p.form.parse(case), {})
    if not p.form.streams:
        return {name: value(t, fields.get(name, {})) for name, t in p.form.answers(result, None, None)}
    found = {name: [] for name in fields}
    for part in p.values(result):
        for name, t in p.form.answers(part, None, None):
            v = value(t, fields.get(name, {}))
            found[name].extend(v if isinstance(v, list) else [v])
    return found


def main(launcher, path):
    out, sys.stdout = sys.stdout, sys.stderr  # what the model prints is no answer
    cases = json.load(sys.stdin)
    package(launcher)
    from _wherry import predict

    sys.argv = [path]
    os.chdir(os.path.dirname(os.path.abspath(path)))
    p = predict.Predictor(path)
    answers = []
    for case in cases:
        try:
            answers.append({"outputs": outputs(p, case)})
        except Exception as e:
            answers.append({"error": "%s: %s" % (type(e).__name__, e)})
    import platform

    versions = ["Python " + platform.python_version()]
    for name in ("numpy", "pandas", "scipy", "sklearn"):
        if name in sys.modules:
            versions.append("%s %s" % ("scikit-learn" if name == "sklearn" else name, sys.modules[name].__version__))
    json.dump({"answers": answers, "by": ", ".join(versions)}, out)
    out.flush()


main(*sys.argv[1:3])
