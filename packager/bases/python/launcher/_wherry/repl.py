"""The prompt: lines come from the terminal, which does the editing."""
import os
import sys

from . import ending

BUILD = 'Type "help", "copyright", "credits" or "license" for more information.'


def run(main, o):
    """Read, run and print until the end of input; returns the exit code."""
    repl = Prompt(main, o)
    repl.startup()
    if not o.flags["quiet"]:
        print("Python %s on %s\n%s" % (sys.version, sys.platform, BUILD), file=sys.stderr)
    return repl.loop()


class Prompt:
    """One interactive session in __main__."""

    def __init__(self, main, o):
        from codeop import CommandCompiler

        self.names = main.__dict__
        self.names.setdefault("__annotations__", {})
        self.compile = CommandCompiler()
        self.options = o
        self.count = 0
        for name, value in (("ps1", ">>> "), ("ps2", "... ")):
            if not hasattr(sys, name):
                setattr(sys, name, value)

    def startup(self):
        """Run the file that PYTHONSTARTUP names."""
        path = os.environ.get("PYTHONSTARTUP")
        if not path or self.options.flags["ignore_environment"] or self.options.mode != "stdin":
            return
        try:
            with open(path, "rb") as f:
                text = f.read()
        except OSError as e:
            print("Could not open PYTHONSTARTUP\n%s: %s" % (type(e).__name__, e), file=sys.stderr)
            return
        ending.guard(lambda: exec(compile(text, path, "exec", 0, True), self.names))

    def loop(self):
        """The session; returns its exit code."""
        while True:
            try:
                source = self.statement()
            except EOFError:
                sys.stdout.write("\n")
                sys.stdout.flush()
                return 0
            except KeyboardInterrupt:
                print("\nKeyboardInterrupt", file=sys.stderr)
                continue
            if source is None:
                continue
            try:
                exec(source, self.names)
                failure = None
            except BaseException as e:
                failure = e
            if isinstance(failure, SystemExit):
                return ending.exit_code(failure.code)
            if failure is not None:
                self.report(failure)
            failure = None
            sys.stdout.flush()

    def statement(self):
        """Lines up to a whole statement, compiled; None when there is nothing to run."""
        lines = [self.read(sys.ps1)]
        word = lines[0].strip()
        if word in ("exit", "quit") and word not in self.names:
            raise EOFError
        filename = "<python-input-%d>" % self.count
        while True:
            text = "\n".join(lines)
            try:
                code = self.compile(text, filename, "single")
            except (SyntaxError, OverflowError, ValueError) as e:
                self.remember(None, text, filename)
                self.report(e)
                return None
            if code is not None:
                self.remember(code, text, filename)
                return code
            try:
                lines.append(self.read(sys.ps2))
            except EOFError:
                lines.append("")
                if len(lines) > 2 and not lines[-2]:
                    raise

    def read(self, prompt):
        """One line, without its end."""
        sys.stdout.flush()
        prompt = str(prompt)
        if sys.stdin.isatty() and sys.stdout.isatty():
            return input(prompt)
        sys.stderr.write(prompt)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\n")

    def remember(self, code, text, filename):
        """Let tracebacks show the lines typed."""
        import linecache

        self.count += 1
        if code is not None:
            linecache._register_code(code, text, filename)
        lines = [line + "\n" for line in text.split("\n")]
        linecache.cache[filename] = (len(text), None, lines, filename)

    @staticmethod
    def report(e):
        """Print an exception as the prompt does: without the advice for programs."""
        tb = e.__traceback__
        while tb is not None and tb.tb_frame.f_code.co_filename.startswith(
                (ending.HERE, "/usr/local/lib/python315.zip/codeop")):
            tb = tb.tb_next
        if isinstance(e, SyntaxError):
            tb = None
        e = e.with_traceback(tb)
        sys.last_exc = sys.last_value = e
        sys.last_type, sys.last_traceback = type(e), tb
        sys.stdout.flush()
        try:
            sys.excepthook(type(e), e, tb)
        except Exception:
            sys.__excepthook__(type(e), e, tb)
