"""Runs a program as __main__: a file, a folder, a module, a string, stdin."""
import os
import sys

from . import ending, flags, hooks

PREFIX = "/usr/local"
SITE = PREFIX + "/lib/python3.15/site-packages"


def prepare(o, program, argv):
    """Set up sys, warnings, streams and the import path before any user code."""
    flags.install(o.flags)
    sys.executable = sys._base_executable = program
    sys.orig_argv = [program, *argv[1:]]
    sys._xoptions.update(o.xoptions)
    _streams(o)
    _warnings(o)
    if o.flags["optimize"]:
        _optimize(o.flags["optimize"])
    env = {} if o.flags["ignore_environment"] else os.environ
    if env.get("PYTHONPYCACHEPREFIX"):
        sys.pycache_prefix = env["PYTHONPYCACHEPREFIX"]
    sys.path[:0] = [p for p in env.get("PYTHONPATH", "").split(":") if p]
    hooks.install()
    if not o.flags["no_site"]:
        _site()


def _streams(o):
    """Buffering and encoding of stdin, stdout and stderr."""
    env = {} if o.flags["ignore_environment"] else os.environ
    encoding, _, errors = env.get("PYTHONIOENCODING", "").partition(":")
    if encoding or errors:
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            own = "backslashreplace" if stream is sys.stderr else errors or None
            stream.reconfigure(encoding=encoding or None, errors=own)
    if o.unbuffered:
        import io

        for name, fd in (("stdout", 1), ("stderr", 2)):
            old = getattr(sys, name)
            old.flush()
            new = io.TextIOWrapper(io.FileIO(fd, "w", closefd=False), encoding=old.encoding,
                                   errors=old.errors, write_through=True)
            new.mode = "w"
            setattr(sys, name, new)
            setattr(sys, "__%s__" % name, new)
    elif sys.stdout.isatty():
        sys.stdout.reconfigure(line_buffering=True)


def _warnings(o):
    """-W, PYTHONWARNINGS and -X dev."""
    wanted = list(o.warnings)
    if o.flags["dev_mode"]:
        wanted.insert(0, "default")
    if o.flags["bytes_warning"]:
        wanted.append("error::BytesWarning" if o.flags["bytes_warning"] > 1
                      else "default::BytesWarning")
    if wanted:
        import warnings

        sys.warnoptions.extend(wanted)
        warnings._processoptions(wanted)


def _optimize(level):
    """Let imported source files be compiled with -O, too."""
    from importlib import _bootstrap_external as external

    defaults = external.SourceLoader.source_to_code.__kwdefaults__
    if defaults and "_optimize" in defaults:
        defaults["_optimize"] = min(level, 2)


def _site():
    """Put site-packages on the path, with its .pth files."""
    try:
        names = os.listdir(SITE)
    except OSError:
        return
    if any(name.endswith((".pth", ".start")) for name in names):
        import site

        site.addsitedir(SITE)
    else:
        sys.path.append(SITE)
    if "sitecustomize.py" in names or "sitecustomize" in names:
        ending.guard(lambda: __import__("sitecustomize"))


def fresh_main():
    """A new, empty __main__."""
    import builtins

    main = type(sys)("__main__")
    main.__dict__.update(__builtins__=builtins, __loader__=builtins.__loader__,
                         __package__=None, __spec__=None)
    sys.modules["__main__"] = main
    return main


def program(o):
    """Run what the options name; returns the exit code."""
    main = fresh_main()
    if o.mode == "stdin":
        sys.argv = [o.target or "", *o.rest]
        _path0(o, "")
        if sys.stdin.isatty() or o.flags["interactive"]:
            from . import repl

            return repl.run(main, o)
        return ending.guard(lambda: _stdin(main, o))
    if o.mode == "command":
        sys.argv = ["-c", *o.rest]
        _path0(o, "")
        code = ending.guard(lambda: _command(main, o))
    elif o.mode == "module":
        sys.argv = ["-m", *o.rest]
        _path0(o, os.getcwd())
        code = ending.guard(lambda: _module(o.target))
    else:
        sys.argv = [o.target, *o.rest]
        code = ending.guard(lambda: _path(main, o))
    if o.flags["inspect"] or os.environ.get("PYTHONINSPECT"):
        from . import repl

        o.flags["quiet"] = 1
        return repl.run(sys.modules["__main__"], o)
    return code


def _path0(o, folder):
    """The first entry of sys.path, unless -P or -I forbids it."""
    if not o.flags["safe_path"]:
        sys.path.insert(0, folder)


def _source(text, filename, o):
    """Compiled program text."""
    level = o.flags["optimize"]
    return compile(text, filename, "exec", 0, True, min(level, 2) if level else -1)


def _command(main, o):
    """-c"""
    code = _source(o.target, "<string>", o)
    _remember(code, o.target, "<string>")
    exec(code, main.__dict__)


def _stdin(main, o):
    """A program on stdin."""
    text = sys.stdin.read()
    if o.skip_first_line:
        text = text.partition("\n")[2]
    code = _source(text, "<stdin>", o)
    _remember(code, text, "<stdin>")
    exec(code, main.__dict__)


def _remember(code, text, name):
    """Let tracebacks show the lines of a program that is in no file."""
    import linecache

    linecache._register_code(code, text, name)


def _module(name):
    """-m"""
    runpy = _runpy()
    runpy._run_module_as_main(name)


def _runpy():
    """runpy, naming itself in tracebacks as in a CPython from python.org."""
    import runpy

    for function in (runpy._run_module_as_main, runpy._run_code, runpy._get_module_details):
        function.__code__ = function.__code__.replace(co_filename="<frozen runpy>")
    return runpy


def _path(main, o):
    """A file, a folder or a zip archive."""
    import pkgutil

    path = os.path.abspath(o.target)
    if pkgutil.get_importer(path) is not None:
        sys.path.insert(0, path)
        _runpy()._run_module_as_main("__main__", False)
        return
    try:
        with open(path, "rb") as f:
            text = f.read()
    except OSError as e:
        sys.stderr.write("%s: can't open file %r: [Errno %s] %s\n"
                         % (sys.executable, path, e.errno, e.strerror))
        raise SystemExit(2) from None
    _path0(o, os.path.dirname(os.path.realpath(path)))
    execute_file(main, path, text, o)


def execute_file(main, path, text, o):
    """Run the text of a file, or its bytecode, as __main__."""
    from importlib import machinery, util

    main.__file__ = path
    if text[:4] == util.MAGIC_NUMBER:
        import marshal

        main.__loader__ = machinery.SourcelessFileLoader("__main__", path)
        code = marshal.loads(memoryview(text)[16:])
    else:
        if o.skip_first_line:
            text = b"\n" + text.partition(b"\n")[2]
        main.__loader__ = machinery.SourceFileLoader("__main__", path)
        code = _source(text, path, o)
    exec(code, main.__dict__)
