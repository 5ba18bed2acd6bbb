"""A program that is loaded once, kept as a snapshot, and goes on in every run.

prepare() takes a program to where it waits for work. What is in memory then
becomes the snapshot. resume() is the first that a restored program runs: it
makes the program forget what no two runs may share, tells it who it is now, and
has it do its work. At build time some runs are made so that it is known what
runs: those that runs() of the program names, the first of them after rehearse().
"""
import json
import os
import sys

from . import command, run, watch

_state = None

# Memory that is left free in a snapshot. A program whose memory grows cannot be
# put back in place; pages of zeros cost nothing.
ROOM = 8 << 20


def _read(text):
    """A request: arguments, environment, working directory, and one wish."""
    r = json.loads(text)
    # Without the interpreter, and the launcher of its "#!" line.
    return r["args"][2:], r["env"], r["dir"], r.get("guess", False) or r.get("again", False)


def _clean_path(text):
    """Take the arguments from the import path, where the module has put them."""
    args = json.loads(text)["args"]
    sys.path[:] = [p for p in sys.path if p not in args]


def _enter(env, folder):
    """The environment, a list of NAME=value, and the working directory."""
    os.environ.clear()
    os.environ.update(dict(v.split("=", 1) for v in env))
    os.chdir(folder)


def prepare(text):
    """Load the program that the arguments begin with."""
    global _state
    argv, env, folder, guess = _read(text)
    _clean_path(text)
    _enter(env, folder)
    plain = os.environ._data
    watched = watch.Environment(plain)
    _share(watched)
    refused = ""
    try:
        if os.path.basename(argv[0]) == "predict" and len(argv) > 1:
            _state = _Model(argv, guess)
        else:
            _state = _Interpreter()
        _state.load(argv)
        refused = _state.refused()
    except BaseException as e:
        refused = _sentence(e)
    finally:
        plain.clear()
        plain.update(dict.items(watched))
        _share(plain)
    if _state.fixed > _Interpreter.fixed:  # files are found from where it was
        watched.seen[b"PWD"] = watched.before.get(b"PWD")
    if os.getcwd() != folder:
        _state.folder = os.getcwd()
    _state.changes = [(os.fsdecode(k), v and os.fsdecode(v)) for k, v in watched.changes().items()]
    _state.place = env, folder
    _settle()
    _state.files = watch.open_files()
    _tell(watched, refused)


def _share(data):
    """Give os.environ, and its view in bytes, other data."""
    os.environ._data = data
    if hasattr(os, "environb"):
        os.environb._data = data


def _sentence(e):
    """Why a program could not be loaded."""
    import traceback

    text = str(e) if isinstance(e, Unfit) else "".join(traceback.format_exception_only(e)).strip()
    return text if isinstance(e, Unfit) else "the program ends while it loads: " + text


class Unfit(Exception):
    """A program of which there can be no snapshot; the text is for people."""


def _settle():
    """Leave nothing behind that only this run needs."""
    import gc

    run._flush()
    linecache = sys.modules.get("linecache")
    if linecache is not None:
        linecache.clearcache()
    importlib = sys.modules.get("importlib")
    if importlib is not None:
        importlib.invalidate_caches()
    gc.collect()
    bytearray(ROOM)


def _tell(watched, refused):
    """Say what was looked at: a run in which it differs does not use the snapshot."""
    import _host

    env = {os.fsdecode(k): None if v is None else os.fsdecode(v) for k, v in watched.looks().items()}
    told = {"wherry": "reads", "args": _state.looked, "allEnv": watched.listed, "fixed": _state.fixed,
            "env": env, "refused": refused[:1000], "guessed": _state.guessed, "terminal": _state.output.asked,
            "printed": _state.output.printed, "renews": callable(_hook()),
            "runs": [] if refused else [dict(zip(("args", "stdin", "rare", "env", "dir"), r)) for r in _state.runs()]}
    _host.call(json.dumps(told, separators=(",", ":")).encode())


