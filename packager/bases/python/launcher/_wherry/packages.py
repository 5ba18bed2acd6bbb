"""What applications import of the library and of installed packages, without any file of their own.

An application's own files change often, and packages seldom: memory that is kept after this serves every
version of an application over the same packages. It has to be what the application would have found, had it
imported all of that itself. Where it is not, hold() says so, and the application begins at the beginning:
a file of its own has the name of one of these modules, it changed a variable that a package had looked at
while it was imported, or put another module in the place of one.
"""
import os
import sys

from . import ending, run, watch
from .interpreter import Interpreter
from .program import Anew, Unfit

# What finding an application imports, by how it is found, and what such a framework imports beside each
# application of others that it is told of: NAME.* stands for such a one.
FINDERS = {
    "flask": ("flask.cli",),
    "django": ("django.core.management", "django.core.servers.basehttp", "django.core.handlers.wsgi", "django.template.backends.django",
               "django.views.debug"),
}
BESIDE = {"django": ("apps", "models", "admin")}
SUFFIXES = (".py", ".pyc", ".so")


class Packages(Interpreter):
    """Modules of the library and of packages."""

    fixed = 5  # the interpreter, the launcher, what answers HTTP, by which protocol, and how an application is found

    def __init__(self, names):
        super().__init__()
        self.names = names
        self.failed = []
        self.modules = {}  # that were imported, by their names
        self.seen, self.listed = {}, False  # variables that were looked at

    def load(self, argv):
        """Import them."""
        from . import web

        super().load(argv)
        protocol, how = argv[1:3]
        web.keep(protocol)
        self.output.watch()
        self.randomness.watch()
        try:
            web.prepare(argv)
            run.fresh_main()
            self._import(_all(how, self.names))
        finally:
            self.randomness.unwatch()
            self.output.unwatch()

    def _import(self, names):
        before, path = set(sys.modules), sys.path[:]
        sys.path[:] = [p for p in path if _installed(p)]
        try:
            for name in names:
                try:
                    _imported(name)
                except Exception:  # it is imported with the application, or not at all
                    self.failed.append(name)
        finally:
            sys.path[:] = path
        self.modules = {name: m for name, m in sys.modules.items() if name not in before and not name.startswith("_wherry")}
        for name, module in self.modules.items():
            spec = getattr(module, "__spec__", None)
            for place in (getattr(spec, "origin", None), *(getattr(module, "__path__", ()))):
                if place and os.path.isabs(place) and not _installed(place):
                    raise Unfit("%s is imported from %s, which is no package" % (name, place))

    def imported_names(self):
        """What there is to be imported, when some of it could not be: what failed has left things behind."""
        if not self.failed:
            return None
        return [name for name, m in self.modules.items()
                if not getattr(getattr(m, "__spec__", None), "_initializing", False) and "." + name.rpartition(".")[2] != ".__main__"]

    def refused(self):
        """What one instance would give away to another."""
        if self.failed:
            return "these modules cannot be imported by themselves: " + " ".join(self.failed)
        if self.output.size > watch.OUTPUT:
            return "its packages print more than 1 MiB while they are imported"
        if self.randomness.drawn:
            return "%s draws secret randomness while it is imported" % self.randomness.drawn
        return ""

    def application(self, argv):
        """The application over it, not loaded yet."""
        from .web import Web

        return Web(argv, self)

    def worker(self, argv):
        """The application, ready for requests."""
        return self.application(argv).begun(argv)

    def hold(self):
        """Raise Anew if the application would have found something else."""
        for name, module in self.modules.items():
            if sys.modules.get(name) is not module:
                raise Anew("the application has put another module in the place of %s" % name)
        now = os.environ._data
        changed = [k for k, v in self.seen.items() if dict.get(now, k) != v]
        if changed or self.listed and dict.keys(now) != self.seen.keys():
            raise Anew("the application changes variables that its packages look at: " + " ".join(map(os.fsdecode, changed)))
        tops = {name.partition(".")[0] for name in self.modules}
        for folder in sys.path:
            if folder == run.SITE:
                break
            if not _installed(folder):
                _hidden(folder, tops)

    def go(self, argv):
        """What a run of it shows while it is recorded."""
        self.rehearse(argv)
        return 0

    def rehearse(self, argv):
        """An application like many, imported and asked."""
        from . import web

        web.like_many(argv[1], self)

    def serve(self, call):
        """There is nobody to ask."""

    def runs(self):
        """One, which is a rehearsal."""
        return [([], "", False)]


def _all(how, names):
    """Everything that is to be imported, in its order."""
    yield from FINDERS.get(how, ())
    for name in names:
        yield name.removesuffix(".*")
        if name.endswith(".*"):
            yield from (name[:-1] + beside for beside in BESIDE.get(how, ()))


def _imported(name):
    """Import a module, if there is one of this name: it may be of something in the module above."""
    from importlib import import_module, util

    above, full = None, ""
    for part in name.split("."):
        full = part if above is None else full + "." + part
        if above is not None and not hasattr(above, "__path__"):
            return
        if above is not None and hasattr(above, part) and full not in sys.modules:
            return  # a part of it has that name, and a module would take its place
        if full not in sys.modules and util.find_spec(full) is None:
            return
        above = import_module(full)


def _installed(path):
    """Whether a place is one of the library's, or of packages."""
    return path.startswith((run.PREFIX + "/lib/python", ending.HERE))


def _hidden(folder, tops):
    """Raise Anew if a folder has a module of one of these names."""
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return
    for name in names:
        stem, dot, rest = name.partition(".")
        if stem not in tops:
            continue
        if "." + rest in SUFFIXES or dot and rest.endswith(".so") or not dot and os.path.exists(os.path.join(folder, name, "__init__.py")):
            raise Anew("%s in %s has the name of a package" % (name, folder or "."))
