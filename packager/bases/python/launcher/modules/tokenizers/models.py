"""The models that cut words into tokens: WordPiece, BPE, Unigram, WordLevel."""
import heapq


def number(text):
    """A number as the library reads it: its digits as one integer, divided by a power
    of ten, which is the next number now and then. It decides between equal paths."""
    digits, _, exponent = text.lower().partition("e")
    whole, _, part = digits.lstrip("-").partition(".")
    while part and int(whole + part) >= 1 << 64:
        part = part[:-1]
    scale = int(exponent or "0") - len(part)
    if abs(scale) > 300 or int(whole) >= 1 << 64:
        return float(text)
    value = float(int(whole + part))
    power = float("1e%d" % abs(scale))
    value = value * power if scale >= 0 else value / power
    return -value if text.startswith("-") else value


def make(document):
    """The model of a tokenizer.json."""
    kind = document.get("type")
    if kind is None:  # files of old
        kind = "BPE" if "merges" in document else "Unigram" if isinstance(document.get("vocab"), list) else "WordPiece"
    if kind not in _MODELS:
        raise ValueError("this tokenizer has a model of the kind %r, which is not known here" % kind)
    return _MODELS[kind](document)


class _Model:
    """A vocabulary."""

    def __init__(self, vocab, unk):
        self.vocab, self.unk = vocab, unk
        self.names = {n: t for t, n in vocab.items()}
        self.cache = {}

    def token(self, number):
        """The token of a number, or None."""
        return self.names.get(number)

    def tokens(self, word):
        """The tokens of a word: their numbers, and their texts."""
        found = self.cache.get(word)
        if found is None:
            found = self.named(word)
            if len(self.cache) < 10000:
                self.cache[word] = found
        return found

    def named(self, word):
        ids = self.cut(word)
        return ids, [self.names[i] for i in ids]

    def unknown(self):
        """The number of the token for what is not known."""
        number = self.vocab.get(self.unk)
        if number is None:
            raise ValueError("the vocabulary has no token %r for unknown words" % self.unk)
        return number


class WordLevel(_Model):
    """Whole words."""

    def __init__(self, document):
        super().__init__(document["vocab"], document.get("unk_token"))

    def cut(self, word):
        number = self.vocab.get(word)
        return [self.unknown() if number is None else number]


class WordPiece(_Model):
    """The longest pieces from the left."""

    def __init__(self, document):
        super().__init__(document["vocab"], document.get("unk_token", "[UNK]"))
        self.prefix = document.get("continuing_subword_prefix", "##")
        self.most = document.get("max_input_chars_per_word", 100)
        self.longest = max(map(len, self.vocab), default=0)

    def cut(self, word):
        if len(word) > self.most:
            return [self.unknown()]
        out, start, n = [], 0, len(word)
        while start < n:
            end, prefix = min(n, start + self.longest), self.prefix if start else ""
            while end > start:
                number = self.vocab.get(prefix + word[start:end])
                if number is not None:
                    break
                end -= 1
            else:
                return [self.unknown()]
            out.append(number)
            start = end
        return out


