"""The command line: which program was called, and with which options."""
import os
import sys

from . import flags, run

TAKES_VALUE = "cmWX"
COUNTED = {"b": "bytes_warning", "d": "debug", "i": "inspect", "O": "optimize",
           "q": "quiet", "v": "verbose"}
SWITCHES = {"B": "dont_write_bytecode", "E": "ignore_environment", "I": "isolated",
            "P": "safe_path", "s": "no_user_site", "S": "no_site"}

USAGE = "usage: %s [option] ... [-c cmd | -m mod | file | -] [arg] ...\n"
HELP = """Options:
-b     : warn when bytes and str are compared (-bb: raise)
-B     : write no .pyc files (they are never written here)
-c cmd : run cmd, the rest of the line are its arguments
-d -v -R -t : taken and ignored
-E     : ignore the PYTHON* variables
-h     : print this text
-i     : prompt for more after the program has ended
-I     : isolated: -E, -P and -s together
-m mod : run a module as a script, the rest of the line are its arguments
-O     : leave out assert statements (-OO: doc strings too)
-P     : do not put the script's folder on sys.path
-q     : no greeting before the prompt
-s -S  : no site-packages of the user; no site-packages at all
-u     : write stdout and stderr unbuffered
-V     : print the version (-VV: with the build)
-W arg : control warnings, action:message:category:module:lineno
-x     : skip the first line of the program
-X opt : set an option of the interpreter (dev, utf8, frozen_modules, ...)
file   : run the program in this file
-      : run the program read from stdin
Variables: PYTHONPATH PYTHONSTARTUP PYTHONINSPECT PYTHONUNBUFFERED PYTHONOPTIMIZE
PYTHONWARNINGS PYTHONIOENCODING PYTHONSAFEPATH PYTHONDEVMODE PYTHONPYCACHEPREFIX
"""


class Usage(Exception):
    """A command line that cannot be understood."""


class Options:
    """What the command line asked for."""

    def __init__(self):
        self.flags = dict.fromkeys(flags.NAMES, 0)
        self.flags.update(dev_mode=False, safe_path=False, utf8_mode=1,
                          dont_write_bytecode=1, no_user_site=1, hash_randomization=1,
                          int_max_str_digits=sys.get_int_max_str_digits())
        self.warnings = []
        self.xoptions = {}
        self.unbuffered = False
        self.skip_first_line = False
        self.versions = 0
        self.help = False
        self.mode = "stdin"  # command, module, file, stdin
        self.target = None
        self.rest = []

    def set_xoption(self, text):
        """Take one -X option."""
        name, equals, value = text.partition("=")
        self.xoptions[name] = value if equals else True
        if name == "dev":
            self.flags["dev_mode"] = True


def parse(args):
    """Options and operands as CPython reads them: options end at -c, -m, -, a file."""
    o = Options()
    i = 0
    while i < len(args):
        arg = args[i]
        i += 1
        if arg == "--":
            break
        if arg.startswith("--"):
            i = _long(o, arg, args, i)
            continue
        if not arg.startswith("-") or arg == "-":
            i -= 1
            break
        i = _short(o, arg, args, i)
        if o.mode != "stdin":
            o.rest = args[i:]
            return o
    if i < len(args):
        o.mode = "stdin" if args[i] == "-" else "file"
        o.target = args[i]
        o.rest = args[i + 1:]
    return o


def _long(o, arg, args, i):
    """One --option; returns the index of the next argument."""
    if arg in ("--help", "--help-all", "--help-env", "--help-xoptions"):
        o.help = True
    elif arg == "--version":
        o.versions += 1
    elif arg == "--check-hash-based-pycs":
        if i >= len(args):
            raise Usage("Argument expected for the --check-hash-based-pycs option")
        i += 1
    else:
        raise Usage("unknown option " + arg)
    return i


def _short(o, arg, args, i):
    """One cluster of one-letter options; returns the index of the next argument."""
    for at, letter in enumerate(arg[1:], 2):
        if letter in TAKES_VALUE:
            value = arg[at:]
            if not value:
                if i >= len(args):
                    raise Usage("Argument expected for the -%s option" % letter)
                value = args[i]
                i += 1
            _valued(o, letter, value)
            return i
        _switch(o, letter)
    return i


def _valued(o, letter, value):
    """An option with its value."""
    if letter == "c":
        o.mode, o.target = "command", value
    elif letter == "m":
        o.mode, o.target = "module", value
    elif letter == "W":
        o.warnings.append(value)
    else:
        o.set_xoption(value)


def _switch(o, letter):
    """An option without a value."""
    if letter in COUNTED:
        o.flags[COUNTED[letter]] += 1
    elif letter in SWITCHES:
        o.flags[SWITCHES[letter]] = 1
    elif letter == "u":
        o.unbuffered = True
    elif letter == "V":
        o.versions += 1
    elif letter in "h?":
        o.help = True
    elif letter == "x":
        o.skip_first_line = True
    elif letter not in "Rt":
        raise Usage("Unknown option: -" + letter)
    if letter == "i":
        o.flags["interactive"] = 1
    if letter == "I":
        o.flags.update(ignore_environment=1, no_user_site=1)
    if letter in "IP":
        o.flags["safe_path"] = True


def environment(o, env):
    """Add what the PYTHON* variables say; the command line wins."""
    if o.flags["ignore_environment"]:
        return
    for name, flag in (("PYTHONOPTIMIZE", "optimize"), ("PYTHONINSPECT", "inspect"),
                       ("PYTHONDEBUG", "debug"), ("PYTHONVERBOSE", "verbose")):
        value = env.get(name)
        if value:
            level = int(value) if value.isdecimal() else 1
            o.flags[flag] = max(o.flags[flag], level)
    if env.get("PYTHONUNBUFFERED"):
        o.unbuffered = True
    if env.get("PYTHONSAFEPATH"):
        o.flags["safe_path"] = True
    if env.get("PYTHONDEVMODE"):
        o.flags["dev_mode"] = True
    if env.get("PYTHONWARNINGS"):
        o.warnings[:0] = env["PYTHONWARNINGS"].split(",")


def main(argv):
    """Run the program argv[0] with its arguments; returns the exit code."""
    _enter(os.environ)
    program = argv[0] if argv else "/usr/bin/python"
    if os.path.basename(program) == "predict":
        from . import predict

        o = Options()
        environment(o, os.environ)
        run.prepare(o, "/usr/bin/python", argv)
        return predict.main(argv[1:])
    try:
        o = parse(argv[1:])
    except Usage as e:
        sys.stderr.write("%s\n%sTry '%s -h' for more information.\n"
                         % (e, USAGE % program, os.path.basename(program)))
        return 2
    if o.help:
        sys.stdout.write(USAGE % program + HELP)
        return 0
    if o.versions:
        print("Python", sys.version if o.versions > 1 else sys.version.split()[0])
        return 0
    environment(o, os.environ)
    run.prepare(o, program, argv)
    return run.program(o)


def _enter(env):
    """Go to the working directory that the container was started in."""
    folder = env.get("PWD")
    if folder:
        try:
            os.chdir(folder)
        except OSError:
            pass  # a folder that is gone: stay at /, as a shell would
