"""What to do next, printed below the traceback of a few well-known failures."""
import sys

ONNX = {
    "torch": "torch.onnx.export(model, (example,), 'model.onnx')",
    "tensorflow": "python -m tf2onnx.convert --saved-model DIR --output model.onnx",
    "keras": "model.export('model.onnx', format='onnx')",
    "xgboost": "onnxmltools.convert_xgboost(model, initial_types=...)",
    "lightgbm": "onnxmltools.convert_lightgbm(model, initial_types=...)",
    "catboost": "model.save_model('model.onnx', format='onnx')",
}


def after(e):
    """Print the advice for an exception that ended the program, if there is any."""
    text = _advice(e)
    if text:
        print("wherry: " + text, file=sys.stderr)


def _advice(e):
    if isinstance(e, ModuleNotFoundError) and e.name:
        return _module(e.name, _unpickling(e))
    if isinstance(e, AttributeError) and (
            "Can't get attribute" in str(e) or "'__main__' has no" in str(e)) and _unpickling(e):
        return ("the model was saved with a class that is not there now. Define it in a module "
                "file of its own, import it where you train and where you predict, COPY it into "
                "the image, and save the model again.")
    if isinstance(e, AssertionError) and not e.args and _unpickling(e):
        return _versions("a package it uses")
    if isinstance(e, (ValueError, TypeError)) and _unpickling(e):
        if "Buffer dtype mismatch" in str(e):
            return ("the model holds 64-bit index arrays and this Python has 32 bits: "
                    "train it in the image, RUN python train.py")
        return _versions("a package it uses")
    if isinstance(e, MemoryError):
        return "the memory limit was reached; raise it with  wherry run --memory 2g"
    if isinstance(e, OSError) and "does not support processes" in str(e):
        return "a guest cannot start programs: call the library in Python instead"
    return None


def _module(name, unpickling):
    """A module that is not there."""
    root = name.partition(".")[0]
    if root in ONNX:
        return ("%s is native code without a WebAssembly build. Where you train, export the "
                "model:  %s  and serve model.onnx instead." % (root, ONNX[root]))
    if unpickling:
        return ("the model was saved with the module %r, which is not in this image: COPY %s.py, "
                "or add its package to requirements.txt (RUN pip install -r requirements.txt)."
                % (name, root))
    return None


def _versions(what):
    """A model of other package versions."""
    found = []
    for name in ("sklearn", "numpy", "pandas", "scipy"):
        version = getattr(sys.modules.get(name), "__version__", None)
        if version:
            found.append("%s==%s" % ("scikit-learn" if name == "sklearn" else name, version))
    return ("the model seems to be saved by another version of %s. This image has %s: train "
            "with these, or in the image (RUN python train.py)." % (what, " ".join(found)))


def _unpickling(e):
    """Whether the exception came out of reading a pickle."""
    import traceback

    for frame in traceback.extract_tb(e.__traceback__):
        if frame.filename.endswith(("joblib/numpy_pickle.py", "/pickle.py")):
            return True
        line = frame.line or ""
        if "load(" in line or "loads(" in line or "read_pickle(" in line:
            return True
    return False
