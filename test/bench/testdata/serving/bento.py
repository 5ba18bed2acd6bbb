"""A model of ONNX behind BentoML, as its documents have it. MODEL names the file."""
import os

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=int(os.environ["WORKERS"]))
class Numbers:
    def __init__(self):
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"])
        self.names = [o.name for o in self.session.get_outputs()]

    @bentoml.api
    def predict(self, x: list[list[float]]) -> dict[str, list]:
        outputs = self.session.run(None, {"x": np.array(x, dtype=np.float32)})
        return {name: values.tolist() for name, values in zip(self.names, outputs)}
