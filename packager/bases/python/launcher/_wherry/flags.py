"""sys.flags as the command line says, since the snapshot fixed its own."""
import sys

NAMES = (
    "debug", "inspect", "interactive", "optimize", "dont_write_bytecode",
    "no_user_site", "no_site", "ignore_environment", "verbose", "bytes_warning",
    "quiet", "hash_randomization", "isolated", "dev_mode", "utf8_mode",
    "warn_default_encoding", "safe_path", "int_max_str_digits",
)


class Flags(tuple):
    """Looks and reads like the interpreter's own struct sequence."""

    __slots__ = ()
    n_fields = n_sequence_fields = len(NAMES)
    n_unnamed_fields = 0

    def __repr__(self):
        return "sys.flags(%s)" % ", ".join(
            "%s=%r" % pair for pair in zip(NAMES, self))


for _i, _name in enumerate(NAMES):
    setattr(Flags, _name, property(lambda self, i=_i: self[i]))
for _name in dir(sys.flags):  # fields newer than this list
    if not _name.startswith("_") and not hasattr(Flags, _name):
        setattr(Flags, _name, getattr(sys.flags, _name))
Flags.__name__ = Flags.__qualname__ = "flags"
Flags.__module__ = "sys"


def install(values):
    """Make sys.flags say values."""
    sys.flags = Flags(values[name] for name in NAMES)
