"""Asks a predict.py, in the sandbox or in the Python of the host."""
import inspect
import os
import sys


def answer(job):
    """The answers of {"text": PREDICT.PY, "path": where it will be, "inputs": [{...}, ...]}."""
    folder = os.path.dirname(job["path"])
    if folder not in sys.path:
        sys.path.insert(0, folder)
    os.chdir(folder)
    module = type(sys)("predict")
    module.__file__ = job["path"]
    main = sys.modules["__main__"]
    sys.modules["predict"] = sys.modules["__main__"] = module
    found = {}
    session = None
    if job.get("session"):
        import session

        session.install(job["session"])
    try:
        exec(compile(job["text"], job["path"], "exec"), module.__dict__)
        predict = module.predict
        hints = {n: p.annotation for n, p in inspect.signature(predict).parameters.items()}
        found["outputs"] = []
        for row in job["inputs"]:
            try:
                found["outputs"].append(plain(predict(**{n: given(v, hints.get(n)) for n, v in row.items()})))
            except Exception as e:
                if session is None or not isinstance(e, session.Needed):
                    raise
                found["outputs"].append(None)
        if session is not None:
            found["feeds"] = list(session.feeds)
    except BaseException as e:
        import traceback

        found = {"problem": {"type": type(e).__name__, "text": str(e)[:2000], "trace": traceback.format_exc()[-4000:]}}
    finally:
        sys.modules["__main__"] = main
    found["made"] = made()
    return found


def given(value, hint):
    """A value of JSON as the parameter's type."""
    if getattr(hint, "__name__", "") == "ndarray":
        import numpy

        return numpy.asarray(value)
    return value


def plain(value):
    """An answer as JSON has it."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if value - value == 0 else None
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)


def made():
    """The packages that answered."""
    found = ["Python %d.%d" % sys.version_info[:2]]
    for package, module in (("scikit-learn", "sklearn"), ("xgboost", "xgboost"), ("lightgbm", "lightgbm"), ("onnxruntime", "onnxruntime")):
        if module in sys.modules:
            found.append("%s %s" % (package, getattr(sys.modules[module], "__version__", "")))
    return ", ".join(found[1:] or found)

