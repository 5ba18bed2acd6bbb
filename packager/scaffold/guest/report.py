"""Says what a pickled model is, and what the notebook or script beside it does
to its data. It runs in the sandbox: reading a pickle runs what is in it.

    python report.py JOB.json   ->   one line of JSON on stdout
"""
import json
import os
import sys


def main():
    out = sys.stdout
    sys.stdout = sys.stderr  # what the model itself prints is no report
    with open(sys.argv[1], encoding="utf-8") as f:
        job = json.load(f)
    mlflow = None
    if os.path.basename(job["model"]) == "MLmodel":
        import mlmodel

        mlflow = mlmodel.Folder(job["model"])
        if mlflow.flavor != "sklearn":
            out.write(json.dumps({"mlflow": mlflow.report(), "kind": "other"}) + "\n")
            return
        job["model"] = os.path.join(mlflow.folder, mlflow.file)
    folder = os.path.dirname(job["model"])
    sys.path.insert(0, folder)
    os.chdir(folder)
    import warnings

    warnings.simplefilter("ignore")
    source = None
    if job.get("source"):
        import source as reader

        source = reader.Source(job["source"], job["model"])
    import pickled

    report = pickled.report(job["model"], source)
    if source is not None:
        report["source"] = source.report()
    if "problem" not in report:
        import rows

        rows.add(report, pickled.loaded, source)
        if mlflow is not None:
            mlflow.complete(report)
    if mlflow is not None:
        report["mlflow"] = mlflow.report()
        if mlflow.version and "scikit-learn" not in report["versions"]:
            report["versions"]["scikit-learn"] = str(mlflow.version)
    out.write(json.dumps(report, allow_nan=False, default=str) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