def _continue(text):
    """Become one run of the program: its environment, arguments, randomness; returns its arguments."""
    argv, env, folder, again = _read(text)
    if (env, folder) != _state.place:
        _enter(env, folder)
        _state.move()
    _state.arguments(argv)
    _state.randomness.renew()
    watch.renew_modules()
    if not sys.__stdout__.line_buffering and sys.__stdout__.isatty():
        sys.__stdout__.reconfigure(line_buffering=True)
    if not again:
        _state.output.again()
    hook = _hook()
    if callable(hook):
        hook()
    return argv


def _hook():
    """What the program wants called first in every run."""
    return getattr(sys.modules.get("__main__"), "on_restore", None)


def resume(text):
    """Go on as one run of the program, to its end."""
    codes = []

    def work():
        codes.append(_state.go(_continue(text)))

    code = run.guard(work)
    _end(codes[0] if codes else code)


def _end(code):
    """End as the interpreter does, without taking all of it apart."""
    import atexit

    try:
        atexit._run_exitfuncs()
    except BaseException:
        pass
    run._flush()
    _state.clear()
    if watch.open_files() > _state.files:
        watch.flush_files()
    run._flush()
    os._exit(code)


def begin():
    """Become a program that work() calls; what the snapshot does not hold of it is loaded."""
    import _host
    from . import work

    global _state
    try:
        text = work.fetch(_host.call)
        if _state is None:
            argv, env, folder, _ = _read(text)
            _clean_path(text)
            _enter(env, folder)
            _state = _Interpreter()
        else:
            argv = _continue(text)
        _state = _state.worker(argv)
    except BaseException as e:
        work.refuse(e, _host.call)
    run._flush()


def work():
    """Answer one request."""
    import _host
    from . import work

    work.serve(_state, _host.call)


def rehearse(text):
    """Do what a run does that is asked more than once. Nobody sees what it prints."""
    _state.rehearse(_continue(text))
    _settle()


class _Program:
    """What is kept of a program in its snapshot."""

    fixed = 2  # arguments it is bound to: the interpreter and the launcher
    looked = False  # whether it looked at the others
    guessed = False  # whether it was called with values that nobody gave

    def __init__(self):
        self.place = None  # the environment and the folder where it was loaded
        self.folder = None  # where it went
        self.changes = []  # what it did to its environment
        self.files = 0
        self.output = watch.Output()
        self.randomness = watch.Randomness()

    def move(self):
        """Do again what it did to its environment and its folder."""
        for name, value in self.changes:
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if self.folder is not None:
            os.chdir(self.folder)

    def refused(self):
        """Why there can be no snapshot, or nothing."""
        return ""

    def arguments(self, argv):
        """Take the arguments of a run."""

    def clear(self):
        """Let go of what a program leaves in __main__."""

    def rehearse(self, argv):
        """The work of one run, again and again."""

    def runs(self):
        """Runs that show what runs of it run: arguments beyond those it is bound to, stdin, whether it is rare.

        What more its environment has and where it begins may follow.
        """
        return []


class _Interpreter(_Program):
    """python, before it knows what to run."""

    def load(self, argv):
        """Import what nearly every program imports."""
        import ast, codecs, collections, contextlib, enum, functools, io, itertools  # noqa: F401, E401
        import linecache, operator, re, runpy, shutil, tempfile, tokenize, traceback, types, warnings  # noqa: F401, E401

    def go(self, argv):
        """Run a command line."""
        return command.main(argv)

    def clear(self):
        """As the interpreter does: names with one underscore first."""
        import gc

        names = sys.modules["__main__"].__dict__
        for private in (True, False):
            for name in list(names):
                if name != "__builtins__" and (name[:1] == "_" and name[1:2] != "_") == private:
                    names[name] = None
        gc.collect()

    def worker(self, argv):
        """What answers requests."""
        if os.path.basename(argv[0]) != "predict" or len(argv) < 2:
            raise Unfit("only predict FILE.py answers requests, and this is %s" % " ".join(argv[:2]))
        model = _Model(argv, False)
        model.open(argv)
        model.arguments(argv)
        model.predictor = model.imported()
        return model

    def runs(self):
        """What nearly every program does, in each of the ways to run one."""
        from . import rehearsal

        return rehearsal.runs()


