"""How a text is cut into words: pre-tokenizers. Each is a function of a list of
texts to a list of texts; first says that the list's first text begins the whole."""
from . import patterns, tables


def make(document):
    """The function for a pre-tokenizer."""
    if not document:
        return lambda texts, first=True: texts
    kind = document["type"]
    if kind not in _MAKERS:
        raise ValueError("this tokenizer has a pre-tokenizer of the kind %r, which is not known here" % kind)
    return _MAKERS[kind](document)


def _each(cut):
    def run(texts, first=True):
        out = []
        for at, text in enumerate(texts):
            out += cut(text, first and at == 0)
        return out

    return run


def _sequence(document):
    steps = [make(d) for d in document["pretokenizers"]]

    def run(texts, first=True):
        for step in steps:
            texts = [t for t in step(texts, first) if t]
        return texts

    return run


def behave(spans, text, behavior):
    """The words of a text whose spans (start, end) are what it is cut at."""
    parts, at = [], 0  # (text, is it a delimiter)
    for start, end in spans:
        if start > at:
            parts.append((text[at:start], False))
        if end > start:
            parts.append((text[start:end], True))
        at = end
    if at < len(text):
        parts.append((text[at:], False))
    if behavior == "Removed":
        return [p for p, cut in parts if not cut]
    if behavior == "Isolated":
        return [p for p, _ in parts]
    out = []
    if behavior == "Contiguous":
        last = None
        for p, cut in parts:
            if out and cut == last:
                out[-1] += p
            else:
                out.append(p)
            last = cut
        return out
    if behavior == "MergedWithPrevious":
        last = True
        for p, cut in parts:
            if cut and not last:
                out[-1] += p
            else:
                out.append(p)
            last = cut
        return out
    if behavior == "MergedWithNext":
        last = True
        for p, cut in reversed(parts):
            if cut and not last:
                out[-1] = p + out[-1]
            else:
                out.append(p)
            last = cut
        return out[::-1]
    raise ValueError("this tokenizer cuts in the way %r, which is not known here" % behavior)


def _runs(text, test):
    """Every character that a test is true of, as a span."""
    return [(i, i + 1) for i, c in enumerate(text) if test(c)]


def _bert(document):
    def cut(text, first):
        out = []
        for word in behave(_runs(text, tables.space), text, "Removed"):
            out += behave(_runs(word, tables.punctuation), word, "Isolated")
        return out

    return _each(cut)


def _punctuation(document):
    behavior = document.get("behavior", "Isolated")
    return _each(lambda text, first: behave(_runs(text, tables.punctuation), text, behavior))


def _whitespace(document):
    pattern = patterns.compile(patterns.WORDS)
    return _each(lambda text, first: pattern.findall(text))


def _whitespace_split(document):
    return _each(lambda text, first: behave(_runs(text, tables.space), text, "Removed"))


def _digits(document):
    behavior = "Isolated" if document.get("individual_digits") else "Contiguous"
    return _each(lambda text, first: behave(_runs(text, tables.digit), text, behavior))


def _delimiter(document):
    return _each(lambda text, first: behave(_runs(text, document["delimiter"].__eq__), text, "Removed"))


def _split(document):
    pattern, behavior = document["pattern"], document["behavior"]
    invert = document.get("invert", False)
    if "String" in pattern:
        import re

        found = re.compile(re.escape(pattern["String"]))
    else:
        found = patterns.compile(pattern["Regex"])

    def cut(text, first):
        spans = [m.span() for m in found.finditer(text)] if not (pattern.get("String") == "") else []
        if invert:
            spans = _between(spans, len(text))
        return behave(spans, text, behavior)

    return _each(cut)


def _between(spans, n):
    out, at = [], 0
    for start, end in spans:
        if start > at:
            out.append((at, start))
        at = end
    if at < n:
        out.append((at, n))
    return out


def _letters():
    """A printable character for each byte."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    out, extra = {}, 256
    for b in range(256):
        if b in kept:
            out[b] = chr(b)
        else:
            out[b] = chr(extra)
            extra += 1
    return out


_LETTERS = _letters()


def byte_letters(text):
    """The bytes of a text, each as a character."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1").translate(_LETTERS)


def _byte_level(document):
    prefix, regex = document.get("add_prefix_space", True), document.get("use_regex", True)
    pattern = patterns.compile(patterns.GPT2) if regex else None

    def cut(text, first):
        if prefix and not text.startswith(" "):
            text = " " + text
        words = [m.group() for m in pattern.finditer(text)] if pattern else [text]
        return [byte_letters(w) for w in words]

    return _each(cut)


def _metaspace(document):
    mark = document.get("replacement", "\u2581")
    scheme = document.get("prepend_scheme")
    if scheme is None:
        scheme = "always" if document.get("add_prefix_space", True) else "never"
    whole = not document.get("split", True)

    def cut(text, first):
        text = text.replace(" ", mark)
        if not text.startswith(mark) and (scheme == "always" or scheme == "first" and first):
            text = mark + text
        if whole:
            return [text]
        return behave(_runs(text, mark.__eq__), text, "MergedWithNext")

    return _each(cut)


_MAKERS = {
    "Sequence": _sequence, "BertPreTokenizer": _bert, "Punctuation": _punctuation, "Whitespace": _whitespace,
    "WhitespaceSplit": _whitespace_split, "Digits": _digits, "CharDelimiterSplit": _delimiter, "Split": _split,
    "ByteLevel": _byte_level, "Metaspace": _metaspace,
}
