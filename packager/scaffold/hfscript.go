package scaffold

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/model"
)

// script writes predict.py.
func (h *hf) script(folder string) string {
	s := &script{report: &report{}}
	name := comment(filepath.Base(folder))
	s.line(`"""Answers requests with the Hugging Face model of this folder, %s: %s.`, name, h.said())
	s.line("")
	s.line("Written by wherry init. A line that ends in %q holds a guess: look at it.", Mark)
	s.line(`The others need no change."""`)
	s.line("import os")
	s.line("from typing import %sTypedDict\n", map[bool]string{true: "Literal, "}[h.named()])
	s.line("import numpy as np\nimport onnxruntime\nfrom tokenizers import Tokenizer\n")
	s.line("HERE = os.path.dirname(os.path.abspath(__file__))")
	if h.task != taskEmbed {
		labels := make([]any, len(h.labels))
		for i, l := range h.labels {
			labels[i] = l
		}
		s.list("LABELS", labels)
	}
	s.line("\n# Loaded once, when the model starts; predict is called as often as needed.")
	s.line("tokenizer = Tokenizer.from_file(os.path.join(HERE, \"tokenizer.json\"))")
	s.line("tokenizer.no_padding()")
	if h.length > 0 {
		s.line("tokenizer.enable_truncation(%d)", h.length)
	}
	s.line("session = onnxruntime.InferenceSession(os.path.join(HERE, %s), providers=[\"CPUExecutionProvider\"])", quoted(h.model))
	pair := h.task == taskClassify
	output := "logits"
	if h.task == taskEmbed {
		output = h.vectors()
	}
	s.line("\n\ndef run(tokens):")
	s.line(`    """What the model says of tokens."""`)
	s.line("    return session.run([%s], {", quoted(output))
	for _, f := range h.inputs {
		s.line("        %s: np.array([%s], dtype=np.%s),", quoted(f.Name), tokenFields[f.Name], strings.ToLower(string(f.Type)))
	}
	s.line("    })[0][0]")
	s.line("\n\nclass Answer(TypedDict):")
	s.line(`    """What predict gives."""`)
	switch h.task {
	case taskClassify:
		h.classify(s, pair)
	case taskTokens:
		s.line("    tokens: list[str]\n    labels: list[str]")
		s.line("\n\ndef predict(text: str) -> Answer:")
		s.line("    tokens = tokenizer.encode(text)")
		s.line("    best = run(tokens).argmax(axis=-1)")
		s.line("    kept = [i for i, special in enumerate(tokens.special_tokens_mask) if not special]")
		s.line("    return {\"tokens\": [tokens.tokens[i] for i in kept], \"labels\": [LABELS[best[i]] for i in kept]}")
	default:
		h.embed(s, output)
	}
	return s.b.String()
}

// named tells whether texts are sorted into classes whose names are known, each its own.
func (h *hf) named() bool {
	names := map[string]bool{}
	for _, l := range h.labels {
		names[l] = true
	}
	return h.task == taskClassify && len(names) > 1 && len(names) == len(h.labels)
}

func (h *hf) classify(s *script, pair bool) {
	if len(h.labels) == 1 {
		s.line("    score: float")
	} else {
		kind := "str"
		if h.named() { // so that the signature has the names of the scores
			kind = "Literal[tuple(LABELS)]"
		}
		s.line("    label: %s\n    scores: list[float]", kind)
	}
	s.line("\n\ndef predict(text: str, pair: str | None = None) -> Answer:")
	s.line("    logits = run(tokenizer.encode(text) if pair is None else tokenizer.encode(text, pair)).astype(np.float64)")
	switch {
	case len(h.labels) == 1:
		s.line("    return {\"score\": float(logits[0])}")
		return
	case h.config.Problem == "multi_label_classification":
		s.line("    scores = 1 / (1 + np.exp(-logits))")
	default:
		s.line("    scores = np.exp(logits - logits.max())")
		s.line("    scores /= scores.sum()")
	}
	s.line("    return {\"label\": LABELS[scores.argmax()], \"scores\": scores.tolist()}")
}

// vectors is the output that an embedding is made of.
func (h *hf) vectors() string {
	for _, want := range []string{"sentence_embedding", "last_hidden_state", "token_embeddings"} {
		if slices.ContainsFunc(h.outputs, func(f model.Field) bool { return f.Name == want }) {
			return want
		}
	}
	return "last_hidden_state"
}

func (h *hf) embed(s *script, output string) {
	s.line("    embedding: list[float]")
	s.line("\n\ndef predict(text: str) -> Answer:")
	s.line("    tokens = tokenizer.encode(text)")
	guess := ""
	if !h.sure {
		guess = "  " + Mark + ": how the vectors of the tokens become one"
	}
	switch {
	case output == "sentence_embedding":
		s.line("    vector = run(tokens).astype(np.float64)")
	case h.pooling == "cls":
		s.line("    vector = run(tokens)[0].astype(np.float64)%s", guess)
	case h.pooling == "max":
		s.line("    vector = run(tokens).max(axis=0).astype(np.float64)%s", guess)
	default:
		s.line("    vector = run(tokens).astype(np.float64).mean(axis=0)%s", guess)
	}
	if h.normalize {
		s.line("    vector /= max(np.linalg.norm(vector), 1e-12)")
	}
	s.line("    return {\"embedding\": vector.tolist()}")
}
