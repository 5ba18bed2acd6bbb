"""Says what a pickled model is, and what the notebook or script beside it does
to its data. It runs in the sandbox: reading a pickle runs what is in it.
"""
import os


def answer(job):
    """The report on {"model": PATH, "source": PATH or nothing}."""
    mlflow = None
    if os.path.basename(job["model"]) == "MLmodel":
        import mlmodel

        mlflow = mlmodel.Folder(job["model"])
        if mlflow.flavor != "sklearn":
            return {"mlflow": mlflow.report(), "kind": "other"}
        job["model"] = os.path.join(mlflow.folder, mlflow.file)
    import beside

    source = beside.enter(job["model"], job.get("source"))
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
    return report
