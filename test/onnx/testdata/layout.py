"""Writes a model, a request and native ONNX Runtime's answer as the suite has them."""
import os
import numpy as np
import onnx, onnx.numpy_helper as helper
import onnxruntime as ort


def write(root, name, model, feed, external=False, reference=None):
    folder = os.path.join(root, "export", name)
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data)
    path = os.path.join(folder, "model.onnx")
    if external:
        onnx.save(model, path, save_as_external_data=True, location="weights.data", size_threshold=0)
    elif isinstance(model, str):
        for file in os.listdir(os.path.dirname(model)):
            os.rename(os.path.join(os.path.dirname(model), file), os.path.join(folder, file))
    else:
        onnx.save(model, path)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path if reference is None else reference.SerializeToString(), options)
    outputs = [o.name for o in session.get_outputs()]
    for what, tensors in ("input", list(feed.items())), ("output", list(zip(outputs, session.run(None, feed)))):
        for i, (key, value) in enumerate(tensors):
            if isinstance(value, list):  # what a ZipMap makes
                value = np.array([list(row.values()) for row in value], dtype=np.float32)
            with open(os.path.join(data, f"{what}_{i}.pb"), "wb") as f:
                f.write(helper.from_array(np.asarray(value), key).SerializeToString())