class BPE(_Model):
    """Pairs merged by their rank."""

    def __init__(self, document):
        super().__init__(document["vocab"], document.get("unk_token"))
        if document.get("dropout"):
            raise ValueError("a tokenizer with dropout gives other tokens every time")
        self.prefix = document.get("continuing_subword_prefix") or ""
        self.suffix = document.get("end_of_word_suffix") or ""
        self.fuse, self.bytes = bool(document.get("fuse_unk")), bool(document.get("byte_fallback"))
        self.whole = bool(document.get("ignore_merges"))
        self.merges, vocab, skip = {}, self.vocab, len(self.prefix)
        for rank, pair in enumerate(document["merges"]):
            a, b = pair.split(" ") if isinstance(pair, str) else pair
            self.merges[vocab[a], vocab[b]] = rank, vocab[a + b[skip:]]

    def cut(self, word):
        if self.whole:
            number = self.vocab.get(word)
            if number is not None:
                return [number]
        return self._merged(self._symbols(word))

    def _symbols(self, word):
        """The characters of a word, by number."""
        out, unknown, last = [], False, len(word) - 1
        for at, c in enumerate(word):
            text = (self.prefix + c if at else c) + (self.suffix if at == last else "")
            number = self.vocab.get(text)
            if number is not None:
                if unknown:
                    out.append(self.unknown())
                    unknown = False
                out.append(number)
                continue
            if self.bytes:
                found = [self.vocab.get("<0x%02X>" % b) for b in text.encode("utf-8", "surrogatepass")]
                if None not in found:
                    out += found
                    continue
            if self.unk is not None:
                if unknown and not self.fuse:
                    out.append(self.unknown())
                unknown = True
        if unknown:
            out.append(self.unknown())
        return out

    def _merged(self, symbols):
        """Symbols with all merges done, the lowest rank first, then from the left."""
        n = len(symbols)
        after, before, live = list(range(1, n + 1)), list(range(-1, n - 1)), [True] * n
        queue = []

        def offer(a, b):
            found = self.merges.get((symbols[a], symbols[b]))
            if found is not None:
                heapq.heappush(queue, (found[0], a, found[1]))

        for i in range(n - 1):
            offer(i, i + 1)
        while queue:
            _, a, number = heapq.heappop(queue)
            if not live[a] or after[a] >= n:
                continue
            b = after[a]
            found = self.merges.get((symbols[a], symbols[b]))
            if found is None or found[1] != number:
                continue
            symbols[a], live[b] = number, False
            after[a] = after[b]
            if after[b] < n:
                before[after[b]] = a
            if before[a] >= 0:
                offer(before[a], a)
            if after[a] < n:
                offer(a, after[a])
        return [s for s, alive in zip(symbols, live) if alive]


class Unigram(_Model):
    """The likeliest pieces."""

    def __init__(self, document):
        listed = document["vocab"]
        super().__init__({token: n for n, (token, _) in enumerate(listed)}, None)
        self.unk_id, self.bytes = document.get("unk_id"), bool(document.get("byte_fallback"))
        self.scores = [score for _, score in listed]
        self.penalty = min(self.scores, default=0.0) - 10.0
        self.longest = max((len(token) for token, _ in listed), default=0)
        # The longest token by first character: most words are tried with few lengths.
        self.reach = {}
        for token, _ in listed:
            if token:
                self.reach[token[0]] = max(self.reach.get(token[0], 0), len(token))

    def named(self, word):
        ids, texts = [], []
        for piece in self._best(word):
            number = self.vocab.get(piece)
            if number is None and self.bytes:
                found = [self.vocab.get("<0x%02X>" % b) for b in piece.encode("utf-8", "surrogatepass")]
                if None not in found:
                    ids += found
                    texts += [self.names[i] for i in found]
                    continue
            if number is None:
                number = self.unk_id
            if number is None:
                raise ValueError("the tokenizer has no token for what it does not know: %r" % piece)
            ids.append(number)
            texts.append(piece)  # what is not known stays to be read
        return ids, texts

    def _best(self, word):
        """The pieces of the best path; unknown characters in a row are one piece."""
        n = len(word)
        best = [None] * (n + 1)  # where a piece ends: score, start, number
        best[0] = (0.0, 0, None)
        for start in range(n):
            until, single = best[start][0], False
            for end in range(start + 1, min(n, start + self.reach.get(word[start], 0)) + 1):
                number = self.vocab.get(word[start:end])
                if number is None:
                    continue
                single = single or end == start + 1
                score = self.scores[number] + until
                if best[end] is None or score > best[end][0]:
                    best[end] = (score, start, number)
            if not single:
                score = self.penalty + until
                if best[start + 1] is None or score > best[start + 1][0]:
                    best[start + 1] = (score, start, self.unk_id)
        pieces, end, unknown = [], n, None
        while end > 0:
            _, start, number = best[end]
            if number == self.unk_id and number is not None:
                unknown = word[start:end] + (unknown or "")
            else:
                if unknown is not None:
                    pieces.append(unknown)
                    unknown = None
                pieces.append(word[start:end])
            end = start
        if unknown is not None:
            pieces.append(unknown)
        pieces.reverse()
        return pieces


_MODELS = {"WordLevel": WordLevel, "WordPiece": WordPiece, "BPE": BPE, "Unigram": Unigram}
