"""What is done to a text before it is cut: normalizers."""
import unicodedata

from . import patterns, tables


def make(document):
    """A function of text to text."""
    if not document:
        return lambda text: text
    kind = document["type"]
    if kind not in _MAKERS:
        raise ValueError("this tokenizer has a normalizer of the kind %r, which is not known here" % kind)
    return _MAKERS[kind](document)


def _sequence(document):
    steps = [make(d) for d in document["normalizers"]]

    def run(text):
        for step in steps:
            text = step(text)
        return text

    return run


def _form(name):
    return lambda document: lambda text: unicodedata.normalize(name, text)


def lower(text):
    """Character by character: sigma is no other one at the end of a word."""
    return text.lower() if text.isascii() else "".join([c.lower() for c in text])


def strip_accents(text):
    """Without the marks that stand on other characters."""
    return text if text.isascii() else "".join([c for c in text if not tables.combining(c)])


def _bert(document):
    clean, chinese = document.get("clean_text", True), document.get("handle_chinese_chars", True)
    lowercase = document.get("lowercase", True)
    accents = document.get("strip_accents")
    accents = lowercase if accents is None else accents

    def run(text):
        if clean:
            text = "".join([" " if tables.white(c) else c for c in text if not tables.dropped(c)])
        if chinese and not text.isascii():
            text = "".join([" %s " % c if tables.chinese(c) else c for c in text])
        if accents and not text.isascii():
            text = "".join([c for c in unicodedata.normalize("NFD", text) if not tables.mark(c)])
        return lower(text) if lowercase else text

    return run


def _strip(document):
    left, right = document.get("strip_left", True), document.get("strip_right", True)

    def run(text):
        start, end = 0, len(text)
        while left and start < end and tables.space(text[start]):
            start += 1
        while right and end > start and tables.space(text[end - 1]):
            end -= 1
        return text[start:end]

    return run


def _replace(document):
    pattern, content = document["pattern"], document["content"]
    if "String" in pattern:
        return lambda text: text.replace(pattern["String"], content) if pattern["String"] else text
    found = patterns.compile(pattern["Regex"])
    return lambda text: found.sub(lambda m: content, text)


def _prepend(document):
    return lambda text: document["prepend"] + text if text else text


def _nmt(document):
    def run(text):
        return "".join([" " if tables.nmt_space(c) else c for c in text if not tables.nmt_dropped(c)])

    return run


def _byte_level(document):
    from . import split

    return split.byte_letters


def _precompiled(document):
    """The character map that SentencePiece carries: a trie over bytes."""
    import base64
    import struct

    data = base64.b64decode(document["precompiled_charsmap"])
    size = struct.unpack_from("<I", data)[0]
    if size % 4 or 4 + size > len(data):
        raise ValueError("the tokenizer's character map is cut off")
    units = struct.unpack_from("<%dI" % (size // 4), data, 4)
    texts = data[4 + size:]
    clusters = patterns.compile(r"\X")
    known = {}

    def offset(unit):
        return (unit >> 10) << ((unit & 512) >> 6)

    def look(part):
        """What a part begins with in the map, replaced; None for nothing."""
        node = offset(units[0])
        for byte in part.encode("utf-8", "surrogatepass"):
            if byte == 0:
                return None
            node ^= byte
            unit = units[node]
            if unit & 0x800000FF != byte:
                return None
            node ^= offset(unit)
            if unit >> 8 & 1:
                at = units[node] & 0x7FFFFFFF
                return texts[at:texts.index(0, at)].decode("utf-8")
        return None

    def replaced(part):
        if part not in known:
            if len(known) > 20000:
                known.clear()
            known[part] = look(part)
        return known[part]

    def run(text):
        out = []
        for m in clusters.finditer(text):
            cluster = m.group()
            if len(cluster.encode("utf-8", "surrogatepass")) < 6:
                found = replaced(cluster)
                if found is not None:
                    out.append(found)
                    continue
            for c in cluster:
                found = replaced(c)
                out.append(c if found is None else found)
        return "".join(out)

    return run


_MAKERS = {
    "Sequence": _sequence, "NFC": _form("NFC"), "NFD": _form("NFD"), "NFKC": _form("NFKC"), "NFKD": _form("NFKD"),
    "Lowercase": lambda d: lower, "StripAccents": lambda d: strip_accents, "BertNormalizer": _bert, "Strip": _strip,
    "Replace": _replace, "Prepend": _prepend, "Nmt": _nmt, "Precompiled": _precompiled, "ByteLevel": _byte_level,
}
