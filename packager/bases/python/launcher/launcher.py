"""Starts every Python program of the base.

The kernel rule of "#!" hands this file the path of the program that was
called (python, python3, predict) and then its arguments.
"""
import sys


def _load():
    """Import the package beside this file without touching sys.path."""
    from importlib import util

    folder = "/usr/local/lib/wherry/_wherry"
    spec = util.spec_from_file_location(
        "_wherry", folder + "/__init__.py", submodule_search_locations=[folder]
    )
    package = util.module_from_spec(spec)
    sys.modules["_wherry"] = package
    spec.loader.exec_module(package)


_load()
from _wherry import command  # noqa: E402

raise SystemExit(command.main(sys.argv[1:]))
