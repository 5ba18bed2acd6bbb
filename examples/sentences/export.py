"""Writes a transformer of Hugging Face (BERT's architecture, model.safetensors and
config.json) as model.onnx, with mean pooling and unit length at its end, as
sentence-transformers has them. It needs numpy and nothing else: an ONNX file is a
protocol buffer of nodes and weights.

    python export.py FOLDER model.onnx
"""
import json
import pathlib
import struct
import sys

import numpy as np

FLOAT, INT64 = 1, 7  # of ONNX's element types


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def field(number, value):
    """One field of a protocol buffer: an integer, a float, or bytes and text with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    value = value.encode() if isinstance(value, str) else value
    return b"".join((varint(number << 3 | 2), varint(len(value)), value))


class Graph:
    """A graph under construction. What adds a node returns the name of its output."""

    def __init__(self, weights):
        self.parts, self.weights, self.kept, self.count = [], weights, set(), 0

    def node(self, kind, *inputs, name=None, **attributes):
        self.count += 1
        name = name or f"v{self.count}"
        parts = [field(1, i) for i in inputs] + [field(2, name), field(4, kind)]
        for key, value in attributes.items():
            said = field(1, key)
            if isinstance(value, float):
                said += field(2, value) + field(20, 1)
            elif isinstance(value, int):
                said += field(3, value) + field(20, 2)
            else:
                said += b"".join(field(8, v) for v in value) + field(20, 7)
            parts.append(field(5, said))
        self.parts.append(field(1, b"".join(parts)))
        return name

    def keep(self, name, array):
        """A constant of that name."""
        if name not in self.kept:
            self.kept.add(name)
            kind = {"f": FLOAT, "i": INT64}[array.dtype.kind]
            data = array.astype("<f4" if kind == FLOAT else "<i8").tobytes()
            self.parts.append(field(5, b"".join([field(1, n) for n in array.shape] + [field(2, kind), field(8, name), field(9, data)])))
        return name

    def weight(self, name):
        return self.keep(name, self.weights[name])

    def numbers(self, *list):
        return self.keep("_".join(map(str, list)), np.array(list))

    def linear(self, x, name):
        """Its weights lie as in torch: one row for each output."""
        w = self.keep(name + ".weight", self.weights[name + ".weight"].T)
        return self.node("Add", self.node("MatMul", x, w), self.weight(name + ".bias"))

    def normal(self, x, name, epsilon):
        return self.node("LayerNormalization", x, self.weight(name + ".weight"), self.weight(name + ".bias"), epsilon=epsilon)

    def gelu(self, x):
        half = self.keep("half", np.float32([0.5]))
        erf = self.node("Erf", self.node("Mul", x, self.keep("root", np.float32([0.5**0.5]))))
        return self.node("Mul", self.node("Mul", x, half), self.node("Add", erf, self.keep("one", np.float32([1]))))

    def value(self, number, name, kind, *dims):
        shape = b"".join(field(1, field(1, d) if isinstance(d, int) else field(2, d)) for d in dims)
        self.parts.append(field(number, field(1, name) + field(2, field(1, field(1, kind) + field(2, shape)))))

    def model(self, opset):
        graph = b"".join(self.parts) + field(2, "sentences")
        return b"".join((field(1, 8), field(2, "export.py"), field(7, graph), field(8, field(1, "") + field(2, opset))))


def layer(g, x, mask, name, c):
    """Attention and two layers of neurons."""
    heads, each, epsilon = c["num_attention_heads"], c["hidden_size"] // c["num_attention_heads"], c["layer_norm_eps"]

    def part(which, *order):
        y = g.linear(x, f"{name}.attention.self.{which}")
        return g.node("Transpose", g.node("Reshape", y, g.numbers(0, 0, heads, each)), perm=order)

    scores = g.node("MatMul", part("query", 0, 2, 1, 3), part("key", 0, 2, 3, 1))
    scores = g.node("Mul", scores, g.keep("scale", np.float32([each**-0.5])))
    share = g.node("Softmax", g.node("Add", scores, mask), axis=-1)
    y = g.node("Transpose", g.node("MatMul", share, part("value", 0, 2, 1, 3)), perm=(0, 2, 1, 3))
    y = g.linear(g.node("Reshape", y, g.numbers(0, 0, heads * each)), name + ".attention.output.dense")
    x = g.normal(g.node("Add", y, x), name + ".attention.output.LayerNorm", epsilon)
    y = g.linear(g.gelu(g.linear(x, name + ".intermediate.dense")), name + ".output.dense")
    return g.normal(g.node("Add", y, x), name + ".output.LayerNorm", epsilon)


def export(weights, c):
    if c["model_type"] != "bert" or c["hidden_act"] != "gelu" or c["position_embedding_type"] != "absolute":
        sys.exit("this model is built in another way than export.py knows")
    g = Graph(weights)
    for name in ("input_ids", "attention_mask"):
        g.value(11, name, INT64, "batch", "tokens")
    # Word, place and kind of each token; all are of the first kind.
    places = g.node("Slice", g.weight("embeddings.position_embeddings.weight"), g.numbers(0), g.node("Shape", "input_ids", start=1), g.numbers(0))
    first = g.keep("kind", weights["embeddings.token_type_embeddings.weight"][0])
    x = g.node("Gather", g.weight("embeddings.word_embeddings.weight"), "input_ids")
    x = g.normal(g.node("Add", g.node("Add", x, first), places), "embeddings.LayerNorm", c["layer_norm_eps"])
    kept = g.node("Cast", "attention_mask", to=FLOAT)
    left_out = g.node("Sub", g.node("Unsqueeze", kept, g.numbers(1, 2)), g.keep("one", np.float32([1])))
    mask = g.node("Mul", left_out, g.keep("far", np.float32([1e9])))
    for n in range(c["num_hidden_layers"]):
        x = layer(g, x, mask, f"encoder.layer.{n}", c)
    # The mean of what is no padding, at length one.
    kept = g.node("Unsqueeze", kept, g.numbers(2))
    total = g.node("ReduceSum", g.node("Mul", x, kept), g.numbers(1), keepdims=0)
    mean = g.node("Div", total, g.node("ReduceSum", kept, g.numbers(1), keepdims=0))
    length = g.node("ReduceL2", mean, axes=(1,), keepdims=1)
    g.node("Div", mean, length, name="embedding")
    g.value(12, "embedding", FLOAT, "batch", c["hidden_size"])
    return g.model(opset=17)


def read(path):
    """The arrays of a file of safetensors."""
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    arrays = {}
    for name, about in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__" or about["dtype"] != "F32":
            continue
        begin, end = (8 + length + at for at in about["data_offsets"])
        arrays[name] = np.frombuffer(data[begin:end], "<f4").reshape(about["shape"])
    return arrays


if __name__ == "__main__":
    folder, out = map(pathlib.Path, sys.argv[1:])
    out.write_bytes(export(read(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())))
