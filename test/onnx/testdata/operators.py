"""Writes what operators.txt is made of: a line of JSON for each operator, with its versions and a model for
each version and type of elements, to ask the engine with."""
import base64, json
import onnx, onnx.defs as defs, onnx.helper as helper
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

ENGINE_OPSET = 21
ELEMENTS = {
    name: i + 1
    for i, name in enumerate(
        "float uint8 int8 uint16 int16 int32 int64 string bool float16 double uint32 uint64 complex64 complex128 bfloat16 "
        "float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz uint4 int4".split()
    )
}
# New attributes that do nothing for the types that an operator had before.
IDLE = {("Cast", "round_mode"), ("CastLike", "round_mode"), ("Range", "stash_type")}
# ONNX's shape inference refuses every made-up one, and the engine has no kernel.
ABSENT = {("ai.onnx.ml", "TreeEnsemble", 5)}
TEXTS = {"equation": "i->i", "direction": "forward", "mode": "TF", "post_transform": "NONE"}


def typ(text, into=None):
    into = into if into is not None else onnx.TypeProto()
    kind, inner = text[:-1].split("(", 1)
    if kind == "tensor":
        into.tensor_type.elem_type = ELEMENTS[inner]
    elif kind == "seq":
        typ(inner, into.sequence_type.elem_type)
    elif kind == "optional":
        typ(inner, into.optional_type.elem_type)
    elif kind == "map":
        key, value = (s.strip() for s in inner.split(",", 1))
        into.map_type.key_type = ELEMENTS[key]
        typ(value if "(" in value else f"tensor({value})", into.map_type.value_type)
    else:
        raise KeyError(text)
    return into


def attribute(name, kind):
    values = {
        "INT": 1, "FLOAT": 1.0, "STRING": TEXTS.get(name, "x"), "INTS": [1], "FLOATS": [1.0], "STRINGS": ["a"],
        "TENSOR": helper.make_tensor("t", 1, [1], [1.0]), "TYPE_PROTO": typ("tensor(float)"),
    }
    return helper.make_attribute(name, values[kind]) if kind in values else None


def models(domain, name, version, opset, inputs, outputs, attributes, constraints, least):
    """A model for each type of each parameter, the others being of the likeliest type."""
    liked = ["tensor(float)", "tensor(int64)", "tensor(string)", "tensor(uint8)"]
    plain = {k: next((t for t in liked if t in allowed), sorted(allowed)[0]) for k, allowed in constraints.items()}
    choices = [dict(plain, **{k: t}) for k, allowed in constraints.items() for t in sorted(allowed)] or [{}]
    for choice in choices:
        graph = onnx.GraphProto(name="g")
        node = graph.node.add(op_type=name, domain=domain, name="n", attribute=attributes)
        try:
            for i, (kind, optional) in enumerate(inputs):
                if optional and i >= least:
                    break
                node.input.append(f"i{i}")
                value = graph.input.add(name=f"i{i}")
                value.type.CopyFrom(typ(choice.get(kind, kind)))
        except KeyError:  # a type that the engine's release of ONNX has not
            continue
        for i in range(max(1, sum(not optional for optional in outputs))):
            node.output.append(f"o{i}")
            graph.output.add(name=f"o{i}")
        model = onnx.ModelProto(ir_version=10, graph=graph)
        model.opset_import.add(domain="", version=opset if domain == "" else ENGINE_OPSET)
        if domain:
            model.opset_import.add(domain=domain, version=opset)
        yield base64.b64encode(model.SerializeToString()).decode()


def since(old, new):
    """The signs for what came with a version."""
    signs = ""
    before = {a.name for a in old.attributes.values()}
    for a in sorted(new.attributes.values(), key=lambda a: a.name):
        if a.name not in before:
            plain = a.default_value
            value = "*" if (new.name, a.name) in IDLE else {2: str(plain.i), 3: plain.s.decode()}.get(plain.type, "?")
            signs += f"@{a.name}={value}"
    if len(old.inputs) != len(new.inputs):
        signs += "!"
    per = lambda s: {c.type_param_str: {t[7:-1] for t in c.allowed_type_strs if t.startswith("tensor(")} for c in s.type_constraints}
    was, now = per(old), per(new)
    had, has = set().union(*was.values()), set().union(*now.values())
    if had == has and set(was) == set(now):  # one parameter takes what another did
        added = set().union(*(now[k] - was[k] for k in now))
    else:
        added = has - had
    if new.name == "QLinearMatMul":  # its scales were float, without a parameter
        added -= {"float"}
    return signs + "".join("+" + t for t in sorted(added) if t in ELEMENTS)


def emit(domain, name, versions):
    print(json.dumps({"domain": domain or "ai.onnx", "name": name, "versions": versions}))


def own():
    history = {}
    for s in defs.get_all_schemas_with_history():
        if s.domain in ("", "ai.onnx.ml"):
            history.setdefault((s.domain, s.name), []).append(s)
    extra = {}
    for s in get_all_operator_schema():
        if s.domain == "":
            known = {(x.name, x.since_version) for x in history.get(("", s.name), [])}
            if s.name in ("SimplifiedLayerNormalization",) or s.name in ("LayerNormalization", "MeanVarianceNormalization", "ThresholdedRelu") and (s.name, s.since_version) not in known:
                extra.setdefault(s.name, set()).add(s.since_version)
    for domain, name in sorted(set(history) | {("", n) for n in extra}):
        versions = [{"since": v, "signs": "", "models": None} for v in sorted(extra.get(name, [])) if domain == ""]
        previous = None
        for s in sorted(history.get((domain, name), []), key=lambda s: s.since_version):
            v = {"since": s.since_version, "signs": "", "models": None}
            if previous is not None and s.since_version >= ENGINE_OPSET and domain == "":
                v["signs"] = since(previous, s)
            if s.deprecated:
                v["old"] = True
            elif s.since_version <= ENGINE_OPSET:
                option = defs.OpSchema.FormalParameterOption.Optional
                v["models"] = [] if (domain, name, s.since_version) in ABSENT else list(models(
                    domain, name, s.since_version, s.since_version, [(i.type_str, i.option == option) for i in s.inputs],
                    [o.option == option for o in s.outputs],
                    [a for a in (attribute(a.name, a.type.name) for a in s.attributes.values() if a.required) if a],
                    {c.type_param_str: c.allowed_type_strs for c in s.type_constraints}, s.min_input,
                ))
            versions.append(v)
            previous = s
        emit(domain, name, versions)


def microsoft():
    for s in sorted(get_all_operator_schema(), key=lambda s: s.name):
        if s.domain == "com.microsoft":
            optional = lambda p: "Optional" in str(p.option)
            emit(s.domain, s.name, [{"since": s.since_version, "signs": "", "models": list(models(
                s.domain, s.name, s.since_version, s.since_version, [(i.typeStr, optional(i)) for i in s.inputs], [optional(o) for o in s.outputs],
                [a for a in (attribute(a.name, str(a.type).split(".")[-1]) for a in s.attributes.values() if a.required) if a],
                {c.type_param_str: c.allowed_type_strs for c in s.type_constraints}, s.min_input,
            ))}])


own()
microsoft()