class _Model(_Program):
    """predict FILE.py, its model loaded."""

    fixed = 4  # the same, predict, and the file

    def __init__(self, argv, guess):
        super().__init__()
        self.path = argv[1]
        self.may_guess = guess
        self.words, self.line = [], []  # sys.argv and sys.orig_argv
        self.kept = None  # the sys.argv that the program made for itself
        self.cases = []

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
            self.predictor = None
            _Interpreter.clear(self)

    def refused(self):
        """What one run would give away to another."""
        run._flush()
        if self.output.size > watch.OUTPUT:
            return "the program prints more than 1 MiB while it loads"
        if self.randomness.drawn and not callable(_hook()):
            return ("%s draws secret randomness while the program loads, and all runs would share it: draw it in "
                    "predict, or define on_restore() to draw it again" % self.randomness.drawn)
        return ""

    def arguments(self, argv):
        """sys.argv and sys.orig_argv: the same lists as while it was loaded."""
        list.__setitem__(self.words, slice(None), argv[1:])
        list.__setitem__(self.line, slice(None), ["/usr/bin/python", *argv[1:]])
        sys.argv, sys.orig_argv = self.kept or self.words, self.line

    def _warm(self):
        """Call with the cases of warmup.json; generators do not move by it."""
        self.cases = self._cases()
        run._flush()
        self.output.on = False  # what a case prints is nobody's
        if not self.cases:
            return self._try()
        back = self.randomness.states()
        for at, case in enumerate(self.cases, 1):
            try:
                self._call(case)
            except BaseException as e:
                raise Unfit("warmup.json, case %d: %s: %s" % (at, type(e).__name__, e)) from e
        run._flush()
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
        run._flush()
        for call in back:
            call()

    def _cases(self):
        """The cases of warmup.json beside the program: lists of words, or objects."""
        try:
            with open(os.path.join(os.path.dirname(os.path.abspath(self.path)), "warmup.json")) as f:
                cases = json.load(f)
        except FileNotFoundError:
            return []
        except ValueError as e:
            raise Unfit("warmup.json is no JSON: %s" % e) from None
        if not isinstance(cases, list) or not all(isinstance(c, (list, dict)) for c in cases):
            raise Unfit("warmup.json: a list of cases is wanted, each a list of words or an object")
        return cases[:100]

    def _guess(self):
        """Plain values of the right types, for want of cases."""
        words = []
        for name, p in self.predictor.signature.parameters.items():
            if p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) or p.default is not p.empty:
                continue
            word = {float: "1.0", int: "1", bool: "true", str: "a"}.get(self.predictor.hints.get(name))
            if word is None:
                return []
            words.append(word)
        return [words]

    def _call(self, case):
        """One case."""
        from . import predict

        if isinstance(case, dict):
            return predict.awaited(self.predictor.invoke(case))
        return predict.awaited(self.predictor.call([str(w) for w in case]))

    def go(self, argv):
        """One run."""
        from . import predict

        return run.guard(lambda: predict.one(self.predictor, argv[2:]))

    def _serve(self, case):
        """One case, as the request of a worker."""
        import _host
        from . import work

        request = case if isinstance(case, dict) else [str(w) for w in case]
        _host.call(work.HEAD + work.NEXT)
        work.serve(self, lambda _: work.frame(work.REQUEST, json.dumps(request).encode()))

    def rehearse(self, argv):
        """Every case twice, and what the program did not expect."""
        from . import convert

        for case in (self.cases or self._guess()) * 2:
            run.guard(lambda c=case: convert.line(self._call(c)))
            run.guard(lambda c=case: self._serve(c))
        run.guard(lambda: self._serve({"nonsense": 1}))
        run.guard(_broken())

    def runs(self):
        """Every case, help, and words that nobody can take."""
        cases = [_words(case) for case in (self.cases or self._guess())[:_SHOWN]]
        strange = [[_nan(word) for word in words] for words in cases[:1]]
        words = [*cases, *strange, ["--help"], ["nonsense"] * 40, ["--nothing", "1"]]
        return [(w, "", False) for w in words] + [(w, "", False, ["REHEARSAL=1"], "/") for w in cases[:1]]


_SHOWN = 20  # cases that are run at build time


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
