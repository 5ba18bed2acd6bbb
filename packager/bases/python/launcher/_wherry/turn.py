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

from . import ending, run, watch
from .interpreter import Interpreter
from .model import Model
from .program import Unfit, hook

_state = None

# What the host says, word for word, when there is a request, and before the first one.
WORK = "if __import__('_wherry.turn').turn.work(): pass\n"
BEGIN = "if __import__('_wherry.turn').turn.begin(): pass\n"

# Memory that is left free in a snapshot. A program whose memory grows cannot be
# put back in place; pages of zeros cost nothing.
ROOM = 8 << 20

# The archive of the standard library, of which all runs have the same.
LIBRARY = run.PREFIX + "/lib/python%d%d.zip" % sys.version_info[:2]


def _read(text):
    """A request: arguments, environment, working directory, and one wish."""
    r = json.loads(text)
    # Without the interpreter, and the launcher of its "#!" line.
    return r["args"][2:], r["env"], r["dir"], r.get("guess", False) or r.get("again", False)


def _clean_path(text):
    """Take the arguments from the import path, where the module has put them."""
    args = json.loads(text)["args"]
    sys.path[:] = [p for p in sys.path if p not in args]


def _short():
    """Have a request, and what comes before the first one, cost no compiling.

    The module runs what it is told as source text: it parses, compiles and
    keeps it for tracebacks, each time anew.
    """
    import _reactor

    run_any = _reactor._run_turn
    if run_any.__module__ == __name__:
        return

    known = {WORK: work, BEGIN: begin}

    def run_turn(text, name):
        known[text]() if text in known else run_any(text, name)

    _reactor._run_turn = run_turn


def _enter(env, folder):
    """The environment, a list of NAME=value, and the working directory."""
    os.environ.clear()
    os.environ.update(dict(v.split("=", 1) for v in env))
    os.chdir(folder)


def prepare(text):
    """Load the program that the arguments begin with."""
    global _state
    argv, env, folder, guess = _read(text)
    names, over = json.loads(text).get("packages"), _state
    _short()
    _clean_path(text)
    _enter(env, folder)
    plain = os.environ._data
    watched = watch.Environment(plain)
    if over is not None:
        watched.know(over.seen, over.listed)
    _share(watched)
    refused, anew = "", False
    try:
        if over is not None:
            _state = over.application(argv)
        elif names is not None:
            _state = _packages(names)
        elif os.path.basename(argv[0]) == "predict" and len(argv) > 1:
            _state = Model(argv, guess, json.loads(text).get("cases", ""))
        elif os.path.basename(argv[0]) == "wherry-web":
            _state = _web(argv)
        else:
            _state = Interpreter()
        _state.load(argv)
        refused = _state.refused()
    except BaseException as e:
        refused, anew = _sentence(e), getattr(e, "anew", False) is True
    finally:
        plain.clear()
        plain.update(dict.items(watched))
        _share(plain)
    if _state.fixed > Interpreter.fixed:  # files are found from where it was
        watched.seen[b"PWD"] = watched.before.get(b"PWD")
    if os.getcwd() != folder:
        _state.folder = os.getcwd()
    _state.changes = [(os.fsdecode(k), v and os.fsdecode(v)) for k, v in watched.changes().items()]
    _state.place = env, folder
    _state.seen, _state.listed = watched.looks(), watched.listed
    _settle()
    _state.files = watch.open_files()
    _tell(watched, refused, anew)


def _web(argv):
    """An application that answers HTTP."""
    from .web import Web

    return Web(argv)


def _packages(names):
    """What applications import, without them."""
    from .packages import Packages

    return Packages(names)


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


def _settle():
    """Leave nothing behind that only this run needs."""
    import gc

    ending.flush()
    linecache = sys.modules.get("linecache")
    if linecache is not None:
        linecache.clearcache()
    _forget_folders()
    gc.collect()
    gc.freeze()  # or every collection of every run would look at all of it, and write to each page
    bytearray(ROOM)


def _forget_folders():
    """Have every folder that is imported from looked at again: a run may have other files there.

    What is listed of the library's archive, 7,000 files, stays. A run in which it is another one does not go on
    from here, and to list it takes longer than all else that a program does to begin.
    """
    importlib, archives = sys.modules.get("importlib"), sys.modules.get("zipimport")
    if importlib is None:
        return
    listed = {} if archives is None else {place: files for place, files in archives._zip_directory_cache.items() if place == LIBRARY}
    importlib.invalidate_caches()
    if listed:
        archives._zip_directory_cache.update(listed)


def _tell(watched, refused, anew):
    """Say what was looked at: a run in which it differs does not use the snapshot."""
    import _host

    env = {os.fsdecode(k): None if v is None else os.fsdecode(v) for k, v in watched.looks().items()}
    told = {"wherry": "reads", "args": _state.looked, "allEnv": watched.listed, "fixed": _state.fixed,
            "env": env, "refused": refused[:1000], "guessed": _state.guessed, "terminal": _state.output.asked,
            "printed": _state.output.printed, "renews": callable(hook()),
            "signature": _signature(), "anew": anew, "packages": _state.imported_names(),
            "runs": [] if refused else [dict(zip(("args", "stdin", "rare", "env", "dir"), r)) for r in _state.runs()]}
    _host.call(json.dumps(told, separators=(",", ":")).encode())


def _signature():
    """What the program's requests and answers are; None when it has none, or was not loaded."""
    try:
        return _state.signature()
    except Exception:
        return None


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
    again = hook()
    if callable(again):
        again()
    return argv


def resume(text):
    """Go on as one run of the program, to its end."""
    codes = []

    def work():
        codes.append(_state.go(_continue(text)))

    code = ending.guard(work)
    _end(codes[0] if codes else code)


def _end(code):
    """End as the interpreter does, without taking all of it apart."""
    import atexit

    try:
        atexit._run_exitfuncs()
    except BaseException:
        pass
    ending.flush()
    _state.clear()
    if watch.open_files() > _state.files:
        watch.flush_files()
    ending.flush()
    os._exit(code)


def begin():
    """Become a program that work() calls; what the snapshot does not hold of it is loaded."""
    import _host
    from . import work

    global _state
    try:
        text = work.fetch(_host.call)
        if _state is None:
            _short()
            argv, env, folder, _ = _read(text)
            _clean_path(text)
            _enter(env, folder)
            _state = Interpreter()
        else:
            argv = _continue(text)
        _state = _state.worker(argv)
    except BaseException as e:
        work.refuse(e, _host.call)
    ending.flush()


def work():
    """Answer one request."""
    import _host

    _state.serve(_host.call)


def rehearse(text):
    """Do what a run does that is asked more than once. Nobody sees what it prints."""
    _state.rehearse(_continue(text))
    _settle()
