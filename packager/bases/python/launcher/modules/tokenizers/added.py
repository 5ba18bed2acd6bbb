"""Tokens that are found in a text before anything else is done with it."""
import re
import unicodedata

from . import tables


class Added:
    """The added tokens of a tokenizer."""

    def __init__(self, listed, model, normalize):
        self.normalize = normalize
        self.ids = {t["content"]: t["id"] for t in listed}
        self.tokens = {t["id"]: t["content"] for t in listed}
        self._raw = _Finder([(t["content"], t) for t in listed if not t.get("normalized", False)])
        self._after = _Finder([(normalize(t["content"]), t) for t in listed if t.get("normalized", False)])

    def pieces(self, text):
        """(text, None, is it the beginning) and (token, its number, ...), in their order."""
        for part, number, at in self._raw.split(text):
            if number is not None:
                yield part, number, False
                continue
            # It begins the whole unless the normalizer takes its beginning away.
            first = at == 0 and (not part or self.normalize(part[0]) != "")
            for inner, found, offset in self._after.split(self.normalize(part)):
                if inner:
                    yield inner, found, first and offset == 0


class _Finder:
    """Finds tokens, the leftmost and of those the longest."""

    def __init__(self, tokens):
        self.tokens = {text: t for text, t in tokens if text}
        longest = sorted(self.tokens, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, longest))) if longest else None

    def split(self, text):
        """(text, None, offset) and (token, number, offset)."""
        if self.pattern is None:
            yield text, None, 0
            return
        done = 0
        for m in self.pattern.finditer(text):
            start, end = m.span()
            t = self.tokens[m.group()]
            if t.get("single_word") and (_word(text[start - 1:start]) or _word(text[end:end + 1])):
                continue
            if t.get("lstrip"):
                while start > 0 and tables.space(text[start - 1]):
                    start -= 1
                start = max(start, done)
            if t.get("rstrip"):
                while end < len(text) and tables.space(text[end]):
                    end += 1
            if start < done:
                continue
            if start > done:
                yield text[done:start], None, done
            yield text[start:end], t["id"], start
            done = end
        if done < len(text) or not text:
            yield text[done:], None, done


def _word(character):
    """Whether it is part of a word: letters, marks, digits, what connects."""
    return bool(character) and (unicodedata.category(character) in _WORD or character in "\u200c\u200d")


_WORD = ("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "Pc")
