"""python, before it knows what to run: what it becomes is another program, or one run of it."""
import os

from . import command
from .program import Program, Unfit, clear_main


class Interpreter(Program):
    """python, before it knows what to run."""

    def load(self, argv):
        """Import what nearly every program imports."""
        import ast, codecs, collections, contextlib, enum, functools, io, itertools  # noqa: F401, E401
        import linecache, operator, re, runpy, shutil, tempfile, tokenize, traceback, types, warnings  # noqa: F401, E401

    def go(self, argv):
        """Run a command line."""
        return command.main(argv)

    def clear(self):
        """As the interpreter does."""
        clear_main()

    def worker(self, argv):
        """What answers requests."""
        if os.path.basename(argv[0]) == "wherry-web" and len(argv) == 5:
            from .web import Web

            return Web(argv).begun(argv)
        if os.path.basename(argv[0]) != "predict" or len(argv) < 2:
            raise Unfit("only predict FILE.py answers requests, and this is %s" % " ".join(argv[:2]))
        from .model import Model

        model = Model(argv, False)
        model.open(argv)
        model.arguments(argv)
        model.predictor = model.imported()
        return model

    def runs(self):
        """What nearly every program does, in each of the ways to run one."""
        from . import rehearsal

        return rehearsal.runs()
