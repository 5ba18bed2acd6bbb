"""Regular expressions as tokenizers write them."""


def compile(text):
    """A compiled pattern: with \\p{L} and the like by the package regex."""
    try:
        import regex
    except ImportError:
        import re

        try:
            return re.compile(text)
        except re.error as e:
            raise ValueError("the tokenizer's pattern %r needs the package regex: %s" % (text, e)) from None
    return regex.compile(text, regex.V0)


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
WORDS = r"\w+|[^\w\s]+"
