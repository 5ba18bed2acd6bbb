"""What a notebook or a script says about a model: read, never run whole.

Its statements are looked at with ast. Those that prepare the data between the
reading of a table and the training are found by walking back from the call of
fit; see prepare.py for what is done with them.
"""
import ast
import json
import os

READERS = ("read_csv", "read_table", "read_parquet", "read_excel", "read_json", "read_feather")
_SPLITS = ("train_test_split",)


class Statement:
    """One statement of the top level, and where it stands."""

    def __init__(self, node, text, place):
        self.node, self.text, self.place = node, text, place
        self.writes, self.reads = _names(node)


class Source:
    """A notebook or a script."""

    def __init__(self, path, model):
        self.path, self.model, self.name = path, model, os.path.basename(path)
        self.skipped = []
        self.statements = []
        for place, text in _cells(path):
            self._parse(place, text)
        self.used = []

    def _parse(self, place, text):
        text = _without_magic(text)
        try:
            tree = ast.parse(text)
        except SyntaxError as e:
            self.skipped.append("%s: line %s: %s" % (place, e.lineno, e.msg))
            return
        for node in tree.body:
            self.statements.append(Statement(node, ast.get_source_segment(text, node) or ast.unparse(node),
                                             "%s line %d" % (place, node.lineno) if place else "line %d" % node.lineno))

    def report(self):
        """What was found, for people."""
        return {"name": self.name, "skipped": self.skipped[:20], "table": self.table_name() or ""}

    # What the pickle may refer to.

    def define(self, main):
        """Put the functions and classes of the top level into a module that stands
        for __main__; returns their text, with the imports they need."""
        picked = [s for s in self.statements if isinstance(s.node, (ast.FunctionDef, ast.ClassDef))]
        if not picked:
            return []
        needed, wanted = [], set().union(*(s.reads for s in picked))
        for s in self.statements:
            if isinstance(s.node, (ast.Import, ast.ImportFrom)) and s.writes & wanted:
                needed.append(s)
            elif isinstance(s.node, ast.Assign) and s.writes & wanted and not s.reads and not _calls(s.node):
                needed.append(s)
        chosen = [s for s in self.statements if s in needed or s in picked]
        kept = []
        for s in chosen:
            try:
                exec(compile(s.text, self.name, "exec"), main.__dict__)
                kept.append({"text": s.text, "place": s.place, "names": sorted(s.writes)})
            except Exception as e:
                self.skipped.append("%s: %s: %s" % (s.place, type(e).__name__, e))
        return kept

    # Tables.

    def reader(self):
        """The statement that reads the table which the model was trained on."""
        found = [s for s in self.statements if _reads_table(s.node)]
        wanted = self.walk_back()
        for s in found:
            if wanted and s in wanted:
                return s
        return found[0] if found else None

    def table_name(self):
        s = self.reader()
        return _literal_path(s.node) if s else None

    def table(self):
        """That table, when its file is there; the first rows of it."""
        s = self.reader()
        name = _literal_path(s.node) if s else None
        if not name or "://" in name:
            return None
        for place in (name, os.path.basename(name), os.path.join("data", os.path.basename(name))):
            path = os.path.join(os.path.dirname(self.path), place)
            if os.path.isfile(path):
                return _read(s.node, path)
        return None

    # Calls of the model.

    def calls(self):
        """Values written out in calls of predict and the like, and in frames."""
        values = {}
        for s in self.statements:
            if isinstance(s.node, ast.Assign) and len(s.node.targets) == 1 and isinstance(s.node.targets[0], ast.Name):
                value = _value(s.node.value, values)
                if value is not None:
                    values[s.node.targets[0].id] = value
        for s in self.statements:
            for call in _calls(s.node):
                if isinstance(call.func, ast.Attribute) and call.func.attr in ("predict", "predict_proba", "transform") and call.args:
                    value = _value(call.args[0], values)
                    if value is not None:
                        yield value

    # Preparation.

    def fit(self):
        """The call that trains the model, and its statement."""
        name = self._dumped()
        found = []
        for s in self.statements:
            for call in _calls(s.node):
                if isinstance(call.func, ast.Attribute) and call.func.attr == "fit" and call.args:
                    mine = _root(call.func.value) == name or name in s.writes
                    found.append((mine, s, call))
        mine = [f for f in found if f[0]]
        chosen = (mine or found)[-1:] if name or len(found) == 1 else found[-1:]
        return (chosen[0][1], chosen[0][2]) if chosen else (None, None)

    def _dumped(self):
        """The name that is saved as the model."""
        first = None
        for s in self.statements:
            for call in _calls(s.node):
                if isinstance(call.func, ast.Attribute) and call.func.attr == "dump" and call.args:
                    name = _root(call.args[0])
                    if os.path.basename(self.model) in ast.unparse(s.node):
                        return name
                    first = first or name
        return first

    def dumped(self):
        """Name -> file of everything that is saved."""
        out = {}
        for s in self.statements:
            for call in _calls(s.node):
                if isinstance(call.func, ast.Attribute) and call.func.attr == "dump" and len(call.args) > 1:
                    files = [n.value for n in ast.walk(call.args[1]) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
                    if files and isinstance(call.args[0], ast.Name):
                        out[call.args[0].id] = files[0]
        return out

    def frame(self):
        """The expression of the training data: the first argument of fit."""
        _, call = self.fit()
        return call.args[0] if call is not None else None

    def walk_back(self):
        """The statements that the training data comes out of, in their order."""
        end, call = self.fit()
        if end is None:
            return []
        wanted = {n.id for n in ast.walk(call.args[0]) if isinstance(n, ast.Name)}
        picked = []
        before = self.statements[:self.statements.index(end)]
        for s in reversed(before):
            if not s.writes & wanted:
                continue
            picked.append(s)
            if _reads_table(s.node):
                continue
            split = _split_call(s.node)
            if split is not None:
                wanted |= _split_source(s.node, split, wanted)
                continue
            wanted |= s.reads
        picked.reverse()
        return picked


def _cells(path):
    """The code of a notebook by cell, or of a script."""
    with open(path, encoding="utf-8", errors="replace") as f:
        text = f.read(1 << 24)
    if not path.endswith(".ipynb"):
        yield "", text
        return
    book = json.loads(text)
    cells = book.get("cells")
    if cells is None:  # format 3
        cells = [c for sheet in book.get("worksheets", []) for c in sheet.get("cells", [])]
    for n, cell in enumerate(cells, 1):
        if cell.get("cell_type") == "code":
            code = cell.get("source", cell.get("input", ""))
            yield "cell %d" % n, code if isinstance(code, str) else "".join(code)


def _without_magic(text):
    """Code without the lines that only a notebook knows."""
    if text.lstrip().startswith("%%"):
        return ""
    return "\n".join("" if line.lstrip()[:1] in ("%", "!") or line.rstrip().endswith("?") else line for line in text.split("\n"))


def _calls(node):
    return [n for n in ast.walk(node) if isinstance(n, ast.Call)]


def _root(node):
    """The name that an expression begins with: df of df["a"].str.lower()."""
    while True:
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            return None


_MUTATORS = ("insert", "pop", "update", "append", "extend", "add", "setdefault", "sort", "remove", "clear")


def _names(node):
    """The names that a statement writes, and those it reads."""
    writes, reads = set(), set()
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        reads = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        return {node.name}, reads
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(a.asname or a.name.partition(".")[0]) for a in node.names}, set()
    for n in ast.walk(node):
        if isinstance(n, ast.Name):
            (reads if isinstance(n.ctx, ast.Load) else writes).add(n.id)
        elif isinstance(n, (ast.Subscript, ast.Attribute)) and not isinstance(n.ctx, ast.Load):
            writes.add(_root(n))
        elif isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute):
            inplace = any(k.arg == "inplace" for k in n.keywords)
            if inplace or isinstance(node, ast.Expr) and n is node.value and n.func.attr in _MUTATORS:
                writes.add(_root(n.func))
    writes.discard(None)
    return writes, reads


