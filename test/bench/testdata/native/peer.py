"""Answers for the host's own Python: a line of JSON in, a line of JSON out.

{"load": NAME, "onnx": FILE, "inputs": FILE.npz}    a session of ONNX Runtime, for one thread
{"load": NAME, "python": FOLDER, "table": FILE.json} the folder's predict.py, and a table for it
{"run": NAME, "times": N}                           seconds of this process and of the clock
{"answer": NAME, "to": FILE.npz}                    what it says
"""
import importlib.util
import json
import pathlib
import sys
import time

import numpy as np

calls, answers = {}, {}


def onnx(name, file, inputs):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    given = dict(np.load(inputs))
    names = [o.name for o in session.get_outputs()]
    calls[name] = lambda: session.run(None, given)
    answers[name] = lambda: dict(zip(names, session.run(None, given)))


def python(name, folder, table):
    import pandas as pd

    spec = importlib.util.spec_from_file_location("predict_" + name.replace("-", "_"), pathlib.Path(folder, "predict.py"))
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    spec.loader.exec_module(module)
    text = pathlib.Path(table).read_text()
    calls[name] = answers[name] = lambda: module.predict(pd.DataFrame(json.loads(text)))


for line in sys.stdin:
    asked, said = json.loads(line), {}
    if "onnx" in asked:
        onnx(asked["load"], asked["onnx"], asked["inputs"])
    elif "python" in asked:
        python(asked["load"], asked["python"], asked["table"])
    elif "run" in asked:
        call = calls[asked["run"]]
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(asked["times"]):
            call()
        said = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    else:
        np.savez(asked["to"], **answers[asked["answer"]]())
    print(json.dumps(said), flush=True)
