"""Data files that packages want to read by path."""


def matplotlib_before(module):
    """Let matplotlib look for mpl-data in the image, not in the archive it is in."""
    own = module.__file__
    module.__file__ = "/usr/local/share/matplotlib/__init__.py"

    def restore():
        module.get_data_path()  # remembers its answer
        module.__file__ = own

    return restore
