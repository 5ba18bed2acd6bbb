"""Exports models as people do, with the exporters' own defaults: exports.py FOLDER"""
import sys, warnings
warnings.filterwarnings("ignore")
import numpy as np
import pandas as pd
import onnx, onnx.helper as helper, onnx.numpy_helper as numpy_helper, onnx.version_converter
import onnxmltools, skl2onnx, lightgbm, xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from onnxruntime.quantization import quantize_dynamic
from skl2onnx.common.data_types import StringTensorType
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingRegressor, IsolationForest, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from layout import write

root = sys.argv[1]
X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
names = np.array(["setosa", "versicolor", "virginica"])[y]
asked = X[np.random.default_rng(1).permutation(len(X))[:100]]


def skl(name, model, labels=names, **options):
    fitted = model.fit(X, labels)
    exported = skl2onnx.to_onnx(fitted, X[:1], **options)
    write(root, name, exported, {"X": asked})


skl("logistic regression", LogisticRegression(max_iter=500))
skl("logistic regression of numbers", LogisticRegression(max_iter=500), y)
skl("forest", RandomForestClassifier(n_estimators=20, random_state=0))
skl("forest without ZipMap", RandomForestClassifier(n_estimators=20, random_state=0), options={"zipmap": False})
skl("forest in columns", RandomForestClassifier(n_estimators=20, random_state=0), options={"zipmap": "columns"})
skl("gradient boosting", GradientBoostingRegressor(n_estimators=20, random_state=0), y)
skl("naive Bayes", GaussianNB())
skl("neighbours", KNeighborsClassifier())
skl("support vectors", SVC(probability=True, random_state=0))
skl("perceptron", make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=300, random_state=0)))
skl("linear", make_pipeline(PCA(2), LinearRegression()), y)
skl("clusters", KMeans(3, random_state=0, n_init=1), y)
skl("isolation", IsolationForest(n_estimators=20, random_state=0), y, target_opset={"": 21, "ai.onnx.ml": 3})
wide = X.astype(np.float64)
process = GaussianProcessRegressor(alpha=1e-2).fit(wide, y)
write(root, "Gaussian process", skl2onnx.to_onnx(process, wide[:1]), {"X": asked.astype(np.float64)})

frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "kind": np.array(["x", "y", "z"])[y]})
columns = ColumnTransformer([("numbers", StandardScaler(), ["a", "b"]), ("words", OneHotEncoder(handle_unknown="ignore"), ["kind"])])
pipeline = make_pipeline(columns, LogisticRegression()).fit(frame, names)
write(root, "frame", skl2onnx.to_onnx(pipeline, frame[:1]), {c: frame[c].to_numpy()[:100, None] for c in frame})

texts = ["the cat sat", "a dog ran", "The Cat ran", "dog dog cat", "nobody sat"] * 20
words = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [len(t) % 2 for t in texts])
exported = skl2onnx.to_onnx(words, initial_types=[("text", StringTensorType([None]))])
plain = onnx.ModelProto.FromString(exported.SerializeToString())
for node in plain.graph.node:  # not every machine has the locale en_US, which is the operator's own
    if node.op_type == "StringNormalizer":
        node.attribute.append(helper.make_attribute("locale", "C"))
write(root, "words", exported, {"text": np.array(texts, dtype=object)}, reference=plain)

kind = [("input", FloatTensorType([None, 4]))]
write(root, "XGBoost", onnxmltools.convert_xgboost(xgboost.XGBClassifier(n_estimators=20, max_depth=3).fit(X, y), initial_types=kind), {"input": asked})
write(root, "XGBoost, one number", onnxmltools.convert_xgboost(xgboost.XGBRegressor(n_estimators=20, max_depth=3).fit(X, y), initial_types=kind), {"input": asked})
boosted = onnxmltools.convert_lightgbm(lightgbm.LGBMClassifier(n_estimators=20, verbose=-1).fit(X, y), initial_types=kind)
write(root, "LightGBM", boosted, {"input": asked})
boosted = onnxmltools.convert_lightgbm(lightgbm.LGBMRegressor(n_estimators=20, verbose=-1).fit(X, y), initial_types=kind)
write(root, "LightGBM, one number", boosted, {"input": asked})


def network(opset, ir, element=np.float32):
    """Two layers of a network, as exporters of networks write them."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(element))
    random = np.random.default_rng(2)
    weights = {"w1": random.normal(size=(4, 16)), "b1": random.normal(size=16), "w2": random.normal(size=(16, 3)), "b2": random.normal(size=3)}
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"]), helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "w2", "b2"], ["l"]), helper.make_node("Softmax", ["l"], ["y"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes, "network", [helper.make_tensor_value_info("x", kind, ["n", 4])], [helper.make_tensor_value_info("y", kind, ["n", 3])],
        [numpy_helper.from_array(v.astype(element), k) for k, v in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


write(root, "network of today", network(onnx.defs.onnx_opset_version() - 3, onnx.IR_VERSION - 1), {"x": asked})
write(root, "network with external data", network(18, 10), {"x": asked}, external=True)
onnx.save(network(17, 8), root + "/float.onnx")
quantize_dynamic(root + "/float.onnx", root + "/int8.onnx")
write(root, "network of int8", onnx.load(root + "/int8.onnx"), {"x": asked})
write(root, "network of float16", network(18, 9, np.float16), {"x": asked.astype(np.float16)})
