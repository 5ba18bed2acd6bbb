"""Patches of modules that cannot work unchanged in a guest, applied on import."""
import sys

# Module -> (module of this package, function). The function gets the imported
# module; one named *_before gets it before its code runs and returns a
# function to call after it.
PATCHES = {
    "_socket": ("sockets", "patch_socket"),
    "selectors": ("loops", "patch_selectors"),
    "hashlib": ("keys", "patch_hashlib"),
    "threading": ("threads", "patch_threading"),
    "queue": ("threads", "patch_queue"),
    "concurrent.futures.thread": ("pools", "patch_threads"),
    "concurrent.futures.process": ("pools", "patch_processes"),
    "multiprocessing.pool": ("pools", "patch_multiprocessing_pool"),
    "multiprocessing.process": ("pools", "patch_multiprocessing_process"),
    "asyncio.base_events": ("loops", "patch_base_events"),
    "asyncio.selector_events": ("loops", "patch_selector_events"),
    "matplotlib": ("data", "matplotlib_before"),
    "sklearn.neighbors._kd_tree": ("pickles", "patch_tree"),
    "sklearn.neighbors._ball_tree": ("pickles", "patch_tree"),
    "sklearn.exceptions": ("pickles", "patch_exceptions"),
}


# Modules that come with the launcher, for whoever has none of the name.
MODULES = ("_ssl", "onnxruntime", "tokenizers", "wherry")
PACKAGES = ("_ssl", "tokenizers")  # those of MODULES that are folders


def install():
    """Watch imports; modules that the snapshot holds already are patched now."""
    from . import posix

    posix.install()
    sys.meta_path.insert(0, Finder)
    sys.meta_path.append(Own)
    for name in PATCHES:
        module = sys.modules.get(name)
        if module is not None:
            after(name, _patch(name)(module))


def _patch(name):
    """The function that patches the module of this name."""
    home, function = PATCHES[name]
    if home == "sockets":
        import _socket  # noqa: F401 - sockets.py stands on it, and has its patch, too
    package = __import__("_wherry." + home)
    return getattr(getattr(package, home), function)


def after(name, result):
    """Run the second half of a *_before patch."""
    if name in PATCHES and PATCHES[name][1].endswith("_before") and result is not None:
        result()


class Finder:
    """Finds a module as everybody else does and puts a patch behind its loader."""

    busy = set()

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        """The ordinary spec, its loader wrapped."""
        if name not in PATCHES or name in cls.busy:
            return None
        cls.busy.add(name)
        try:
            from importlib import util

            spec = None
            for finder in sys.meta_path:
                if finder is not cls and hasattr(finder, "find_spec"):
                    spec = finder.find_spec(name, path, target)
                    if spec is not None:
                        break
        finally:
            cls.busy.discard(name)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = Loader(spec.loader)
        return spec


class Own:
    """Finds the modules that come with the launcher."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """The spec of one of them."""
        if name not in MODULES:
            return None
        from importlib import util

        where = "/usr/local/lib/wherry/modules/" + name
        if name in PACKAGES:
            return util.spec_from_file_location(name, where + "/__init__.py", submodule_search_locations=[where])
        return util.spec_from_file_location(name, where + ".py")


class Loader:
    """The module's own loader, plus the patch."""

    def __init__(self, loader):
        self._loader = loader

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        """As the module's own loader does; a built-in one looks at the spec again."""
        spec.loader = self._loader
        try:
            return self._loader.create_module(spec)
        finally:
            spec.loader = self

    def exec_module(self, module):
        """Run the module's code with the patch before or after it."""
        module.__spec__.loader = module.__loader__ = self._loader
        name = module.__name__
        before = PATCHES[name][1].endswith("_before")
        rest = _patch(name)(module) if before else None
        self._loader.exec_module(module)
        if before:
            after(name, rest)
        else:
            _patch(name)(module)
