"""predict FILE.py as a program that is kept in a snapshot."""
import json
import os
import sys

from . import command, ending, run, watch
from .program import Program, Unfit, clear_main, hook


class Model(Program):
    """The file imported, its model loaded."""

    fixed = 4  # the same, predict, and the file

    def __init__(self, argv, guess, golden=""):
        super().__init__()
        self.path = argv[1]
        self.golden = golden  # a file of cases with what they should give
        self.may_guess = guess
        self.words, self.line = [], []  # sys.argv and sys.orig_argv
        self.kept = None  # the sys.argv that the program made for itself
        self.cases = []
        self.endless = False  # it may give values for ever

    def load(self, argv):
        """Import the file, and call it with the cases beside it."""
        import ast, linecache, tokenize, traceback  # noqa: F401, E401 - what a traceback is made with

        self.open(argv)
        self.words = words = watch.Arguments([self.path])
        self.line = line = watch.Arguments(["/usr/bin/python", self.path])
        sys.argv, sys.orig_argv = words, line
        self.output.watch()
        self.randomness.watch()
        try:
            self.predictor = self.imported()
            self._warm()
        finally:
            self.randomness.unwatch()
            self.output.unwatch()
        self.looked = words.looked or line.looked
        if sys.argv is not words or words.changed():
            self.kept = sys.argv

    def open(self, argv):
        """What comes before the program's own code."""
        o = command.Options()
        command.environment(o, os.environ)
        run.prepare(o, "/usr/bin/python", argv)
        run.fresh_main()

    def imported(self):
        """The file, imported."""
        from . import predict, work  # noqa: F401

        return predict.Predictor(self.path)

    def worker(self, argv):
        """What answers requests."""
        return self

    def clear(self):
        """As the interpreter does, when the program has anything that would notice."""
        if any(isinstance(c, type) and "__del__" in vars(c) for c in list(vars(sys.modules["__main__"]).values())):
            import gc

            gc.unfreeze()
            self.predictor = None
            clear_main()

    def refused(self):
        """What one run would give away to another."""
        ending.flush()
        if self.output.size > watch.OUTPUT:
            return "the program prints more than 1 MiB while it loads"
        if self.randomness.drawn and not callable(hook()):
            return ("%s draws secret randomness while the program loads, and all runs would share it: draw it in "
                    "predict, or define on_restore() to draw it again" % self.randomness.drawn)
        return ""

    def signature(self):
        """What it takes and gives."""
        return self.predictor.document()

    def arguments(self, argv):
        """sys.argv and sys.orig_argv: the same lists as while it was loaded."""
        list.__setitem__(self.words, slice(None), argv[1:])
        list.__setitem__(self.line, slice(None), ["/usr/bin/python", *argv[1:]])
        sys.argv, sys.orig_argv = self.kept or self.words, self.line

    def _warm(self):
        """Call with the cases of warmup.json; generators do not move by it."""
        self.cases = self._cases()
        ending.flush()
        self.output.on = False  # what a case prints is nobody's
        if not self.cases:
            return self._try()
        back = self.randomness.states()
        for at, case in enumerate(self.cases, 1):
            try:
                self._call(case)
            except BaseException as e:
                raise Unfit("case %d: %s: %s" % (at, type(e).__name__, e)) from e
        ending.flush()
        for call in back:
            call()

    def _try(self):
        """For want of cases, call with plain values: what is imported late is there then.

        Nobody asked for this call, so it must have left nothing behind. When it
        did, the program is loaded once more, without it.
        """
        from . import state

        words = self._guess() if self.may_guess else []
        if not words:
            return
        self.guessed = True
        folder = os.path.dirname(os.path.abspath(self.path))
        before, back = state.State(folder), self.randomness.states()
        try:
            self._call(words[0])
        except Exception as e:
            raise Unfit("it does not take plain values: %s" % e) from None
        if not before.same(state.State(folder)):
            raise Unfit("a call changes what the program keeps")
        ending.flush()
        for call in back:
            call()

    def _cases(self):
        """The cases of warmup.json beside the program, lists of words or objects, and the golden cases."""
        cases = _read(os.path.join(os.path.dirname(os.path.abspath(self.path)), "warmup.json")) or []
        if not isinstance(cases, list) or not all(isinstance(c, (list, dict)) for c in cases):
            raise Unfit("warmup.json: a list of cases is wanted, each a list of words or an object")
        golden = _read(self.golden) if self.golden else None
        try:
            cases = cases + [c["inputs"] for c in (golden or {"cases": []})["cases"]]
        except (KeyError, TypeError):
            raise Unfit("%s: no golden cases" % self.golden) from None
        return cases[:100]

    def _guess(self):
        """Plain values of the right types, for want of cases."""
        found = self.predictor.form.example()
        return [] if found is None else [found]

    def _call(self, case):
        """One case."""
        from . import predict

        form = self.predictor.form
        if isinstance(case, dict):
            positional, named = form.arguments(form.parse(case), {})
        else:
            positional, named = self.predictor.bind([str(w) for w in case])
        result = self.predictor.called(positional, named)
        if not form.hinted and predict.is_generator(result):
            form.streams = True
        if form.streams:
            return self._several(result)
        form.observe(result)
        return result

    def _several(self, result):
        """The first values of what gives one after the other."""
        from . import predict

        found = []
        values = predict.values(result)
        try:
            for value in values:
                self.predictor.form.observe(value)
                found.append(value)
                if len(found) == _VALUES:
                    self.endless = True
                    break
        finally:
            values.close()
        return found

    def go(self, argv):
        """One run."""
        from . import predict

        return ending.guard(lambda: predict.one(self.predictor, argv[2:]))

    def _serve(self, case):
        """One case, as the requests of a worker."""
        import _host
        from . import work

        request = case if isinstance(case, dict) else [str(w) for w in case]
        frames = [work.frame(work.REQUEST, json.dumps(request).encode())]
        try:
            frames.append(work.message(self.predictor, case))
        except Exception:
            pass  # words are no tensors
        for frame in frames:
            _host.call(work.HEAD + work.NEXT)
            work.serve(self, _Host(frame))

    def rehearse(self, argv):
        """Every case twice, and what the program did not expect."""
        from . import convert

        self.predictor.most = _VALUES
        for case in (self.cases or self._guess()) * 2:
            ending.guard(lambda c=case: convert.line(self._call(c)))
            ending.guard(lambda c=case: self._serve(c))
        ending.guard(lambda: self._serve({"nonsense": 1}))
        ending.guard(_broken())

    def runs(self):
        """Every case, help, and words that nobody can take."""
        cases = [_words(case) for case in (self.cases or self._guess())[:_SHOWN] if not self.endless]
        strange = [[_nan(word) for word in words] for words in cases[:1]]
        words = [*cases, *strange, ["--help"], ["nonsense"] * 40, ["--nothing", "1"]]
        return [(w, "", False) for w in words] + [(w, "", False, ["REHEARSAL=1"], "/") for w in cases[:1]]


