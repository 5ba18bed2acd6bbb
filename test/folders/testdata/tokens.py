"""Holds the base's tokenizers against the native library of that name.

    python tokens.py compare OURS N [TOKENIZER.json...]     here; OURS: the folder that holds our package
    python tokens.py ask FILE N [TOKENIZER.json...]         write down what the native library says
    python tokens.py answer FILE                            with the package that is installed, elsewhere

Tokenizers of every kind are trained on a text made here, and asked about
thousands of strings: words, sentences, and characters from all over Unicode.
"""
import importlib
import json
import os
import random
import sys
import unicodedata

if sys.argv[1] != "answer":
    import tokenizers
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

WORDS = ("the of and to in a is that boat river wherry ferry carries people goods cargo upstream Thames wind sail row rower "
         "unbelievable antidisestablishmentarianism naïve café Ångström straße ΟΔΥΣΣΕΥΣ Привет мир 東京 日本語 한국어 مرحبا שלום "
         "don't we'll I'm 3.14 42 1,000,000 e-mail http://example.org/a?b=c user@example.org C++ f(x) 10% $5 #tag @name "
         "İstanbul ﬁne ½ ² Ⅷ １２３ ｆｕｌｌ é é ạ̈ 👍 👨‍👩‍👧 🇩🇪 ― “quoted” …").split()


def corpus(r):
    return [" ".join(r.choice(WORDS) for _ in range(r.randint(1, 25))) + r.choice([".", "!", "?", ""]) for _ in range(1500)]


def known(c):
    """Characters that every Unicode version of the last years has, and normalizes alike."""
    return unicodedata.category(c) not in ("Cn", "Cs") and (
        unicodedata.ucd_3_2_0.category(c) != "Cn" or unicodedata.normalize("NFKC", c) == c == c.lower())


def strings(r, n):
    """Strings to ask about."""
    pool = [chr(c) for c in range(0x1F000) if not 0xD800 <= c < 0xE000 and known(chr(c))]
    blocks = [[chr(c) for c in range(a, b) if known(chr(c))] for a, b in (
        (0x20, 0x7F), (0, 0x20), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x400), (0x400, 0x530), (0x5D0, 0x6F0),
        (0x900, 0xE80), (0x1100, 0x1200), (0x1E00, 0x2000), (0x2000, 0x2070), (0x2070, 0x2C00), (0x3000, 0x3100),
        (0x4E00, 0x4F00), (0xAC00, 0xAD00), (0xFB00, 0xFC00), (0xFE00, 0x10000))]
    out = ["", " ", "  a  b  ", "\n\ta\r\nb", "[MASK] [CLS]x[SEP]", "<s>a</s> b <mask>  c", "a" * 250, "\u0000\ufffd\u200b", "Σς ΑΣ"]
    while len(out) < n:
        way = r.random()
        if way < 0.35:
            out.append(r.choice([" ", "  ", "\n", "\t", ""]).join(r.choice(WORDS) for _ in range(r.randint(1, 12))))
        elif way < 0.6:
            word = "".join(r.choice(r.choice(WORDS)) for _ in range(r.randint(1, 30)))
            out.append(word + r.choice(["", " ", "'s", " 's", "\u3000", "--"]) + r.choice(WORDS).upper())
        elif way < 0.85:
            block = r.choice(blocks)
            out.append("".join(r.choice(block) if r.random() < 0.8 else r.choice(" ab.'") for _ in range(r.randint(1, 20))))
        else:
            out.append("".join(r.choice(pool) for _ in range(r.randint(1, 12))))
        if r.random() < 0.05:
            out[-1] += r.choice(["<mask>", "[MASK]", " <extra> ", "Extra", "extra word"])
    return out


def charsmap(text):
    """The character map that SentencePiece puts into its models (nmt_nfkc)."""
    import io

    import sentencepiece

    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(text), model_writer=made, vocab_size=300, minloglevel=2, hard_vocab_limit=False)
    return field(field(made.getvalue(), 3), 2)  # ModelProto.normalizer_spec.precompiled_charsmap


def field(data, wanted):
    """A field of bytes in a message of protobuf."""
    def number(at):
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 128:
                return value, at

    at = 0
    while at < len(data):
        key, at = number(at)
        if key & 7 == 2:
            size, at = number(at)
            if key >> 3 == wanted:
                return data[at:at + size]
            at += size
        elif key & 7 == 0:
            _, at = number(at)
        else:
            at += {1: 8, 5: 4}[key & 7]
    raise ValueError("the message has no field %d" % wanted)


