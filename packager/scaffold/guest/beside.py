"""What a pickled model is read with: the modules and files beside it, and the
notebook or script that it came from."""
import os
import sys
import warnings


def enter(model, source):
    """Be where the model is; what the source says, None without one."""
    folder = os.path.dirname(model)
    sys.path.insert(0, folder)
    os.chdir(folder)
    warnings.simplefilter("ignore")
    if not source:
        return None
    import source as reader

    return reader.Source(source, model)
