"""What a pickled model is: class, features, classes, steps, versions."""
import io
import re
import sys

loaded = None  # the model of the last report
_PACKAGES = {"sklearn": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml", "cv2": "opencv-python", "skimage": "scikit-image"}
_MAGIC = {b"\x1f\x8b": "gzip", b"BZ": "bz2", b"\xfd7": "xz", b"\x5d\x00": "lzma", b"\x78\x01": "zlib",
          b"\x78\x5e": "zlib", b"\x78\x9c": "zlib", b"\x78\xda": "zlib"}


def report(path, source):
    """The report on a model file, without rows."""
    global loaded
    with open(path, "rb") as f:
        data = f.read()
    plain = _plain(data)
    out = {"format": "joblib" if plain is not data or b"joblib.numpy_pickle" in data else "pickle",
           "versions": recorded(plain), "base": ours(), "modules": modules(plain)}
    if source is not None and b"__main__" in plain:
        out["definitions"] = source.define(sys.modules["__main__"])
    try:
        loaded = load(path, out["format"])
    except BaseException as e:  # whatever a pickle may raise
        out["problem"] = problem(e)
        return out
    if "scikit-learn" not in out["versions"]:
        version = getattr(loaded, "_sklearn_version", None)
        if isinstance(version, str):
            out["versions"]["scikit-learn"] = version
    out.update(describe(loaded))
    return out


def load(path, how):
    """The object of a file."""
    if how == "joblib":
        import joblib

        return joblib.load(path)
    import pickle

    with open(path, "rb") as f:
        return pickle.load(f)


def _plain(data):
    """The bytes of a pickle that joblib has compressed, else the same."""
    kind = _MAGIC.get(data[:2])
    if kind is None:
        return data
    import bz2
    import gzip
    import lzma
    import zlib

    opener = {"gzip": lambda: gzip.GzipFile(fileobj=io.BytesIO(data)), "bz2": lambda: bz2.BZ2File(io.BytesIO(data)),
              "xz": lambda: lzma.LZMAFile(io.BytesIO(data)), "lzma": lambda: lzma.LZMAFile(io.BytesIO(data)),
              "zlib": lambda: io.BytesIO(zlib.decompressobj().decompress(data, 1 << 28))}[kind]
    try:
        with opener() as f:
            return f.read(1 << 28)
    except (OSError, EOFError, lzma.LZMAError, zlib.error):
        return data


def recorded(data):
    """Package versions that the bytes of a pickle tell."""
    found = {}
    m = re.search(rb"_sklearn_version.{1,12}?(\d+\.\d+[\w.]*)", data, re.S)
    if m:
        found["scikit-learn"] = m.group(1).decode()
    m = re.search(rb"\"version\":\[(\d+),(\d+),(\d+)\]", data)
    if m and b"xgboost" in data:
        found["xgboost"] = ".".join(p.decode() for p in m.groups())
    if b"numpy._core" in data:
        found["numpy"] = "2"
    elif b"numpy.core" in data:
        found["numpy"] = "1"
    return found


def modules(data):
    """The packages whose classes a pickle names, as their installers call them."""
    found = set()
    for m in re.finditer(rb"\x8c.([A-Za-z_]\w*(?:\.\w+)*)\x94\x8c", data, re.S):
        found.add(m.group(1).decode().partition(".")[0])
    for m in re.finditer(rb"c([A-Za-z_]\w*(?:\.\w+)*)\n\w+\n", data):
        found.add(m.group(1).decode().partition(".")[0])
    known = set(sys.stdlib_module_names) | {"builtins", "copy_reg", "__builtin__"}
    return sorted(_PACKAGES.get(n, n) for n in found - known if _importable(n))


def _importable(name):
    from importlib import util

    try:
        return name in ("xgboost", "lightgbm", "catboost", "torch", "tensorflow", "keras") or util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def ours():
    """Versions of the packages that are here."""
    from importlib import metadata

    found = {}
    for package, module in (("scikit-learn", "sklearn"), ("numpy", "numpy"), ("pandas", "pandas"), ("scipy", "scipy"), ("joblib", "joblib")):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            try:
                found[package] = str(__import__(module).__version__)
            except Exception:
                pass
    found["python"] = "%d.%d" % sys.version_info[:2]
    return found


def problem(e):
    """An exception out of reading a pickle."""
    out = {"type": type(e).__name__, "text": str(e)[:2000]}
    if isinstance(e, ModuleNotFoundError) and e.name:
        out["kind"], out["module"] = "module", e.name
        if e.name.partition(".")[0] in ("sklearn", "numpy", "pandas", "scipy"):
            out["kind"] = "version"
    elif isinstance(e, AttributeError) and ("__main__" in str(e)):
        out["kind"] = "main"
        m = re.search(r"(?:attribute|get attribute) '(\w+)'", str(e))
        out["module"] = m.group(1) if m else ""
    elif isinstance(e, MemoryError):
        out["kind"] = "memory"
    elif type(e).__name__ == "UnpicklingError" or isinstance(e, EOFError):
        out["kind"] = "format"
    else:
        out["kind"] = "version"
    return out


def describe(model):
    """What a loaded object is."""
    out = {"class": _class(model)}
    if isinstance(model, dict):
        return out | _bundle({k: v for k, v in model.items() if isinstance(k, str)}, "key")
    if isinstance(model, (list, tuple)):
        return out | _bundle(dict(enumerate(model)), "index")
    return out | estimator(model)


def _class(value):
    return type(value).__module__ + "." + type(value).__qualname__


def _bundle(parts, how):
    """A dictionary or list that holds a model, and perhaps more."""
    found = {k: v for k, v in parts.items() if callable(getattr(v, "predict", None))}
    if not found:
        return {"kind": "other"}
    names = list(found)
    chosen = next((n for n in names if str(n) in ("model", "clf", "classifier", "regressor", "estimator", "pipeline", "pipe")), names[0])
    out = estimator(found[chosen])
    out["class"] = _class(found[chosen])
    out["part"] = {"how": how, "key": chosen, "others": [[k, _class(v)] for k, v in parts.items() if k != chosen][:50]}
    for key, value in parts.items():
        if key != chosen and not out.get("features") and isinstance(value, (list, tuple)) and value \
                and all(isinstance(v, str) for v in value) and len(value) == out.get("n_features"):
            out["features"] = list(value)
    return out


def part(model):
    """The model itself of what was loaded, and the key it has there."""
    if isinstance(model, (dict, list, tuple)):
        shown = describe(model)
        if "part" in shown:
            return model[shown["part"]["key"]]
    return model


def estimator(model):
    """A scikit-learn estimator, or what behaves like one."""
    out = {"kind": _kind(model), "methods": [m for m in ("predict", "predict_proba", "decision_function", "transform", "score_samples")
                                             if callable(getattr(model, m, None))]}
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        names = _inner(model, "feature_names_in_")
    if names is not None:
        out["features"] = [str(n) for n in names]
    n = getattr(model, "n_features_in_", None)
    if n is None:
        n = _inner(model, "n_features_in_")
    if isinstance(n, int) or hasattr(n, "__index__"):
        out["n_features"] = int(n)
    classes = getattr(model, "classes_", None)
    if classes is not None and not isinstance(classes, list):
        out["classes"] = [plain(c) for c in classes]
    out["outputs"] = _outputs(model)
    steps = getattr(model, "steps", None)
    if isinstance(steps, list):
        out["steps"] = [[str(name), _class(step)] for name, step in steps]
    best = getattr(model, "best_estimator_", None)
    if best is not None and hasattr(best, "steps"):
        out["steps"] = [[str(name), _class(step)] for name, step in best.steps]
    if _text(model):
        out["input"] = "text"
    elif "features" in out:
        out["input"] = "table"
    else:
        out["input"] = "array"
    return out


def _outputs(model):
    """How many values one prediction has."""
    n = getattr(model, "n_outputs_", None) or _inner(model, "n_outputs_") or 1
    if n == 1:
        coef = getattr(chain(model)[-1], "coef_", None)
        if _kind(model) == "regressor" and getattr(coef, "ndim", 1) == 2 and coef.shape[0] > 1:
            n = coef.shape[0]
    return int(n)


def chain(model):
    """The steps of a pipeline, outermost first; else the model alone."""
    for attribute in ("best_estimator_", "regressor_"):
        inner = getattr(model, attribute, None)
        if inner is not None:
            return chain(inner)
    steps = getattr(model, "steps", None)
    if isinstance(steps, list) and steps:
        return [part for _, s in steps for part in (chain(s) if s is not None and not isinstance(s, str) else [])]
    return [model]


def _inner(model, attribute):
    first = chain(model)
    for step in ([model] + first[:1]):
        value = getattr(step, attribute, None)
        if value is not None:
            return value
    return None


def _text(model):
    """Whether the model takes strings."""
    first = chain(model)[0] if chain(model) else model
    return type(first).__name__ in ("TfidfVectorizer", "CountVectorizer", "HashingVectorizer")


def _kind(model):
    kind = getattr(model, "_estimator_type", None)
    if kind is None:
        try:
            from sklearn.utils import get_tags

            kind = get_tags(model).estimator_type
        except Exception:
            kind = None
    if kind:
        return str(kind)
    if hasattr(model, "predict"):
        return "classifier" if hasattr(model, "classes_") else "regressor"
    return "transformer" if hasattr(model, "transform") else "other"


def plain(value):
    """A value as JSON has it."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value - value != 0:
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
