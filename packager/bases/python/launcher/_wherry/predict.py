"""predict FILE.py [ARGS...]: call the function predict of a file from the shell.

The file is imported once, which is where it loads its model; then its
function is called with the arguments, as often as wanted. Predictor is that
seam, for whoever keeps the loaded state and calls again.
"""
import inspect
import itertools
import os
import sys

from . import convert, ending, run, signature


WHOLE = 1 << 20  # values of an answer that is told as a whole


class Misuse(Exception):
    """Arguments that do not fit the function; the text is for people."""

    def __init__(self, text, argument=""):
        super().__init__(text)
        self.argument = argument  # the parameter, where it is one alone


class Predictor:
    """The predict function of a file, its module loaded."""

    def __init__(self, path):
        self.path = os.path.abspath(path)
        self.module = _import(self.path)
        self.function = getattr(self.module, "predict", None)
        if not callable(self.function):
            raise Misuse("%s defines no function named predict; write\n"
                         "  def predict(x: float) -> float: ..." % path)
        self.signature = inspect.signature(self.function)
        self.hints = convert.hints(self.function, self.signature)
        self.form = signature.Signature(self.function, self.signature)
        self.most = None  # values that are wanted of one answer; None is all

    def call(self, words):
        """Call with words of a command line; returns what predict returns."""
        positional, named = self.bind(words)
        return self.function(*positional, **named)

    def document(self):
        """The signature, as JSON has it."""
        return self.form.document(self.module.__name__)

    def asked(self, given, tables):
        """Call with tensors, and with tables of which there are columns; returns what predict returns."""
        try:
            positional, named = self.form.arguments(given, tables)
        except signature.Unfit as e:
            raise Misuse(e.reason, e.name) from None
        return self.called(positional, named)

    def whole(self, result):
        """What predict returned, or a list of what it gives one after the other."""
        if not self.form.streams and not hasattr(result, "__aiter__"):
            return result
        found = []
        for value in self.values(result):
            if len(found) == WHOLE:
                raise ValueError("predict gives more than %d values: take them as they are made" % WHOLE)
            found.append(value)
        return found

    def values(self, result):
        """The values of an iterator, as far as they are wanted."""
        return itertools.islice(values(result), self.most)

    def called(self, positional, named):
        """Call, and tell arguments that it cannot take from what goes wrong in it."""
        try:
            return awaited(self.function(*positional, **named))
        except TypeError:
            try:
                self.signature.bind(*positional, **named)
            except TypeError as e:
                raise Misuse(str(e)) from None
            raise

    def bind(self, words):
        """Words as the positional and named arguments of the function."""
        plain, named = self._split(words)
        values, rest = {}, list(plain)
        positional, variadic = [], None
        parameters = list(self.signature.parameters.values())
        open_ones = [p for p in parameters if p.name not in named and p.kind in _POSITIONAL]
        for at, p in enumerate(open_ones):
            if not rest:
                break
            last = at == len(open_ones) - 1 and not self._has_variadic()
            if last and len(rest) > 1 and convert.is_list(self.hints.get(p.name)):
                values[p.name], rest = self._list(p.name, rest), []
            else:
                values[p.name] = self._value(p.name, rest.pop(0))
        for p in parameters:
            if p.kind is p.VAR_POSITIONAL:
                variadic, rest = [self._value(p.name, w) for w in rest], []
        if rest:
            raise Misuse("too many arguments: %s" % " ".join(rest))
        for name, word in named.items():
            values[name] = self._value(name, word) if isinstance(word, str) else word
        missing = [p.name for p in parameters if p.default is p.empty
                   and p.name not in values and p.kind in _NAMED]
        if missing:
            raise Misuse("missing " + ", ".join(self._shown(n) for n in missing))
        if variadic:
            for p in parameters:
                if p.kind in _POSITIONAL:
                    positional.append(values.pop(p.name, p.default))
            positional += variadic
        for p in parameters:
            if p.kind is p.POSITIONAL_ONLY and p.name in values:
                positional.append(values.pop(p.name))
        return positional, values

    def _has_variadic(self):
        return any(p.kind is p.VAR_POSITIONAL for p in self.signature.parameters.values())

    def _split(self, words):
        """Plain words, and the named ones: --name VALUE, --name=VALUE, --flag, --no-flag."""
        plain, named, i = [], {}, 0
        while i < len(words):
            word = words[i]
            i += 1
            if word == "--":
                plain += words[i:]
                break
            if not word.startswith("--"):
                plain.append(word)
                continue
            name, equals, value = word[2:].partition("=")
            name = name.replace("-", "_")
            if name.startswith("no_") and self._is_bool(name[3:]) and not equals:
                name, value = name[3:], False
            elif not self._takes(name):
                raise Misuse("there is no parameter " + name)
            elif not equals and self._is_bool(name):
                value = True
                if i < len(words) and words[i].lower() in convert.BOOLEANS:
                    value = words[i]
                    i += 1
            elif not equals:
                if i >= len(words):
                    raise Misuse("--%s needs a value" % name)
                value = words[i]
                i += 1
            if name in named:
                raise Misuse("--%s is given twice" % name)
            named[name] = value
        return plain, named

    def _takes(self, name):
        """Whether the function has a parameter of this name, or takes any."""
        p = self.signature.parameters.get(name)
        if p is not None:
            return p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        return any(p.kind is p.VAR_KEYWORD for p in self.signature.parameters.values())

    def _is_bool(self, name):
        return self.hints.get(name) is bool

    def _value(self, name, word):
        """One word as the value of one parameter."""
        try:
            return convert.word(word, self.hints.get(name))
        except ValueError as e:
            raise Misuse("%s: %s" % (name, e)) from None

    def _list(self, name, words):
        """Several words as the value of a list parameter."""
        try:
            return convert.words(words, self.hints.get(name))
        except ValueError as e:
            raise Misuse("%s: %s" % (name, e)) from None

    def _shown(self, name):
        """A parameter with its type."""
        p = self.signature.parameters[name]
        hint = self.hints.get(name)
        text = name if hint is None else "%s: %s" % (name, convert.shown(hint))
        return text if p.default is p.empty else "%s = %r" % (text, p.default)

    def usage(self):
        """The function as it may be called, for people."""
        words = " ".join(self._word(p) for p in self.signature.parameters.values())
        return "usage: %s %s\n  predict(%s)" % (
            os.path.basename(self.path), words, ", ".join(map(self._shown, self.signature.parameters)))


    @staticmethod
    def _word(p):
        """A parameter in the usage line."""
        name = p.name.upper()
        if p.kind is p.VAR_POSITIONAL:
            return "[%s...]" % name
        if p.kind is p.VAR_KEYWORD:
            return "[--NAME VALUE...]"
        if p.kind is p.KEYWORD_ONLY:
            name = "--%s %s" % (p.name, name)
        return name if p.default is p.empty else "[%s]" % name


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMED = _POSITIONAL + (inspect.Parameter.KEYWORD_ONLY,)


