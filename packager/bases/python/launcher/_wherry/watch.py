"""What a program looks at and makes while it is loaded for a snapshot.

What it looked at decides in which runs the snapshot may be used. What it made
that no two runs may share is made anew in each of them.
"""
import io
import os
import sys

OUTPUT = 1 << 20  # bytes a program may print while it loads


class Environment(dict):
    """The data of os.environ, and which variables were looked at and changed."""

    def __init__(self, data):
        super().__init__(data)
        self.before = dict(data)
        self.seen = {}
        self.changed = set()
        self.listed = False

    def _look(self, key):
        if key not in self.changed:
            self.seen.setdefault(key, self.before.get(key))

    def __setitem__(self, key, value):
        self.changed.add(key)
        super().__setitem__(key, value)

    def __delitem__(self, key):
        self._look(key)
        super().__delitem__(key)
        self.changed.add(key)

    def looks(self):
        """Variable -> its value, None for one that was not set."""
        return {**self.before, **self.seen} if self.listed else self.seen

    def changes(self):
        """Variable -> the value that the program gave it, None for one that it removed."""
        return {key: dict.get(self, key) for key in self.changed}


def _of_variable(name):
    """A method of dict that looks at one variable."""
    own = getattr(dict, name)

    def method(self, key, *rest):
        self._look(key)
        return own(self, key, *rest)

    return method


def _of_all(name):
    """A method of dict that looks at all of them."""
    own = getattr(dict, name)

    def method(self, *rest):
        self.listed = True
        return own(self, *rest)

    return method


for _name in ("__getitem__", "__contains__", "get"):
    setattr(Environment, _name, _of_variable(_name))
for _name in ("__iter__", "__reversed__", "__len__", "__repr__", "__eq__", "__ne__", "__or__", "__ror__",
              "keys", "items", "values", "copy"):
    setattr(Environment, _name, _of_all(_name))


class Arguments(list):
    """sys.argv, and whether more than the program's name was looked at."""

    def __init__(self, words):
        super().__init__(words)
        self.before = list(words)
        self.looked = False

    def __getitem__(self, at):
        if at != 0:
            self.looked = True
        return super().__getitem__(at)

    def changed(self):
        """Whether the program made it another list."""
        return not list.__eq__(self, self.before)


def _of_arguments(name):
    """A method of list that looks at the arguments."""
    own = getattr(list, name)

    def method(self, *rest, **named):
        self.looked = True
        return own(self, *rest, **named)

    return method


for _name in ("__iter__", "__reversed__", "__len__", "__repr__", "__contains__", "__eq__", "__ne__", "__lt__",
              "__le__", "__gt__", "__ge__", "__add__", "__iadd__", "__mul__", "__rmul__", "__imul__",
              "__setitem__", "__delitem__", "append", "extend", "insert", "pop", "remove", "reverse", "sort",
              "clear", "copy", "count", "index"):
    setattr(Arguments, _name, _of_arguments(_name))


class Output:
    """What is printed while a program loads: every run prints it again."""

    def __init__(self):
        self.parts = []  # (descriptor, bytes), in order
        self.size = 0
        self.on = True

    def watch(self):
        """Put streams that remember in the place of stdout and stderr."""
        for name, fd in (("stdout", 1), ("stderr", 2)):
            old = getattr(sys, name)
            old.flush()
            raw = _Remembering(fd, self)
            raw.name = "<%s>" % name
            new = io.TextIOWrapper(io.BufferedWriter(raw), encoding=old.encoding, errors=old.errors,
                                   line_buffering=old.line_buffering, write_through=old.write_through)
            new.mode = "w"
            setattr(sys, name, new)
            setattr(sys, "__%s__" % name, new)

    def wrote(self, fd, data):
        """Remember what was written."""
        if self.on:
            self.size += len(data)
            if self.size <= OUTPUT:
                self.parts.append((fd, data))

    def again(self):
        """Print it once more."""
        for fd, data in self.parts:
            while data:
                data = data[os.write(fd, data):]


class _Remembering(io.FileIO):
    """A standard stream that tells an Output what is written."""

    def __init__(self, fd, output):
        super().__init__(fd, "w", closefd=False)
        self._output = output

    def write(self, data):
        n = super().write(data)
        if n:
            self._output.wrote(self.fileno(), bytes(data[:n]))
        return n


