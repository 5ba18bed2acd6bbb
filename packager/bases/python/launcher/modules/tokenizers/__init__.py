"""Tokenizers as Hugging Face's library of this name reads them from a
tokenizer.json, in Python alone: the part of it that models need to be asked.

    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file("tokenizer.json")
    tokenizer.encode("a text").ids

Ids, tokens and masks are those of the library. Offsets, training and decoding
are not here.
"""
import json

from . import added, models, normal, post, split

__version__ = "0.23.3"
__all__ = ["Encoding", "Tokenizer"]


class Encoding:
    """A text, or two, as tokens."""

    __slots__ = ("ids", "tokens", "type_ids", "attention_mask", "special_tokens_mask", "overflowing")

    def __init__(self, ids=(), tokens=(), type_id=0, special=0):
        self.ids, self.tokens = list(ids), list(tokens)
        self.type_ids = [type_id] * len(self.ids)
        self.special_tokens_mask = [special] * len(self.ids)
        self.attention_mask = [1] * len(self.ids)
        self.overflowing = []

    def __len__(self):
        return len(self.ids)

    def __repr__(self):
        return "Encoding(num_tokens=%d, attributes=[ids, type_ids, tokens, attention_mask, special_tokens_mask])" % len(self)

    def extend(self, other):
        """Another encoding behind this one."""
        for name in ("ids", "tokens", "type_ids", "attention_mask", "special_tokens_mask"):
            getattr(self, name).extend(getattr(other, name))

    def truncate(self, length, left=False):
        """The first tokens, or the last."""
        if len(self.ids) > length:
            for name in ("ids", "tokens", "type_ids", "attention_mask", "special_tokens_mask"):
                values = getattr(self, name)
                setattr(self, name, (values[len(values) - length:] if left else values[:length]))

    def pad(self, length, direction="right", pad_id=0, pad_type_id=0, pad_token="[PAD]"):
        """Fill up to a length."""
        n = length - len(self.ids)
        if n <= 0:
            return
        for name, value in (("ids", pad_id), ("tokens", pad_token), ("type_ids", pad_type_id),
                            ("attention_mask", 0), ("special_tokens_mask", 1)):
            values, fill = getattr(self, name), [value] * n
            setattr(self, name, fill + values if direction == "left" else values + fill)


