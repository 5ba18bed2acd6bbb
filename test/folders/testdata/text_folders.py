"""Makes two folders of text models with random weights: one as sentence-transformers
lays them out with an ONNX export, one as optimum exports a classifier with its
weights in a file beside it. And what the native libraries say of texts.

    python text_folders.py FOLDER
"""
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

TEXT = ["The wherry carries cargo and people up the river.", "A boat on the river, late and wet.", "Far too expensive!",
        "I would not wait for that boat again.", "The wind fills the sail; the tide does the rest.", "Rowing is hard work."] * 20
ASKED = ["A wherry on the river.", "late, wet & far too expensive!", "naïve café — 1,000 boats?", "x" * 300 + " " + "boat " * 300, ""]


class Graph:
    """An ONNX graph, written as an exporter would."""

    def __init__(self, seed):
        self.nodes, self.weights, self.r, self.n = [], [], np.random.default_rng(seed), 0

    def weight(self, *shape, scale=None, value=None):
        self.n += 1
        name = "onnx::weight_%d" % self.n
        if value is None:
            value = self.r.normal(0, scale or 1 / np.sqrt(shape[0]), shape).astype(np.float32)
        self.weights.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def add(self, op, *inputs, outputs=1, **attributes):
        self.n += 1
        names = ["/%s_%d_output_%d" % (op, self.n, i) for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0]

    def ints(self, *values):
        return self.weight(value=np.array(values, np.int64))

    def linear(self, x, a, b):
        return self.add("Add", self.add("MatMul", x, self.weight(a, b)), self.weight(b, scale=0.02))

    def norm(self, x, d):
        return self.add("LayerNormalization", x, self.weight(value=np.ones(d, np.float32)), self.weight(d, scale=0.02), axis=-1, epsilon=1e-12)

    def encoder(self, vocab, d, heads, layers, types):
        """Token ids to vectors, as BERT does it."""
        x = self.add("Gather", self.weight(vocab, d, scale=0.5), "input_ids")
        length = self.add("Gather", self.add("Shape", "input_ids"), self.ints(1))
        positions = self.add("Slice", self.weight(512, d, scale=0.5), self.ints(0), length, self.ints(0))
        x = self.add("Add", x, positions)
        if types:
            x = self.add("Add", x, self.add("Gather", self.weight(2, d, scale=0.5), "token_type_ids"))
        x = self.norm(x, d)
        mask = self.add("Cast", self.add("Unsqueeze", "attention_mask", self.ints(1, 2)), to=TensorProto.FLOAT)
        mask = self.add("Mul", self.add("Sub", self.weight(value=np.float32(1)), mask), self.weight(value=np.float32(-1e4)))
        for _ in range(layers):
            x = self.norm(self.add("Add", x, self.attention(x, mask, d, heads)), d)
            y = self.linear(x, d, 4 * d)
            y = self.add("Mul", self.add("Mul", y, self.weight(value=np.float32(0.5))), self.add(
                "Add", self.add("Erf", self.add("Div", y, self.weight(value=np.float32(np.sqrt(2))))), self.weight(value=np.float32(1))))
            x = self.norm(self.add("Add", x, self.linear(y, 4 * d, d)), d)
        return x

    def attention(self, x, mask, d, heads):
        shape = self.ints(0, -1, heads, d // heads)
        q, k, v = (self.add("Transpose", self.add("Reshape", self.linear(x, d, d), shape), perm=perm)
                   for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        scores = self.add("Div", self.add("MatMul", q, k), self.weight(value=np.float32(np.sqrt(d // heads))))
        out = self.add("MatMul", self.add("Softmax", self.add("Add", scores, mask), axis=-1), v)
        return self.linear(self.add("Reshape", self.add("Transpose", out, perm=[0, 2, 1, 3]), self.ints(0, -1, d)), d, d)

    def model(self, inputs, name, shape):
        self.nodes[-1].output[0] = name
        g = helper.make_graph(self.nodes, "main_graph", [
            helper.make_tensor_value_info(n, TensorProto.INT64, ["batch_size", "sequence_length"]) for n in inputs],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)], self.weights)
        m = helper.make_model(g, opset_imports=[helper.make_opsetid("", 17)], producer_name="pytorch", producer_version="2.8.0")
        m.ir_version = 8
        onnx.checker.check_model(m)
        return m


def write(folder, **files):
    os.makedirs(folder, exist_ok=True)
    for name, value in files.items():
        with open(os.path.join(folder, name.replace("__", "/") + ".json"), "w") as f:
            json.dump(value, f, indent=2)


def sentence(folder):
    """A sentence-transformers model, as it lies on a hub."""
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=300, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    t.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)])
    t.enable_truncation(128)
    t.enable_padding(length=128)
    os.makedirs(os.path.join(folder, "onnx"))
    os.makedirs(os.path.join(folder, "1_Pooling"))
    t.save(os.path.join(folder, "tokenizer.json"))
    write(folder, config={"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 64, "max_position_embeddings": 512, "vocab_size": t.get_vocab_size()},
          tokenizer_config={"model_max_length": 512, "tokenizer_class": "BertTokenizer"}, sentence_bert_config={"max_seq_length": 256, "do_lower_case": False},
          modules=[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                   {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                   {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}])
    write(os.path.join(folder, "1_Pooling"), config={"word_embedding_dimension": 64, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True})
    g = Graph(1)
    g.encoder(t.get_vocab_size(), 64, 4, 2, True)
    path = os.path.join(folder, "onnx", "model.onnx")
    onnx.save(g.model(["input_ids", "attention_mask", "token_type_ids"], "last_hidden_state", ["batch_size", "sequence_length", 64]), path)

    t.no_padding()
    t.enable_truncation(256)
    session = onnxruntime.InferenceSession(path)
    answers = []
    for text in ASKED:
        e = t.encode(text)
        v = session.run(None, {"input_ids": [e.ids], "attention_mask": [e.attention_mask], "token_type_ids": [e.type_ids]})[0][0].mean(axis=0)
        answers.append({"inputs": {"text": text}, "outputs": {"embedding": (v / np.linalg.norm(v)).tolist()}})
    return answers


def classifier(folder):
    """A RoBERTa-like classifier, as optimum exports it, with its weights apart."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=400, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                                    special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"]))
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    os.makedirs(folder)
    t.save(os.path.join(folder, "tokenizer.json"))
    labels = ["negative", "neutral", "positive"]
    write(folder, config={"architectures": ["RobertaForSequenceClassification"], "model_type": "roberta", "id2label": {str(i): l for i, l in enumerate(labels)},
                          "label2id": {l: i for i, l in enumerate(labels)}, "max_position_embeddings": 514, "problem_type": "single_label_classification"},
          tokenizer_config={"model_max_length": 512, "tokenizer_class": "RobertaTokenizer"}, special_tokens_map={"bos_token": "<s>", "eos_token": "</s>"})
    g = Graph(2)
    x = g.encoder(t.get_vocab_size(), 64, 4, 2, False)
    first = g.add("Gather", x, g.weight(value=np.array(0, np.int64)), axis=1)
    g.linear(g.add("Tanh", g.linear(first, 64, 64)), 64, 3)
    path = os.path.join(folder, "model.onnx")
    onnx.save(g.model(["input_ids", "attention_mask"], "logits", ["batch_size", 3]), path, save_as_external_data=True,
              all_tensors_to_one_file=True, location="model.onnx_data", size_threshold=1024)

    t.enable_truncation(512)
    session = onnxruntime.InferenceSession(path)
    answers = []
    for text in ASKED:
        e = t.encode(text)
        z = session.run(None, {"input_ids": [e.ids], "attention_mask": [e.attention_mask]})[0][0].astype(float)
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        answers.append({"inputs": {"text": text}, "outputs": {"label": labels[p.argmax()], "scores": p.tolist()}})
    return answers


def main(folder):
    for name, make in (("sentence", sentence), ("optimum", classifier)):
        answers = make(os.path.join(folder, name))
        document = {"cases": [{"name": "text %d" % i, **a} for i, a in enumerate(answers)], "rtol": 1e-4, "atol": 1e-5,
                    "made": {"by": "tokenizers, onnxruntime %s, native" % onnxruntime.__version__}}
        with open(os.path.join(folder, name + "-native.json"), "w") as f:
            json.dump(document, f)


if __name__ == "__main__":
    main(sys.argv[1])
