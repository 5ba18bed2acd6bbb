"""Embeddings of sentences: vectors of length one, whose product says how alike two are."""
import os
from typing import Annotated

import numpy as np
import onnxruntime
from tokenizers import Tokenizer
from wherry import DType, Name, Shape

here = os.path.dirname(__file__)
tokenizer = Tokenizer.from_file(os.path.join(here, "tokenizer.json"))
tokenizer.enable_truncation(256)
tokenizer.enable_padding()
session = onnxruntime.InferenceSession(os.path.join(here, "sentences.onnx"))

Embeddings = Annotated[np.ndarray, DType("float32"), Shape(-1, 384), Name("embeddings")]


def predict(sentences: list[str]) -> Embeddings:
    encoded = tokenizer.encode_batch(sentences)
    ids = np.array([e.ids for e in encoded], np.int64)
    mask = np.array([e.attention_mask for e in encoded], np.int64)
    (embeddings,) = session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})
    return embeddings