class Randomness:
    """Generators that seeded themselves, and secrets that were drawn."""

    # Whose draws are of no concern: their generators are found, or nothing is kept.
    OWN = ("random", "secrets", "uuid", "tempfile", "numpy.random", "_wherry.watch")

    def __init__(self):
        import random
        import secrets
        import weakref

        self.random, self.secrets = random, secrets
        self.fresh = weakref.WeakSet([random._inst])  # of module random
        self.entropies = set()  # with which generators of numpy seeded themselves
        self.drawn = None  # where the first secret was
        self.quiet = False
        self.arrays = []  # bit generators of numpy to seed
        self.legacy = []  # the RandomStates among them, which keep half of a pair of normals
        self.plain = None

    def watch(self):
        """Notice seeding and drawing."""
        random, own = self.random, self.random.Random
        self.plain = own.seed, own.setstate, os.urandom, self.secrets.randbits
        seed, setstate, urandom, randbits = self.plain

        def noticed_seed(generator, a=None, version=2):
            seed(generator, a, version)
            (self.fresh.add if a is None else self.fresh.discard)(generator)

        def noticed_setstate(generator, state):
            setstate(generator, state)
            self.fresh.discard(generator)

        def noticed_urandom(size):
            if not self.quiet:
                self._draw()
            return urandom(size)

        def noticed_randbits(k):
            self.quiet, before = self.quiet or k == 128, self.quiet
            try:
                value = randbits(k)
            finally:
                self.quiet = before
            if k == 128:  # what numpy's generators begin with
                self.entropies.add(value)
            return value

        own.seed, own.setstate = noticed_seed, noticed_setstate
        random.seed, random.setstate = random._inst.seed, random._inst.setstate
        os.urandom = random._urandom = noticed_urandom
        self.secrets.randbits = noticed_randbits

    def _draw(self):
        frame = sys._getframe(2)
        while frame is not None and frame.f_globals.get("__name__") in self.OWN:
            frame = frame.f_back
        if frame is None or frame.f_globals.get("__name__") == "multiprocessing.process":
            return  # its key is made anew
        if self.drawn is None:
            self.drawn = "%s, line %d" % (frame.f_code.co_filename, frame.f_lineno)

    def unwatch(self):
        """Be as before, and find numpy's generators."""
        random, own = self.random, self.random.Random
        own.seed, own.setstate, os.urandom, self.secrets.randbits = self.plain
        random._urandom = os.urandom
        random.seed, random.setstate = random._inst.seed, random._inst.setstate
        self.arrays = [g for g in _arrays() if getattr(g.seed_seq, "entropy", None) in self.entropies]
        legacy = sys.modules.get("numpy.random.mtrand")
        if legacy is not None:
            self.legacy = [s for s in _tracked(legacy.RandomState)
                           if any(s._bit_generator is g for g in self.arrays) and "MT19937" in type(s._bit_generator).__name__]

    def renew(self):
        """Seed anew what seeded itself."""
        for generator in self.fresh:
            generator.seed()
        for generator in self.arrays:
            generator.state = type(generator)().state
        for generator in self.legacy:
            generator.seed()

    def states(self):
        """The states of all generators, as calls that bring them back."""
        import functools

        back = [functools.partial(g.setstate, g.getstate()) for g in _tracked(self.random.Random)
                if type(g).getstate is self.random.Random.getstate]
        return back + [functools.partial(setattr, g, "state", g.state) for g in _arrays()]


def _tracked(kinds):
    """All living objects of these classes."""
    import gc

    return [o for o in gc.get_objects() if issubclass(type(o), kinds)]


def _arrays():
    """The bit generators of numpy."""
    module = sys.modules.get("numpy.random.bit_generator")
    return [] if module is None else _tracked(module.BitGenerator)


def renew_modules():
    """Have the library forget times, names and keys."""
    import time

    for name in ("tempfile", "uuid", "logging", "multiprocessing.process"):
        module = sys.modules.get(name)
        if module is None:
            continue
        if name == "tempfile":
            module._name_sequence = None
        elif name == "uuid":
            for key in [k for k in vars(module) if k.startswith("_last_")] + ["_node"]:
                setattr(module, key, 0 if key == "_last_counter_v7" else None)
        elif name == "logging":
            module._startTime = time.time_ns()
        else:
            config = module.current_process()._config
            config["authkey"] = module.AuthenticationString(os.urandom(32))


def open_files():
    """How many of the first descriptors are open."""
    n = 0
    for fd in range(3, 40):
        try:
            os.fstat(fd)
        except OSError:
            continue
        n += 1
    return n


def flush_files():
    """Write out what files hold that were left open."""
    for f in _tracked((io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)):
        try:
            if not f.closed:
                f.flush()
        except (OSError, ValueError):
            pass
