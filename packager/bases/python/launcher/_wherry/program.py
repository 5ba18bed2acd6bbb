"""What is kept of a program in its snapshot, and how it goes on."""
import os
import sys

from . import watch


class Unfit(Exception):
    """A program of which there can be no snapshot; the text is for people."""


class Anew(Exception):
    """What was imported before the program is not what it would have found: it has to begin at its beginning."""

    anew = True


def hook():
    """What the program wants called first in every run."""
    return getattr(sys.modules.get("__main__"), "on_restore", None)


class Program:
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

    def imported_names(self):
        """What it would rather have been told to import, of a program that is nothing but that."""
        return None

    def signature(self):
        """What its requests and answers are, for a program that answers any."""
        return None

    def arguments(self, argv):
        """Take the arguments of a run."""

    def serve(self, call):
        """Fetch a request, have it done, and tell what came of it; call is the door."""
        from . import work

        work.serve(self, call)

    def clear(self):
        """Let go of what a program leaves in __main__."""

    def rehearse(self, argv):
        """The work of one run, again and again."""

    def runs(self):
        """Runs that show what runs of it run: arguments beyond those it is bound to, stdin, whether it is rare.

        What more its environment has and where it begins may follow.
        """
        return []


def clear_main():
    """Let go of what a program has left in __main__, as the interpreter does: names with one underscore first."""
    import gc

    names = sys.modules["__main__"].__dict__
    for private in (True, False):
        for name in list(names):
            if name != "__builtins__" and (name[:1] == "_" and name[1:2] != "_") == private:
                names[name] = None
    gc.collect()
