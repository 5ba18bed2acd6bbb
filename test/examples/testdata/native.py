"""Asks a model natively, about inputs that it draws: N-in.npz and N-out.npz for each,
and N-alike.npz, what ONNX Runtime says when it does not optimise.

    python native.py EXAMPLE MODEL FOLDER COUNT
"""
import json
import pathlib
import sys

import numpy as np

example, model, out, count = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])
draw = np.random.default_rng(7)


def picture(height, width):
    """Dark strokes on paper, and noise."""
    p = 1 - 0.2 * draw.random((3, height, width))
    for _ in range(draw.integers(1, 12)):
        y, x = draw.integers(0, height - 6), draw.integers(0, width - 12)
        p[:, y : y + draw.integers(2, height), x : x + draw.integers(2, 12)] = -draw.random()
    return p[None].astype(np.float32)


def line(width):
    """A line of text, as it is in a picture."""
    from PIL import Image, ImageDraw, ImageFont

    letters = list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789  .,-")
    paper = Image.new("L", (width, 48), int(draw.integers(200, 256)))
    ImageDraw.Draw(paper).text((6, 4), "".join(draw.choice(letters, width // 16)), int(draw.integers(0, 90)), ImageFont.load_default(32))
    p = np.asarray(paper, np.float32) / 127.5 - 1
    return np.broadcast_to(p, (1, 3, 48, width)).copy()


WORDS = """a light boat carries people and cargo over the wide river, Fluß naïve 3.14 don't
unbelievably antidisestablishmentarianism x86-64 東京 😀 (quickly) e-mail@example WHERRY""".split()


def inputs(n):
    """What request n asks."""
    rows = 1 + n % 5
    if example == "silero":
        loud = 10.0 ** draw.uniform(-4, 0)
        return {"input": (loud * draw.normal(size=(1, 576))).astype(np.float32), "state": state, "sr": np.array(16000 if n % 5 else 8000)}
    if example == "ppocr-find":
        return {"x": picture(32 * draw.integers(1, 4), 32 * draw.integers(1, 6))}
    if example == "ppocr-turn":
        return {"x": picture(48, 192)}
    if example == "ppocr-read":
        return {"x": line(8 * draw.integers(10, 41))}
    if example == "sentences-tokens":
        tokens = int(draw.integers(3, 129))
        mask = np.arange(tokens) < draw.integers(1, tokens + 1, size=(rows, 1))
        return {"input_ids": draw.integers(0, 30522, (rows, tokens)), "attention_mask": mask.astype(np.int64)}
    if example == "sentences":
        return {"sentences": [" ".join(draw.choice(WORDS, draw.integers(1, 20))) for _ in range(rows)]}
    if example == "xgboost":
        from sklearn.datasets import load_breast_cancer
        table = load_breast_cancer().data
        return {"measurements": table[draw.choice(len(table), rows)].astype(np.float32)}
    if example == "lightgbm":
        return {"dots": draw.integers(0, 17, (rows, 64)).astype(np.float32)}
    if example == "subscribers":
        table = {
            "age": np.where(draw.random(rows) < 0.1, np.nan, draw.integers(18, 90, rows).astype(float)),
            "months": draw.uniform(0, 120, rows),
            "calls": draw.integers(0, 9, rows).astype(float),
            "city": draw.choice(["Bergen", "Gdansk", "Porto", "Split", "Oslo"], rows),
            "plan": draw.choice(["basic", "family", "student"], rows),
        }
        return table
    sys.exit("no such example: " + example)


def keep(question):
    """What is asked in JSON."""
    (out / f"{n:03}-in.json").write_text(json.dumps(question))


if example == "subscribers":
    import joblib
    import pandas as pd

    loaded = joblib.load(model)

    def ask(table):
        keep({"subscribers": json.loads(pd.DataFrame(table).to_json(orient="records", double_precision=15))})
        # As many digits as JSON carries.
        table = pd.DataFrame(json.loads((out / f"{n:03}-in.json").read_text())["subscribers"])
        probability = loaded.predict_proba(table.astype({"age": float, "months": float, "calls": float}))[:, 0]
        return {"probability": probability, "leaves": probability > 0.5}
else:
    import onnxruntime

    def start(level):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level, options.graph_optimization_level = 1, 3, level
        return onnxruntime.InferenceSession(model, options)

    levels = onnxruntime.GraphOptimizationLevel
    best, plain = start(levels.ORT_ENABLE_ALL), start(levels.ORT_DISABLE_ALL)
    names = [o.name for o in best.get_outputs()]

    def ask(given, session=best):
        if example == "sentences":
            keep(given)
            encoded = tokenizer.encode_batch(given["sentences"])
            tokens = {"input_ids": [e.ids for e in encoded], "attention_mask": [e.attention_mask for e in encoded]}
            return {"embeddings": session.run(None, {name: np.array(list) for name, list in tokens.items()})[0]}
        said = dict(zip(names, session.run(None, given)))
        for name, value in said.items():
            if isinstance(value, list):  # a dict for each row
                said[name] = np.array([[row[k] for k in sorted(row)] for row in value], np.float32)
        return said


if example == "sentences":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(pathlib.Path(model).with_name("tokenizer.json")))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()

state = np.zeros((2, 1, 128), np.float32)
for n in range(count):
    given = inputs(n)
    if example == "silero" and n % 5 == 0:
        given["input"] = given["input"][:, :288]  # half as much at 8 kHz
    answer = ask(given)
    np.savez(out / f"{n:03}-out.npz", **answer)
    if example == "silero":
        state = answer["stateN"]
    if example != "subscribers":
        np.savez(out / f"{n:03}-alike.npz", **ask(given, plain))
    if example not in ("subscribers", "sentences"):
        np.savez(out / f"{n:03}-in.npz", **given)
