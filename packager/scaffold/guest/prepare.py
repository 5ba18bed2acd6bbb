"""The part of a notebook that prepares its table, made into a function for one
request, and tried on rows of that table.

Nothing is believed of what was found by reading: the function is run here, on
all rows and on single ones. Statements that drop rows or fail are left out, and
the columns that a request has to bring are those without which it fails.
"""
import ast

import source as reader

SAMPLE = 500


class Plan:
    """A function prepare(FRAME) that gives the model its columns."""

    def __init__(self):
        self.top, self.lines, self.notes, self.raw, self.rows, self.loads = [], [], [], [], None, {}
        self.frame = "frame"

    def report(self):
        return {"top": self.top, "lines": self.lines, "notes": self.notes, "raw": self.raw, "frame": self.frame, "loads": self.loads}


class _Request(ast.NodeTransformer):
    """What holds for a table of many rows, made right for one of a request."""

    def __init__(self, saved):
        self.saved, self.dummies = saved, False

    def visit_Call(self, node):
        self.generic_visit(node)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = {k.arg for k in node.keywords}
        if name == "drop" and "errors" not in words and ("columns" in words or "axis" in words or len(node.args) > 1):
            node.keywords.append(ast.keyword("errors", ast.Constant("ignore")))  # a request has no target
        elif name == "get_dummies":
            self.dummies = True
            node.keywords = [k for k in node.keywords if k.arg != "drop_first"]
        elif name == "fit_transform" and isinstance(node.func.value, ast.Name) and node.func.value.id in self.saved:
            node.func.attr = "transform"
            node.args = node.args[:1]
        return node


def plan(source, table, features, model):
    """A plan that works on the table, or None when none is needed or found."""
    steps = source.walk_back()
    reads = [s for s in steps if reader._reads_table(s.node)]
    if len(reads) != 1:
        return None
    p = Plan()
    target = reads[0].node.targets[0]
    if not isinstance(target, ast.Name):
        return None
    p.frame = target.id
    saved = source.dumped()
    change = _Request(saved)
    final = source.frame()
    statements = []
    for s in steps:
        if s is reads[0]:
            continue
        alias = reader.split_alias(s.node)
        if alias:
            for name, expression in alias.items():
                if any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(final)):
                    final = _replaced(final, name, expression)
            continue
        if isinstance(s.node, ast.Assign) and len(s.node.targets) == 1 and isinstance(s.node.targets[0], ast.Name) \
                and s.node.targets[0].id in saved:
            p.loads[s.node.targets[0].id] = saved[s.node.targets[0].id]  # it is loaded, not made
            continue
        node = change.visit(ast.parse(s.text).body[0])
        statements.append((ast.unparse(ast.fix_missing_locations(node)), s))
    last = ast.unparse(ast.fix_missing_locations(change.visit(ast.parse(ast.unparse(final), mode="eval").body)))
    sample = table.head(SAMPLE)
    kept = _sieve(p, statements, sample, change)
    p.top, p.lines = _parted(p, kept)
    wanted = "%s.reindex(columns=FEATURES, fill_value=0)" % last if change.dummies else "%s[FEATURES]" % last
    p.lines.append(["return " + wanted, "the columns that the model was trained on"])
    if not kept and last == p.frame:
        return None
    try:
        whole = _run(p, sample, features)
    except Exception:
        return None
    _alone(p, sample, whole, features)
    p.raw = _raw(p, sample, features)
    p.rows = sample.dropna(subset=p.raw).head(3)
    if not len(p.rows):
        p.rows = sample.head(3)
    return p


def _parted(p, kept):
    """Statements that stand once in the file, and those that are done to each frame."""
    top, lines, touched = [], [], {p.frame}
    for text, s in kept:
        if (s.reads | s.writes) & touched and not isinstance(s.node, (ast.FunctionDef, ast.Import, ast.ImportFrom)):
            touched |= s.writes
            lines.append([text, s.place])
        else:
            top.append((text, s))
    read = set().union(*(s.reads for text, s in kept)) if kept else set()
    return [[text, s.place] for text, s in top
            if not isinstance(s.node, (ast.Import, ast.ImportFrom)) or s.writes & read], lines