def _read(path):
    """What a file of JSON says; None when there is no file."""
    try:
        with open(path) as f:
            return json.load(f)
    except FileNotFoundError:
        return None
    except ValueError as e:
        raise Unfit("%s is no JSON: %s" % (os.path.basename(path), e)) from None


_SHOWN = 20  # cases that are run at build time
_VALUES = 100  # that are taken of a case which gives one after the other


class _Host:
    """A host that has one request, and takes as many parts of its answer as a case has."""

    def __init__(self, request):
        self.request, self.calls = request, 0

    def __call__(self, message):
        self.calls += 1
        if self.calls == 1:
            return self.request
        return b"" if self.calls <= _VALUES else b"\1"


def _broken():
    """A function of a module that fails, for a traceback that shows lines of its file."""
    from importlib import util

    path = "/tmp/rehearsal_broken.py"
    with open(path, "w") as f:
        f.write("def broken(table={}):\n    return {'a': table['missing'], 'b': str(7).upper()}\n")
    spec = util.spec_from_file_location("rehearsal_broken", path)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.broken


def _words(case):
    """A case as on the command line."""
    if isinstance(case, list):
        return [str(word) for word in case]
    words = []
    for name, value in case.items():
        words += ["--" + name, value if isinstance(value, str) else json.dumps(value)]
    return words


def _nan(word):
    """No number in the place of a number."""
    try:
        float(word)
    except ValueError:
        return word
    return "nan"