def _reads_table(node):
    """Whether a statement is NAME = pd.read_csv(...)."""
    return isinstance(node, ast.Assign) and any(
        isinstance(c.func, ast.Attribute) and c.func.attr in READERS for c in _calls(node))


def _literal_path(node):
    for call in _calls(node):
        if isinstance(call.func, ast.Attribute) and call.func.attr in READERS:
            for arg in call.args[:1] + [k.value for k in call.keywords if k.arg in ("filepath_or_buffer", "path", "io")]:
                texts = [n.value for n in ast.walk(arg) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
                if texts:
                    return os.path.join(*[t.replace("\\", "/") for t in texts]) if len(texts) > 1 else texts[0].replace("\\", "/")
    return None


def _read(node, path):
    """The table that a call reads, with the options written out in it."""
    import pandas as pd

    for call in _calls(node):
        if isinstance(call.func, ast.Attribute) and call.func.attr in READERS:
            options = {}
            for k in call.keywords:
                try:
                    if k.arg and k.arg not in ("filepath_or_buffer", "path", "io"):
                        options[k.arg] = ast.literal_eval(k.value)
                except ValueError:
                    pass
            try:
                return getattr(pd, call.func.attr)(path, **options)
            except Exception:
                return None
    return None


def _value(node, names):
    """A value that is written out: literals, np.array(...), pd.DataFrame(...)."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("array", "DataFrame", "asarray"):
        value = _value(node.args[0], names) if node.args else None
        return value
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _split_call(node):
    for call in _calls(node):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in _SPLITS:
            return call
    return None


def split_alias(node):
    """target -> expression of X_train, X_test, y_train, y_test = train_test_split(X, y)."""
    call = _split_call(node)
    if call is None or not isinstance(node, ast.Assign) or not isinstance(node.targets[0], (ast.Tuple, ast.List)):
        return {}
    out = {}
    for i, target in enumerate(node.targets[0].elts):
        if isinstance(target, ast.Name) and i // 2 < len(call.args):
            out[target.id] = call.args[i // 2]
    return out


def _split_source(node, call, wanted):
    """The names behind those parts of a split that are wanted."""
    out = set()
    alias = split_alias(node)
    for name, expression in alias.items():
        if name in wanted:
            out |= {n.id for n in ast.walk(expression) if isinstance(n, ast.Name)}
    return out or {n.id for a in call.args[:1] for n in ast.walk(a) if isinstance(n, ast.Name)}