def _replaced(node, name, expression):
    class Swap(ast.NodeTransformer):
        def visit_Name(self, n):
            return expression if n.id == name else n

    return Swap().visit(ast.parse(ast.unparse(node), mode="eval").body)


def _sieve(p, statements, sample, change):
    """The statements that a request can have: those that work and keep its rows."""
    space = _space(p, sample.copy())
    kept = []
    for text, s in statements:
        before = {n: len(v) for n, v in space.items() if _is_frame(v)}
        copy = {n: v.copy() if _is_frame(v) else v for n, v in space.items()}
        try:
            exec(compile(text, "prepare", "exec"), copy)
        except Exception as e:
            p.notes.append("%s fails by itself, %s: %s" % (s.place, _line(e), text))
            continue
        fewer = [n for n, v in copy.items() if _is_frame(v) and (
            len(v) < before[n] if n in before else before and len(v) < max(before.values()))]
        if fewer:
            p.notes.append("%s drops rows, which a request cannot: %s" % (s.place, text))
            if not all(n in before for n in fewer):
                for n in fewer:
                    if n not in before:  # a new name for fewer rows is the same rows here
                        base = reader._root(s.node.value) if isinstance(s.node, ast.Assign) else None
                        if base in space:
                            space[n] = space[base]
                            kept.append(("%s = %s" % (n, base), s))
            continue
        space = copy
        kept.append((text, s))
    return kept


def _line(e):
    return ("%s %s" % (type(e).__name__, e)).split("\n")[0][:200]


def _is_frame(value):
    return type(value).__module__.startswith("pandas") and hasattr(value, "columns") and hasattr(value, "iloc")


def _space(p, frame):
    import os

    import pickled

    space = {"__builtins__": __builtins__, p.frame: frame}
    for name, file in list(p.loads.items()):
        path = os.path.basename(file)
        try:
            space[name] = pickled.load(path, "joblib")
        except Exception:
            del p.loads[name]
    return space


def _run(p, frame, features):
    """What prepare gives for these rows."""
    space = _space(p, None)
    space["FEATURES"] = list(features)
    for text, _ in p.top:
        exec(compile(text, "prepare", "exec"), space)
    body = "\n".join("    " + line for text, _ in p.lines for line in text.split("\n"))
    exec(compile("def prepare(%s):\n%s\n" % (p.frame, body), "prepare", "exec"), space)
    out = space["prepare"](frame.copy())
    if len(out) != len(frame):
        raise ValueError("the rows are others afterwards")
    return out


def _alone(p, sample, whole, features):
    """Notes when rows by themselves come out differently than in the table."""
    for at in range(min(5, len(sample))):
        try:
            one = _run(p, sample.iloc[at:at + 1], features)
        except Exception as e:
            p.notes.append("a row by itself fails: %s" % _line(e))
            return
        if not _same(one.iloc[0], whole.iloc[at]):
            columns = [str(c) for c in whole.columns if not _equal(one.iloc[0][c], whole.iloc[at][c])]
            p.notes.append("computed from all rows, so that one row by itself comes out differently: %s. "
                           "Write the number that training had" % ", ".join(columns[:10]))
            return


def _same(a, b):
    return all(_equal(a[c], b[c]) for c in b.index)


def _equal(x, y):
    if x is y or x == y:
        return True
    try:
        return abs(x - y) <= 1e-9 * max(abs(x), abs(y)) or (x != x and y != y)
    except TypeError:
        return False


def _raw(p, sample, features):
    """The columns of the table without which prepare fails."""
    needed = []
    few = sample.head(2)
    for name in sample.columns:
        try:
            out = _run(p, few.drop(columns=[name]), features)
            if not all(_same(out.iloc[i], w) for i, w in enumerate(_run(p, few, features).iloc)):
                needed.append(str(name))
        except Exception:
            needed.append(str(name))
    return needed
