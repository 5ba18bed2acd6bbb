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
        if key not in self.changed and not _renewed():
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

    def know(self, seen, listed):
        """Take over what was looked at before."""
        self.seen.update(seen)
        self.listed = listed

    def changes(self):
        """Variable -> the value that the program gave it, None for one that it removed."""
        return {key: dict.get(self, key) for key in self.changed}


def _renewed():
    """Whether it is wsgiref that looks: what it keeps of the environment is made anew in every run."""
    frame = sys._getframe(2)
    for _ in range(6):
        if frame is None or frame.f_globals.get("__name__") == "wsgiref.handlers":
            return frame is not None
        frame = frame.f_back
    return False


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
        self.listed = self.listed or not _renewed()
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
        self.printed = 0  # with what is nobody's
        self.asked = False  # whether it was asked if there is a terminal
        self.on = True
        self.plain = None

    def watch(self):
        """Put streams that remember in the place of stdout and stderr."""
        self.on = True
        self.plain = write, isatty = os.write, os.isatty

        def noticed_write(fd, data):
            n = write(fd, data)
            if fd in (1, 2):
                self.wrote(fd, bytes(memoryview(data).cast("B")[:n]))
            return n

        def noticed_isatty(fd):
            self.asked = True
            return isatty(fd)

        os.write, os.isatty = noticed_write, noticed_isatty
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

    def unwatch(self):
        """Remember no more."""
        self.on = False
        os.write, os.isatty = self.plain

    def wrote(self, fd, data):
        """Remember what was written."""
        self.printed += len(data)
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

    def isatty(self):
        self._output.asked = True
        return super().isatty()

    def write(self, data):
        n = super().write(data)
        if n:
            self._output.wrote(self.fileno(), bytes(data[:n]))
        return n


