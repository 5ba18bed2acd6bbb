"""What programs ask of a POSIX system that WASI has no word for, and what can be answered without it."""
import os

_mask = [0o22]


def install():
    """Add it to os."""
    if not hasattr(os, "umask"):
        os.umask = umask


def umask(mask):
    """Set the mask of the modes of new files, and return the one before: files here have no modes that it could take from."""
    before, _mask[0] = _mask[0], mask & 0o777
    return before
