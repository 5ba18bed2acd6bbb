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
    out.write(json.dumps(report, allow_nan=False, default=str) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