class Randomness:
    """Generators that seeded themselves, and secrets that were drawn."""

    # Whose draws are of no concern: their generators are found, or nothing is kept.
    OWN = ("random", "secrets", "uuid", "tempfile", "numpy.random", "_wherry.watch")

    # What they draw is no secret: a key that is made anew, and names for the calls of one process and for files of its own.
    NAMES = ("multiprocessing.process", "joblib.parallel", "joblib._memmapping_reducer", "joblib._parallel_backends",
             "sklearn.callback._callback_context")

    def __init__(self):
        import random
        import secrets
        import weakref

        self.random, self.secrets = random, secrets
        self.fresh = weakref.WeakSet([random._inst])  # of module random
        self.copied = set()  # states that they had when somebody took a copy
        self.entropies = set()  # with which generators of numpy seeded themselves
        self.drawn = None  # where the first secret was
        self.quiet = False
        self.sequences = []  # of numpy, that made their entropy themselves, and what it was
        self.arrays = []  # bit generators of numpy to seed
        self.legacy = []  # the RandomStates among them, which keep half of a pair of normals
        self.plain = None

    def watch(self):
        """Notice seeding and drawing."""
        random, own = self.random, self.random.Random
        self.plain = own.seed, own.getstate, own.setstate, random.getrandbits, os.urandom, self.secrets.randbits
        seed, getstate, setstate, getrandbits, urandom, randbits = self.plain

        def noticed_seed(generator, a=None, version=2):
            seed(generator, a, version)
            (self.fresh.add if a is None else self.fresh.discard)(generator)

        def noticed_getstate(generator):
            state = getstate(generator)
            if generator in self.fresh:
                self.copied.add(state[1])
            return state

        def noticed_setstate(generator, state):
            setstate(generator, state)
            (self.fresh.add if tuple(state[1]) in self.copied else self.fresh.discard)(generator)

        def noticed_getrandbits(k):
            if sys._getframe(1).f_globals.get("__name__") == "uuid":
                self._draw()
            return getrandbits(k)

        def noticed_urandom(size):
            if not self.quiet:
                self._draw()
            return urandom(size)

        def noticed_randbits(k):
            numpy = _numpy()
            if numpy is None or numpy.randbits is not noticed_randbits:
                return randbits(k)
            numpy.randbits = entropy  # the first call is its own, while it is imported
            return entropy(k)

        def entropy(k):
            self.quiet, before = True, self.quiet
            try:
                value = randbits(k)
            finally:
                self.quiet = before
            self.entropies.add(value)
            return value

        if _numpy() is not None:
            _numpy().randbits = entropy
        own.seed, own.getstate, own.setstate = noticed_seed, noticed_getstate, noticed_setstate
        self._rebind(noticed_getrandbits)
        os.urandom = random._urandom = noticed_urandom
        self.secrets.randbits = noticed_randbits

    def _rebind(self, getrandbits):
        """Give module random the functions of its generator once more."""
        random = self.random
        random.seed, random.getstate, random.setstate = random._inst.seed, random._inst.getstate, random._inst.setstate
        random.getrandbits = getrandbits

    def _draw(self):
        frame = sys._getframe(2)
        while frame is not None and frame.f_globals.get("__name__") in self.OWN:
            frame = frame.f_back
        if frame is None or frame.f_globals.get("__name__") in self.NAMES:
            return
        if self.drawn is None:
            self.drawn = "%s, line %d" % (frame.f_code.co_filename, frame.f_lineno)

    def unwatch(self):
        """Be as before, and find numpy's generators."""
        random, own = self.random, self.random.Random
        own.seed, own.getstate, own.setstate, getrandbits, os.urandom, self.secrets.randbits = self.plain
        random._urandom = os.urandom
        self._rebind(getrandbits)
        numpy = _numpy()
        if numpy is None:
            return
        numpy.randbits = self.secrets.randbits
        self.sequences = [(s, s.entropy) for s in _tracked(numpy.SeedSequence)
                          if isinstance(s.entropy, int) and s.entropy in self.entropies]
        self.arrays = [g for g in _arrays() if self._made_itself(g)]
        legacy = sys.modules.get("numpy.random.mtrand")
        if legacy is None:
            return
        states = [s for s in _tracked(legacy.RandomState) if "MT19937" in type(s._bit_generator).__name__]
        keys = None
        for s in states:
            g = s._bit_generator
            if all(g is not a for a in self.arrays) and getattr(g.seed_seq, "entropy", None) is None:
                keys = keys or self._keys(numpy, legacy.RandomState)
                if g.state["state"]["key"].tobytes() in keys:
                    self.arrays.append(g)
        self.legacy = [s for s in states if any(s._bit_generator is g for g in self.arrays)]

    def _made_itself(self, generator):
        """Whether a bit generator began with entropy of its own."""
        entropy = getattr(generator.seed_seq, "entropy", None)
        return isinstance(entropy, int) and entropy in self.entropies

    def _keys(self, numpy, kind):
        """What the keys of RandomStates are that seeded themselves, and for a while after."""
        keys, plain = set(), numpy.randbits
        try:
            for value in list(self.entropies)[:20]:
                numpy.randbits = lambda k, value=value: value
                again = kind(0)
                again.seed()
                for state in (kind(), again):
                    for _ in range(100):
                        keys.add(state._bit_generator.state["state"]["key"].tobytes())
                        state._bit_generator.random_raw(624)
        finally:
            numpy.randbits = plain
        return keys

    def renew(self):
        """Seed anew what seeded itself."""
        for generator in self.fresh:
            generator.seed()
        made = {}  # children have their parent's entropy
        for s, entropy in self.sequences:
            if entropy not in made:
                made[entropy] = self.secrets.randbits(32 * s.pool_size)
            s.__init__(made[entropy], spawn_key=s.spawn_key, pool_size=s.pool_size, n_children_spawned=s.n_children_spawned)
        legacy = [g._bit_generator for g in self.legacy]
        for generator in self.arrays:
            if not any(generator is b for b in legacy):
                generator.state = _state(generator)
        for generator in self.legacy:  # its half of a pair of normals goes too
            generator.set_state(_state(generator._bit_generator) | {"has_gauss": 0, "gauss": 0.0})

    def states(self):
        """The states of all generators, as calls that bring them back."""
        import functools

        _, getstate, setstate, *_ = self.plain
        back = [functools.partial(setstate, g, getstate(g)) for g in _tracked(self.random.Random)
                if type(g).getstate is self.random.Random.getstate]
        return back + [functools.partial(setattr, g, "state", g.state) for g in _arrays()]


def _state(generator):
    """A state of a bit generator of numpy that nobody knows."""
    if type(generator).__name__ != "MT19937":
        return type(generator)().state
    return {"bit_generator": "MT19937", "state": {"key": _twister(), "pos": 624}}


def _twister():
    """The 624 words of a Mersenne twister, drawn: numpy takes most of a millisecond to make them out of a seed."""
    import array

    key = array.array("I", os.urandom(2496))
    key[0] = 1 << 31  # as after any other seed: the state is not zero
    return key


def _tracked(kinds):
    """All living objects of these classes."""
    import gc

    return [o for o in gc.get_objects() if issubclass(type(o), kinds)]


def _numpy():
    """What numpy's generators are made of, if they are there."""
    return sys.modules.get("numpy.random.bit_generator")


def _arrays():
    """The bit generators of numpy."""
    return [] if _numpy() is None else _tracked(_numpy().BitGenerator)


def renew_modules():
    """Have the library forget times, names and keys."""
    import time

    for name in ("tempfile", "uuid", "logging", "wsgiref.handlers", "multiprocessing.process"):
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
        elif name == "wsgiref.handlers":
            module.BaseHandler.os_environ = module.read_environ()
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
