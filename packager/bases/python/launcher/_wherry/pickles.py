"""Models pickled elsewhere: 64-bit index arrays, other versions."""


def patch_tree(module):
    """Make KD trees and ball trees cross between 32 and 64 bits.

    Their pickles hold index arrays as wide as the machine that made them, and
    their classes are closed. So what a pickle makes here is a subclass that
    casts the arrays before the tree takes them, and what is pickled here has
    the 64-bit arrays that everybody else reads.
    """
    import copyreg

    shims = {}

    def newObj(cls):
        shim = shims.get(cls, cls)
        return shim.__new__(shim)

    newObj.__module__, newObj.__qualname__ = module.__name__, "newObj"
    for name in ("BinaryTree", "KDTree", "BallTree"):
        for suffix in ("", "32", "64"):
            base = getattr(module, name + suffix, None)
            if isinstance(base, type) and base not in shims:
                shim = shims[base] = _subclass(base)
                for cls in (base, shim):
                    copyreg.pickle(cls, lambda tree, base=base: (
                        newObj, (base,), tuple(map(_wide, tree.__getstate__()))))
    module.newObj = newObj


def _subclass(base):
    """base, with a __setstate__ that takes arrays of either width."""
    class Tree(base):
        __slots__ = ()

        def __setstate__(self, state):
            super().__setstate__(tuple(map(_narrow, state)))

    Tree.__name__ = base.__name__
    Tree.__qualname__ = base.__qualname__
    Tree.__module__ = base.__module__
    return Tree


def _narrow(value):
    """An array with 64-bit integers as one with the guest's index type."""
    import numpy as np

    return _cast(value, np.dtype(np.int64), np.dtype(np.intp))


def _wide(value):
    """An array with integers of the guest's index type as one with 64-bit ones."""
    import numpy as np

    return _cast(value, np.dtype(np.intp), np.dtype(np.int64))


def _cast(value, old, new):
    """An array with its integers of type old, fields included, as type new."""
    import numpy as np

    if not isinstance(value, np.ndarray) or old == new:
        return value
    dtype = value.dtype
    if not dtype.names:
        return np.ascontiguousarray(value, new) if dtype == old else value
    fields = [(n, new if dtype.fields[n][0] == old else dtype.fields[n][0])
              for n in dtype.names]
    cast = np.empty(value.shape, np.dtype(fields, align=True))
    for name in dtype.names:
        cast[name] = value[name]
    return cast


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
