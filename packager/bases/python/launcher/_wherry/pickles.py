"""Models pickled elsewhere: 64-bit index arrays, other versions."""


def patch_tree(module):
    """KD trees and ball trees pickled on 64 bits hold index arrays of 64 bits.

    Their classes are closed, so what a pickle makes is a subclass that casts
    the arrays to the guest's index type before the tree takes them.
    """
    for name in ("BinaryTree", "KDTree", "BallTree"):
        for suffix in ("", "32", "64"):
            base = getattr(module, name + suffix, None)
            if isinstance(base, type):
                _shims[base] = _subclass(base)
    module.newObj = _new


_shims = {}


def _new(cls):
    """What the pickle calls to make an empty tree."""
    shim = _shims.get(cls, cls)
    return shim.__new__(shim)


def _subclass(base):
    """base, with a __setstate__ that takes arrays of either width."""
    class Tree(base):
        __slots__ = ()

        def __setstate__(self, state):
            super().__setstate__(tuple(_narrow(value) for value in state))

        def __reduce__(self):
            return (_new, (base,), self.__getstate__())

    Tree.__name__ = base.__name__
    Tree.__qualname__ = base.__qualname__
    Tree.__module__ = base.__module__
    return Tree


def _narrow(value):
    """An array with 64-bit integers as one with the guest's index type."""
    import numpy as np

    if not isinstance(value, np.ndarray):
        return value
    dtype = value.dtype
    if dtype.names:
        narrow = np.dtype([(n, _narrow_type(dtype.fields[n][0])) for n in dtype.names],
                          align=True)
        if narrow == dtype:
            return value
        out = np.empty(value.shape, narrow)
        for name in dtype.names:
            out[name] = value[name]
        return out
    narrow = _narrow_type(dtype)
    return value if narrow == dtype else np.ascontiguousarray(value, narrow)


def _narrow_type(dtype):
    import numpy as np

    return np.dtype(np.intp) if dtype == np.dtype(np.int64) else dtype


def patch_exceptions(module):
    """The warning about another scikit-learn says what to do about it."""
    warning = getattr(module, "InconsistentVersionWarning", None)
    if warning is None:
        return
    own = warning.__str__

    def __str__(self):
        return (own(self) + "\nThis image has scikit-learn %s, the model was saved by %s: train it "
                "in the image (RUN python train.py), or type  pip install scikit-learn==%s  "
                "where you train, and save it again."
                % (self.current_sklearn_version, self.original_sklearn_version,
                   self.current_sklearn_version))

    warning.__str__ = __str__
