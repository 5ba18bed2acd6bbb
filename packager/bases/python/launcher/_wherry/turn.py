"""A program that is loaded once, kept as a snapshot, and goes on in every run.

prepare() takes a program to where it waits for work. What is in memory then
becomes the snapshot. resume() is the first that a restored program runs: it
makes the program forget what no two runs may share, tells it who it is now, and
has it do its work. rehearse() does the work once at build time, so that it is
known what runs.
"""
import json
import os
import sys

from . import command, run

_state = None


class _Watched(dict):
    """The environment, and which of its variables were looked at."""

    def __init__(self, data, seen):
        super().__init__(data)
        self.seen = seen
        self.listed = False

    def _look(self, key):
        self.seen.setdefault(key, super().get(key))

    def __getitem__(self, key):
        self._look(key)
        return super().__getitem__(key)

    def __contains__(self, key):
        self._look(key)
        return super().__contains__(key)

    def get(self, key, default=None):
        self._look(key)
        return super().get(key, default)

    def __iter__(self):
        self.listed = True
        return super().__iter__()

    def keys(self):
        self.listed = True
        return super().keys()

    def items(self):
        self.listed = True
        return super().items()

    def values(self):
        self.listed = True
        return super().values()

    def __len__(self):
        self.listed = True
        return super().__len__()


class _Arguments(list):
    """sys.argv while a program loads, and whether it was looked at."""

    looked = False

    def __getitem__(self, at):
        if at != 0:
            _Arguments.looked = True
        return super().__getitem__(at)

    def __len__(self):
        _Arguments.looked = True
        return super().__len__()

    def __iter__(self):
        _Arguments.looked = True
        return super().__iter__()


def _read(text):
    """A request: arguments, environment, working directory."""
    r = json.loads(text)
    env = dict(v.split("=", 1) for v in r["env"])
    return r["args"], env, r["dir"], r.get("seed", "")


