"""What is put around the tokens of a text, and how they are cut to a length."""


def make(document):
    """The post-processor of a tokenizer.json."""
    if not document:
        return Plain()
    kind = document["type"]
    if kind == "Sequence":
        return Several([make(d) for d in document["processors"]])
    if kind == "ByteLevel":
        return Plain()  # it is about offsets
    if kind == "TemplateProcessing":
        specials = {name: (s["ids"], s["tokens"]) for name, s in document["special_tokens"].items()}
        return Template(document["single"], document["pair"], specials)
    if kind == "BertProcessing":
        return _classic(document, [("cls", 0), ("A", 0), ("sep", 0)], [("B", 1), ("sep", 1)])
    if kind == "RobertaProcessing":
        return _classic(document, [("cls", 0), ("A", 0), ("sep", 0)], [("sep", 0), ("B", 0), ("sep", 0)])
    raise ValueError("this tokenizer has a post-processor of the kind %r, which is not known here" % kind)


def _classic(document, single, more):
    specials = {name: ([document[name][1]], [document[name][0]]) for name in ("cls", "sep")}

    def pieces(listed):
        return [{"Sequence": {"id": n, "type_id": t}} if n in "AB" else {"SpecialToken": {"id": n, "type_id": t}}
                for n, t in listed]

    return Template(pieces(single), pieces(single + more), specials)


class Plain:
    """Nothing is put around."""

    def count(self, pair):
        return 0

    def process(self, encoding, first, second, special):
        if second is not None:
            second.type_ids = [1] * len(second)
            first.extend(second)
        return first


class Template:
    """Special tokens before, between and behind."""

    def __init__(self, single, pair, specials):
        self.single, self.pair, self.specials = single, pair, specials

    def count(self, pair):
        return sum(len(self.specials[p["SpecialToken"]["id"]][0])
                   for p in (self.pair if pair else self.single) if "SpecialToken" in p)

    def process(self, encoding, first, second, special):
        out = encoding()
        for p in self.single if second is None else self.pair:
            if "Sequence" in p:
                part = first if p["Sequence"]["id"] == "A" else second
                part.type_ids = [p["Sequence"]["type_id"]] * len(part)
                out.extend(part)
            elif special:
                ids, tokens = self.specials[p["SpecialToken"]["id"]]
                out.extend(encoding(ids, tokens, p["SpecialToken"]["type_id"], 1))
        return out


class Several:
    """One after the other; only one of them puts anything around."""

    def __init__(self, parts):
        self.parts = [p for p in parts if not isinstance(p, Plain)]
        if len(self.parts) > 1:
            raise ValueError("this tokenizer puts special tokens around a text more than once")
        self.one = self.parts[0] if self.parts else Plain()
        self.count, self.process = self.one.count, self.one.process


def truncate(first, second, room, options):
    """Cut one text, or two, to so many tokens together."""
    left = options["direction"] == "left"
    n, m = len(first), len(second) if second is not None else 0
    if n + m <= room:
        return
    if room == 0:
        first.truncate(0)
        if second is not None:
            second.truncate(0)
        return
    if options["strategy"] == "longest_first":
        if second is None:
            first.truncate(room, left)
            return
        low, high = sorted((n, m))
        high = low if low > room else max(low, room - low)
        if low + high > room:
            low = room // 2
            high = low + room % 2
        first.truncate(high if n > m else low, left)
        second.truncate(low if n > m else high, left)
        return
    target = first if options["strategy"] == "only_first" else second
    if target is None:
        raise ValueError("the second of two texts is to be cut, and there is one")
    if len(target) <= n + m - room:
        raise ValueError("the text to be cut is too short to make room for the other")
    target.truncate(len(target) - (n + m - room), left)
