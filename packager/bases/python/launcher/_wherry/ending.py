"""How a program ends: what it raised, its exit code, its threads and its streams."""
import sys

HERE = "/usr/local/lib/wherry/"
OURS = (HERE, "<frozen importlib")  # what may stand before a program's first frame


def guard(call):
    """Call, and turn what it raises into CPython's messages and exit code."""
    try:
        call()
        code = 0
        failure = None
    except BaseException as e:
        failure = e
    if failure is not None:
        code = _failed(failure)
    join()
    flush()
    return code


def _failed(e):
    """The exit code of a program that ended with e, reported when it is an error."""
    if isinstance(e, SystemExit):
        return exit_code(e.code)
    report(e)
    return 130 if isinstance(e, KeyboardInterrupt) else 1


def exit_code(code):
    """What sys.exit(code) means to the parent process."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 255
    flush()
    print(code, file=sys.stderr)
    return 1


def report(e):
    """Print an exception as the interpreter would, without our own frames."""
    tb = e.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith(OURS):
        tb = tb.tb_next
    e = e.with_traceback(tb)
    sys.last_exc = sys.last_value = e
    sys.last_type, sys.last_traceback = type(e), tb
    flush()
    try:
        sys.excepthook(type(e), e, tb)
    except SystemExit:
        raise
    except BaseException as second:
        print("Error in sys.excepthook:", file=sys.stderr)
        sys.__excepthook__(type(second), second, second.__traceback__)
        print("\nOriginal exception was:", file=sys.stderr)
        sys.__excepthook__(type(e), e, tb)
    from . import advice

    advice.after(e)


def join():
    """Let threads that were started and not joined do their work, as at exit."""
    threads = sys.modules.get("_wherry.threads")
    if threads is not None:
        try:
            threads.finish()
        except BaseException as e:
            report(e)


def flush():
    """Write out what is buffered; a closed stream is no reason to fail."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass
