"""One answer of an ONNX model by the host's own Python: once.py MODEL INPUTS.npz"""
import json
import sys

import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options)
given = dict(np.load(sys.argv[2]))
print(json.dumps(dict(zip([o.name for o in session.get_outputs()], [v.tolist() for v in session.run(None, given)]))))