class Tokenizer:
    """What a tokenizer.json says."""

    def __init__(self, document):
        self._document = document
        self._model = models.make(document["model"])
        self._normalize = normal.make(document.get("normalizer"))
        self._split = split.make(document.get("pre_tokenizer"))
        self._finish = post.make(document.get("post_processor"))
        self._added = added.Added(document.get("added_tokens") or [], self._model, self._normalize)
        self._truncation = self._padding = None
        t = document.get("truncation")
        if t:
            self.enable_truncation(t["max_length"], t.get("stride", 0), _snake(t.get("strategy", "LongestFirst")),
                                   t.get("direction", "Right").lower())
        p = document.get("padding")
        if p:
            fixed = p.get("strategy")
            self.enable_padding(p.get("direction", "Right").lower(), p.get("pad_id", 0), p.get("pad_type_id", 0),
                                p.get("pad_token", "[PAD]"), fixed["Fixed"] if isinstance(fixed, dict) else None,
                                p.get("pad_to_multiple_of"))

    @classmethod
    def from_file(cls, path):
        """The tokenizer of a tokenizer.json."""
        with open(path, encoding="utf-8") as f:
            return cls.from_str(f.read())

    @classmethod
    def from_str(cls, text):
        """The tokenizer of the text of a tokenizer.json."""
        return cls(json.loads(text, parse_float=models.number))

    @classmethod
    def from_buffer(cls, data):
        """The tokenizer of the bytes of a tokenizer.json."""
        return cls.from_str(bytes(data).decode())

    def to_str(self, pretty=False):
        """The text of its tokenizer.json."""
        return json.dumps(self._document, ensure_ascii=False, indent=2 if pretty else None)

    @property
    def truncation(self):
        return dict(self._truncation) if self._truncation else None

    @property
    def padding(self):
        return dict(self._padding) if self._padding else None

    def enable_truncation(self, max_length, stride=0, strategy="longest_first", direction="right"):
        """Cut what is longer."""
        self._truncation = {"max_length": max_length, "stride": stride, "strategy": strategy, "direction": direction}

    def no_truncation(self):
        """Cut nothing."""
        self._truncation = None

    def enable_padding(self, direction="right", pad_id=0, pad_type_id=0, pad_token="[PAD]", length=None,
                       pad_to_multiple_of=None):
        """Fill up what is shorter: to a length, or to the longest of a batch."""
        self._padding = {"length": length, "pad_to_multiple_of": pad_to_multiple_of, "pad_id": pad_id,
                         "pad_token": pad_token, "pad_type_id": pad_type_id, "direction": direction}

    def no_padding(self):
        """Fill nothing up."""
        self._padding = None

    def token_to_id(self, token):
        """The number of a token, or None."""
        found = self._added.ids.get(token)
        return self._model.vocab.get(token) if found is None else found

    def id_to_token(self, number):
        """The token of a number, or None."""
        found = self._added.tokens.get(number)
        return self._model.token(number) if found is None else found

    def get_vocab_size(self, with_added_tokens=True):
        """How many tokens there are."""
        if not with_added_tokens:
            return len(self._model.vocab)
        return len(self._model.vocab) + sum(t not in self._model.vocab for t in self._added.ids)

    def get_vocab(self, with_added_tokens=True):
        """Token -> number."""
        return {**self._model.vocab, **(self._added.ids if with_added_tokens else {})}

    def num_special_tokens_to_add(self, is_pair):
        """How many tokens a text gets besides its own."""
        return self._finish.count(is_pair)

    def encode(self, sequence, pair=None, is_pretokenized=False, add_special_tokens=True):
        """A text, or two, as tokens."""
        found = self._encode(sequence, pair, is_pretokenized, add_special_tokens)
        self._pad([found])
        return found

    def encode_batch(self, input, is_pretokenized=False, add_special_tokens=True):
        """Many texts, or pairs of them."""
        found = []
        for one in input:
            two = isinstance(one, (tuple, list)) and (not is_pretokenized or one and not isinstance(one[0], str))
            a, b = one if two else (one, None)
            found.append(self._encode(a, b, is_pretokenized, add_special_tokens))
        self._pad(found)
        return found

    def _encode(self, sequence, pair, pretokenized, special):
        first = self._tokens(sequence, pretokenized, 0)
        second = None if pair is None else self._tokens(pair, pretokenized, 1)
        if self._truncation:
            room = self._truncation["max_length"] - (self._finish.count(pair is not None) if special else 0)
            post.truncate(first, second, max(room, 0), self._truncation)
        return self._finish.process(Encoding, first, second, special)

    def _tokens(self, sequence, pretokenized, type_id):
        """One text as its own tokens."""
        out = Encoding()
        for text in (sequence if pretokenized else [sequence]):
            for piece, number, first in self._added.pieces(text):
                if number is not None:
                    out.extend(Encoding([number], [piece], type_id))
                    continue
                for word in self._split([piece], first):
                    if word:
                        out.extend(Encoding(*self._model.tokens(word), type_id))
        return out

    def _pad(self, encodings):
        p = self._padding
        if not p:
            return
        length = p["length"] or max((len(e) for e in encodings), default=0)
        multiple = p["pad_to_multiple_of"]
        if multiple and length % multiple:
            length += multiple - length % multiple
        for e in encodings:
            e.pad(length, p["direction"], p["pad_id"], p["pad_type_id"], p["pad_token"])


def _snake(name):
    return {"LongestFirst": "longest_first", "OnlyFirst": "only_first", "OnlySecond": "only_second"}.get(name, name)
