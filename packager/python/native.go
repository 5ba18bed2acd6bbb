package python

import "strings"

// export is the advice for a framework whose models can be exported.
func export(line string) string {
	return "native code. Export the model where you train, and serve the file: " + line
}

// needsNative says what to do instead of packages that exist only as native
// code, by canonical name.
var needsNative = map[string]string{
	"torch":                export("torch.onnx.export(model, (example,), 'model.onnx')"),
	"torchvision":          export("torch.onnx.export(model, (example,), 'model.onnx')") + "; for images: Pillow is in the base",
	"torchaudio":           export("torch.onnx.export(model, (example,), 'model.onnx')"),
	"tensorflow":           export("python -m tf2onnx.convert --saved-model DIR --output model.onnx"),
	"tensorflow-cpu":       export("python -m tf2onnx.convert --saved-model DIR --output model.onnx"),
	"tflite-runtime":       export("python -m tf2onnx.convert --tflite MODEL --output model.onnx"),
	"jaxlib":               export("jax2tf, then python -m tf2onnx.convert --saved-model DIR --output model.onnx"),
	"xgboost":              export("onnxmltools.convert_xgboost(model, initial_types=[('x', FloatTensorType([None, N]))])"),
	"lightgbm":             export("onnxmltools.convert_lightgbm(model, initial_types=[('x', FloatTensorType([None, N]))])") + "; or train HistGradientBoostingClassifier of scikit-learn",
	"catboost":             export("model.save_model('model.onnx', format='onnx')"),
	"onnxruntime":          "native code; the base has a module onnxruntime 1.18 of its own: leave the version open",
	"tokenizers":           "native code; export the pipeline with its tokenizer to ONNX",
	"sentencepiece":        "native code; export the pipeline with its tokenizer to ONNX",
	"safetensors":          "native code; numpy.load of an .npz file does the same",
	"spacy":                "native code; scikit-learn's text features are in the base",
	"gensim":               "native code; scikit-learn's text features are in the base",
	"shap":                 "native code; sklearn.inspection.permutation_importance is in the base",
	"prophet":              "native code; statsmodels is in the base",
	"numba":                "a native compiler; write the loop with numpy",
	"llvmlite":             "a native compiler; write the loop with numpy",
	"polars":               "native code; pandas is in the base",
	"pyarrow":              "native code; pandas reads CSV, JSON and Excel here; convert .parquet where you train",
	"fastparquet":          "native code; pandas reads CSV, JSON and Excel here; convert .parquet where you train",
	"duckdb":               "native code; sqlite3 is in the base",
	"h5py":                 "native code; numpy.load of an .npz file does the same",
	"tables":               "native code; pandas reads CSV, JSON and Excel here",
	"opencv-python":        "native code; Pillow and scipy.ndimage are in the base",
	"scikit-image":         "native code; Pillow and scipy.ndimage are in the base",
	"pydantic-core":        "native code; pydantic==1.10.27 does without it, and FastAPI with that: fastapi==0.118.3 (both lines)",
	"orjson":               "native code; json of the standard library",
	"ujson":                "native code; json of the standard library",
	"python-rapidjson":     "native code; json of the standard library",
	"msgspec":              "native code; json and dataclasses of the standard library",
	"psycopg2":             "native code; pg8000 is pure Python",
	"psycopg2-binary":      "native code; pg8000 is pure Python",
	"psycopg-binary":       "native code; pg8000 is pure Python",
	"asyncpg":              "native code; pg8000 is pure Python",
	"mysqlclient":          "native code; PyMySQL is pure Python",
	"pyodbc":               "native code; a driver in pure Python does without it",
	"cryptography":         "native code; hashlib, hmac and secrets are in the base; encrypt outside of the guest",
	"bcrypt":               "native code; hashlib.pbkdf2_hmac of the standard library",
	"argon2-cffi-bindings": "native code; hashlib.pbkdf2_hmac of the standard library",
	"cffi":                 "calls native libraries, of which a guest has none",
	"rpds-py":              "native code; jsonschema<4.18 does without it",
	"greenlet":             "native code; use asyncio",
	"gevent":               "native code; use asyncio",
	"uvloop":               "native code; asyncio's own loop works: write uvicorn without [standard], or nothing, for the host serves",
	"httptools":            "native code; the host serves: write uvicorn without [standard], or nothing",
	"watchfiles":           "native code; an image does not change while it runs: write uvicorn without [standard], or nothing",
	"grpcio":               "native code; serve HTTP and JSON",
	"ray":                  "starts processes; scikit-learn with n_jobs=1 does the work here",
	"psutil":               "asks the operating system, which a guest does not see; leave it out",
	"pywin32":              "Windows only; leave it out",
	"pywinpty":             "Windows only; leave it out",
	"pyobjc-core":          "macOS only; leave it out",
	"cython":               "a compiler; nothing is compiled in the image",
	"cupy":                 "a GPU library; numpy is in the base",
	"triton":               "a GPU library; leave it out",
}

