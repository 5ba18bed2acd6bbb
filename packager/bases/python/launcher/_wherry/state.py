"""Whether a call changed what a program keeps."""
import sys

NODES = 200_000  # what is looked at, at most; a program that keeps more is not compared further


class State:
    """What the modules of a folder hold: names, containers, and objects of their own classes."""

    def __init__(self, folder):
        self.kept = []  # everything that was seen, so that no id is used twice
        self.ids = set()
        self.print = []
        self.modules = {name: m for name, m in list(sys.modules.items())
                        if (getattr(m, "__file__", None) or "").startswith(folder.rstrip("/") + "/")}
        for name in sorted(self.modules):
            self.print.append(name)
            self._look(vars(self.modules[name]))

    def same(self, other):
        """Whether nothing has changed that is known of."""
        return self.print == other.print

    def _look(self, first):
        todo = [first]
        while todo and len(self.print) < NODES:
            value = todo.pop()
            kind = type(value)
            if kind in (int, float, complex, str, bytes, bool, type(None)):
                self.print.append(value if value == value else repr(value))
                continue
            self.print.append((kind.__qualname__, id(value)))
            if id(value) in self.ids:
                continue
            self.ids.add(id(value))
            self.kept.append(value)
            todo.extend(self._parts(value, kind))

    def _parts(self, value, kind):
        """What a value is made of, as far as a program may change it."""
        import collections
        import itertools
        import types

        if issubclass(kind, dict):
            items = [(k, v) for k, v in list(dict.items(value)) if k != "__builtins__"]
            self.print.append(len(items))
            return [part for pair in items for part in pair]
        if issubclass(kind, (list, tuple, collections.deque)):
            self.print.append(len(value))
            return list(value)
        if issubclass(kind, (set, frozenset)):
            self.print.append(frozenset(map(id, value)))
            self.kept.extend(value)
            return []
        if kind is bytearray:
            self.print.append(bytes(value))
        elif kind is itertools.count:
            self.print.append(repr(value))
        elif kind is types.GeneratorType:
            self.print.append(value.gi_frame and value.gi_frame.f_lasti)
        elif kind is types.FunctionType:
            if value.__module__ in self.modules:
                return [vars(value), value.__defaults__, value.__kwdefaults__, *(value.__closure__ or ())]
        elif kind is types.CellType:
            try:
                return [value.cell_contents]
            except ValueError:
                return []
        elif isinstance(value, type):
            if value.__module__ in self.modules:
                return [part for pair in vars(value).items() for part in pair]
        elif kind.__module__ in self.modules or kind is types.SimpleNamespace:
            slots = [getattr(value, name, None) for c in kind.__mro__ for name in _names(c)]
            return [getattr(value, "__dict__", None), *slots]
        return []


def _names(cls):
    """The slots of a class."""
    slots = cls.__dict__.get("__slots__", ())
    return [slots] if isinstance(slots, str) else [s for s in slots if s not in ("__dict__", "__weakref__")]