def _enter(env, folder):
    """The environment and the working directory."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)


def prepare(text):
    """Load the program that the arguments begin with."""
    global _state
    argv, env, folder, _ = _read(text)
    _enter(env, folder)
    argv = argv[2:]  # the interpreter, and the launcher of its "#!" line
    seen = {}
    plain = os.environ._data
    watched = os.environ._data = _Watched(plain, seen)
    try:
        if os.path.basename(argv[0]) == "predict" and len(argv) > 1:
            _state = _Model(argv)
        else:
            _state = _Interpreter(argv)
    finally:
        os.environ._data = plain
    _settle()
    _tell(seen, watched.listed, _state.fixed)


def _settle():
    """Leave nothing behind that only this run needs."""
    import gc

    sys.stdout.flush()
    sys.stderr.flush()
    linecache = sys.modules.get("linecache")
    if linecache is not None:
        linecache.clearcache()
    importlib = sys.modules.get("importlib")
    if importlib is not None:
        importlib.invalidate_caches()
    gc.collect()


def _tell(seen, listed, fixed):
    """Say what was looked at: a run in which it differs does not use the snapshot."""
    import _host

    def text(b):
        return b.decode("utf-8", "surrogateescape") if isinstance(b, bytes) else b

    told = {"wherry": "reads", "args": _Arguments.looked, "allEnv": listed, "fixed": fixed,
            "env": {text(k): None if v is None else text(v) for k, v in seen.items()}}
    _host.call(json.dumps(told, separators=(",", ":")).encode())


def _renew(seed):
    """Forget all randomness, times and names that two runs must not share."""
    import base64

    for name, module in list(sys.modules.items()):
        if module is None:
            continue
        if name == "random":
            module.seed()
        elif name == "numpy.random":
            module.seed()
        elif name == "tempfile":
            module._name_sequence = None
        elif name == "uuid":
            module._last_timestamp = None
            module._node = None
    hook = getattr(sys.modules.get("__main__"), "on_restore", None)
    if callable(hook):
        hook()
    del seed, base64


def resume(text):
    """Go on as one run of the program, to its end."""
    argv, env, folder, seed = _read(text)
    code = 1
    try:
        _enter(env, folder)
        _renew(seed)
        code = _state.go(argv[2:])
    except SystemExit as e:
        code = run.exit_code(e.code)
    except BaseException as e:
        run.report(e)
    _end(code)


def _end(code):
    """End as the interpreter does, without taking it apart."""
    import atexit

    try:
        atexit._run_exitfuncs()
    except BaseException:
        pass
    run._flush()
    os._exit(code)


def rehearse(text):
    """Run what a run runs: the cases of warmup.json, an error, a collection."""
    import gc
    import io

    argv, env, folder, seed = _read(text)
    _enter(env, folder)
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    try:
        _renew(seed)
        _state.rehearse(argv[2:])
        gc.collect()
    finally:
        sys.stdout, sys.stderr = streams


class _Interpreter:
    """python, before it knows what to run."""

    fixed = 2  # the interpreter and the launcher

    def __init__(self, argv):
        # What nearly every program imports.
        import ast, codecs, collections, contextlib, enum, functools, io, itertools  # noqa: F401, E401
        import linecache, operator, re, runpy, shutil, tempfile, tokenize, traceback, types, warnings  # noqa: F401, E401

    def go(self, argv):
        """Run a command line."""
        return command.main(argv)

    def rehearse(self, argv):
        """A few small programs."""
        main = run.fresh_main()
        for source in ("print(1)", "import json, re; print(json.dumps({'a': [1, 2.5, None]}), re.sub('a', 'b', 'banana'))",
                       "def f(n): return n if n < 2 else f(n - 1) + f(n - 2)\nprint(f(10))", "1 / 0"):
            run.guard(lambda s=source: exec(compile(s, "<string>", "exec"), main.__dict__))


class _Model:
    """predict FILE.py, its model loaded."""

    fixed = 4  # the same, predict, and the file

    def __init__(self, argv):
        from . import predict

        self.path = argv[1]
        run.prepare(command.Options(), "/usr/bin/python", argv)
        run.fresh_main()
        sys.argv = _Arguments([self.path])
        self.failure = None
        self.predictor = predict.Predictor(self.path)
        sys.argv = [self.path]
        self.cases = self._cases()
        for case in self.cases:
            self._call(case)
        if not self.cases:
            self._guess()

    def _cases(self):
        """The cases of warmup.json beside the program: lists of words, or objects."""
        try:
            with open(os.path.join(os.path.dirname(os.path.abspath(self.path)), "warmup.json")) as f:
                cases = json.load(f)
        except FileNotFoundError:
            return []
        if not isinstance(cases, list):
            raise SystemExit("warmup.json: a list of cases is wanted, each a list of words or an object")
        return cases[:100]

    def _guess(self):
        """Call once with plain values of the right types, for want of cases."""
        words = []
        for name, p in self.predictor.signature.parameters.items():
            if p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) or p.default is not p.empty:
                continue
            word = {float: "1.0", int: "1", bool: "true", str: "a"}.get(self.predictor.hints.get(name))
            if word is None:
                return
            words.append(word)
        try:
            self._call(words)
        except Exception:
            return
        self.cases = [words]

    def _call(self, case):
        """One case."""
        if isinstance(case, dict):
            return self.predictor.invoke(case)
        return self.predictor.call([str(w) for w in case])

    def go(self, argv):
        """One run."""
        from . import predict

        sys.argv = list(argv[1:])
        return run.guard(lambda: predict.one(self.predictor, argv[2:]))

    def rehearse(self, argv):
        """Every case twice, wrong arguments, and what the arguments say."""
        from . import convert, predict

        for case in self.cases * 2:
            convert.line(self._call(case))
        words = [argv[2:]] + [[str(w) for w in c] for c in self.cases if isinstance(c, list)] + [["nonsense"] * 40]
        for w in words:
            run.guard(lambda w=w: predict.one(self.predictor, w))
