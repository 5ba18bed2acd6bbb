"""Writes the node cases of this release of ONNX, which are of its newest operators: newer.py FOLDER"""
import os, sys, warnings
warnings.filterwarnings("ignore")
import numpy as np
import onnx, onnx.numpy_helper as helper
from onnx.backend.test.case.node import collect_testcases

out = sys.argv[1]
for case in collect_testcases(None):
    if case.model is None or not case.data_sets:
        continue
    data = os.path.join(out, "node", case.name, "test_data_set_0")
    os.makedirs(data)
    onnx.save(case.model, os.path.join(out, "node", case.name, "model.onnx"))
    inputs, outputs = case.data_sets[0]
    try:
        for what, values, infos in (("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)):
            for i, (value, info) in enumerate(zip(values, infos)):
                kind = info.type.WhichOneof("value")
                if isinstance(value, onnx.TensorProto):
                    p = value
                elif kind == "sequence_type":
                    p = helper.from_list(value, info.name)
                elif kind == "optional_type":
                    p = helper.from_optional(value, info.name)
                else:
                    p = helper.from_array(np.asarray(value), info.name)
                with open(os.path.join(data, f"{what}_{i}.pb"), "wb") as f:
                    f.write(p.SerializeToString())
    except Exception as e:
        print(case.name, repr(e)[:100], file=sys.stderr)