// nativePrefixes cover families of native packages.
var nativePrefixes = map[string]string{
	"nvidia-":       "a GPU library; leave it out",
	"opencv-":       "native code; Pillow and scipy.ndimage are in the base",
	"pyobjc-":       "macOS only; leave it out",
	"tensorflow-io": "native code; leave it out",
	"onnxruntime-":  "native code; serve the .onnx file itself instead of loading it in Python",
	"intel-":        "native code; leave it out",
}

// nativeAdvice says what to do instead of a package known to be native.
func nativeAdvice(name string) (string, bool) {
	if advice, ok := needsNative[name]; ok {
		return advice, true
	}
	for p, advice := range nativePrefixes {
		if strings.HasPrefix(name, p) {
			return advice, true
		}
	}
	return "", false
}

// installers are never wanted in an image of this base.
var installers = set("pip", "setuptools", "wheel", "uv", "distribute", "ensurepip", "conda", "mamba")

// devTools are tools of the developer and what only they need; a pip freeze is
// full of them. They are left out with --use-base-versions.
var devTools = set(
	"ansible", "appnope", "argon2-cffi", "argon2-cffi-bindings", "astroid", "asttokens", "async-lru", "autopep8", "backcall", "bandit",
	"black", "bleach", "build", "bumpversion", "comm", "coverage", "cython", "debugpy", "docutils", "entrypoints",
	"executing", "fastjsonschema", "flake8", "flit", "gitpython", "hatch", "hatchling", "identify", "ipdb", "ipykernel", "ipython",
	"ipython-genutils", "ipython-pygments-lexers", "ipywidgets", "isoduration", "isort", "jedi", "json5", "jupyter",
	"jupyter-client", "jupyter-console", "jupyter-core", "jupyter-events", "jupyter-lsp", "jupyter-server",
	"jupyter-server-terminals", "jupyterlab", "jupyterlab-pygments", "jupyterlab-server", "jupyterlab-widgets",
	"matplotlib-inline", "mccabe", "meson", "meson-python", "mistune", "mkdocs", "mypy", "mypy-extensions", "nbclient", "nbconvert",
	"nbformat", "nest-asyncio", "ninja", "nodeenv", "notebook", "notebook-shim", "nox", "overrides", "pandocfilters", "parso", "pathspec",
	"pexpect", "pickleshare", "pipdeptree", "pipenv", "pipx", "poetry", "poetry-core", "pre-commit", "prometheus-client", "prompt-toolkit", "psutil", "ptyprocess",
	"pure-eval", "pybind11", "pycodestyle", "pyflakes", "pylint", "pytest", "pytest-asyncio", "pytest-cov", "pytest-mock",
	"pytest-xdist", "python-json-logger", "pywin32", "pywinpty", "pyzmq", "qtconsole", "qtpy", "rfc3339-validator",
	"rfc3986-validator", "ruff", "send2trash", "snowballstemmer", "sphinx", "spyder", "stack-data", "terminado", "tinycss2", "tornado",
	"tox", "traitlets", "twine", "uri-template", "virtualenv", "wcwidth", "webcolors", "widgetsnbextension", "yapf",
)