def trained(r):
    """Name -> tokenizer of every kind."""
    text = corpus(r)
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    made = {}

    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(text, trainers.BpeTrainer(vocab_size=900, special_tokens=specials, show_progress=False,
                                                    initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    t.add_tokens([AddedToken("<extra>", rstrip=True), AddedToken("extra", single_word=True, normalized=True)])
    made["bytes"] = t

    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.train_from_iterator(text, trainers.BpeTrainer(vocab_size=700, show_progress=False, special_tokens=specials + [
        "<0x%02X>" % b for b in range(256)]))
    t.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s>:1 $B:1", [("<s>", 0)])
    made["fallback"] = t

    t = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)])
    t.train_from_iterator(text, trainers.BpeTrainer(vocab_size=400, show_progress=False, special_tokens=specials,
                                                    end_of_word_suffix="</w>"))
    made["suffix"] = t

    t = Tokenizer(models.BPE(ignore_merges=True))
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(tokenizers.Regex(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.train_from_iterator(text, trainers.BpeTrainer(vocab_size=800, special_tokens=specials, show_progress=False,
                                                    initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    made["splits"] = t

    nmt = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")])
    mapped = normalizers.Sequence([normalizers.Precompiled(charsmap(text)), normalizers.Strip(left=False), normalizers.Replace(tokenizers.Regex(" {2,}"), "▁")])
    for name, scheme, normalizer in (("unigram", "always", nmt), ("first", "first", nmt), ("mapped", "always", mapped)):
        t = Tokenizer(models.Unigram())
        t.normalizer = normalizer
        t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=scheme == "always")
        t.train_from_iterator(text, trainers.UnigramTrainer(vocab_size=500, special_tokens=specials, unk_token="<unk>", show_progress=False))
        t.post_processor = processors.TemplateProcessing("$A </s>", "$A </s> $B:1 </s>:1", [("</s>", 2)])
        made[name] = t

    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(text, trainers.WordPieceTrainer(vocab_size=800, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    t.enable_truncation(24)
    made["wordpiece"] = t

    t = Tokenizer.from_str(t.to_str())
    t.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=True)
    t.enable_truncation(16, strategy="only_first")
    t.enable_padding(length=20, pad_id=0, pad_token="[PAD]")
    made["cased"] = t

    t = Tokenizer(models.WordLevel({w: i for i, w in enumerate(["[UNK]", *WORDS])}, unk_token="[UNK]"))
    t.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.NFD(), normalizers.StripAccents()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous")])
    made["words"] = t
    return made


def asked(t, text, pair):
    e = t.encode(text, pair) if pair is not None else t.encode(text)
    return [e.ids, e.tokens, e.type_ids, e.attention_mask, e.special_tokens_mask]


def questions(r, n):
    listed = [(s, None) for s in strings(r, n)]
    return listed + [(a, b) for (a, _), (b, _) in zip(listed[:n // 10], reversed(listed)) if a and b]


def answers(tokenizer, listed):
    out = []
    for a, b in listed:
        try:
            out.append(asked(tokenizer, a, b))
        except Exception:  # "only_first", and nothing to cut
            out.append("refused")
    return out


def ask(files, n):
    """What the native library says."""
    r = random.Random(20)
    made = {name: t.to_str() for name, t in trained(r).items()}
    for path in files:
        with open(path, encoding="utf-8") as f:
            made[os.path.basename(path)] = f.read()
    listed = questions(r, n)
    return {"questions": listed, "tokenizers": made,
            "native": {name: answers(Tokenizer.from_str(text), listed) for name, text in made.items()}}


def compare(document, mine):
    """Holds a package against what the native library said."""
    bad = 0
    for name, text in document["tokenizers"].items():
        wrong = 0
        got = answers(mine.Tokenizer.from_str(text), document["questions"])
        for (a, b), have, want in zip(document["questions"], got, document["native"][name]):
            if have != want:
                wrong += 1
                if wrong <= 3:
                    print("%s: %r, %r: got %.300r, want %.300r" % (name, a, b, have[1:2], want[1:2]), file=sys.stderr)
        print("%-24s %6d strings, %d differ" % (name, len(got), wrong))
        bad += wrong
    return 1 if bad else 0


def main(words):
    if words[0] == "ask":
        with open(words[1], "w", encoding="utf-8") as f:
            json.dump(ask(words[3:], int(words[2])), f)
        return 0
    if words[0] == "answer":
        import tokenizers as mine

        with open(words[1], encoding="utf-8") as f:
            return compare(json.load(f), mine)
    ours = words[1]
    document = json.loads(json.dumps(ask(words[3:], int(words[2]))))
    for name in [m for m in sys.modules if m.partition(".")[0] == "tokenizers"]:
        del sys.modules[name]
    sys.path.insert(0, ours)
    mine = importlib.import_module("tokenizers")
    if not mine.__file__.startswith(ours):
        raise SystemExit("the package at %s was not taken, but %s" % (ours, mine.__file__))
    return compare(document, mine)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
