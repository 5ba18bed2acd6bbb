"""Answers jobs, one line of JSON each: {"do": MODULE, ...} on stdin, and what that
module answers on stdout. What models print goes to stderr.
"""
import importlib
import json
import sys


def main():
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        job = json.loads(line)
        said = importlib.import_module(job["do"]).answer(job)
        out.write(json.dumps(said, allow_nan=False, default=str) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