def _import(path):
    """The file as a module of its own name; __main__ stands for it in old pickles."""
    from importlib import util

    if not os.path.isfile(path):
        raise Misuse("there is no file %s" % path)
    folder, base = os.path.split(path)
    if not sys.flags.safe_path:
        sys.path.insert(0, folder)
    name = base[:-3] if base.endswith(".py") else base
    spec = util.spec_from_file_location(name, path)
    if spec is None:
        raise Misuse("%s is no Python file; its name must end in .py" % path)
    module = util.module_from_spec(spec)
    sys.modules[name] = sys.modules["__main__"] = module
    spec.loader.exec_module(module)
    return module


def main(words):
    """The program predict; returns the exit code."""
    if not words or words[0] in ("-h", "--help"):
        print("usage: predict FILE.py [ARGS...]", file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    run.fresh_main()
    sys.argv = list(words)
    return ending.guard(lambda: _predict(words[0], words[1:]))


def _predict(path, words):
    """Load, call once, print one line of JSON."""
    try:
        predictor = Predictor(path)
    except Misuse as e:
        print("predict: %s" % e, file=sys.stderr)
        raise SystemExit(2) from None
    one(predictor, words)


def one(predictor, words):
    """Call a loaded function once, print one line of JSON."""
    try:
        if words and words[0] in ("-h", "--help"):
            print(predictor.usage())
            return
        positional, named = predictor.bind(words)
    except Misuse as e:
        print("predict: %s\n%s" % (e, predictor.usage()), file=sys.stderr)
        raise SystemExit(2) from None
    result = awaited(predictor.function(*positional, **named))
    for value in predictor.values(result) if predictor.form.streams else [predictor.whole(result)]:
        print(convert.line(value), flush=predictor.form.streams)


def awaited(result):
    """What a function returned, or what its coroutine will."""
    if inspect.iscoroutine(result):
        import asyncio

        return asyncio.run(result)
    return result


def values(result):
    """The values of an iterator, one after the other; who closes it closes that."""
    if hasattr(result, "__aiter__"):
        return _awaited_each(result)
    if not hasattr(result, "__iter__") or isinstance(result, (str, bytes, dict)):
        raise TypeError("predict returned %s, and its signature says that it gives one value after the other: "
                        "yield them, or return an iterator" % type(result).__name__)
    return _each(result)


def _each(result):
    yield from result


def _awaited_each(result):
    """The values of an asynchronous iterator, in a loop of its own."""
    import asyncio

    with asyncio.Runner() as runner:
        iterator = aiter(result)
        try:
            while True:
                there, value = runner.run(_next(iterator))
                if not there:
                    return
                yield value
        finally:
            if hasattr(iterator, "aclose"):
                runner.run(_close(iterator))


async def _next(iterator):
    try:
        return True, await anext(iterator)
    except StopAsyncIteration:
        return False, None


async def _close(iterator):
    await iterator.aclose()


def is_generator(result):
    """Whether a result is one value after the other, whatever its function says."""
    import types

    return isinstance(result, (types.GeneratorType, types.AsyncGeneratorType))
