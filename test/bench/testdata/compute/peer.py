"""Runs kernels on Wasmtime: a line of JSON in, a line of JSON out.

{"load": FILE}                      a module without imports, for the next ones
{"run": NAME, "rounds": N}          what it answers, and seconds of this process and of the clock
"""
import json
import sys
import time

import wasmtime

store = wasmtime.Store(wasmtime.Engine())
exports = {}

for line in sys.stdin:
    asked, said = json.loads(line), {}
    if "load" in asked:
        module = wasmtime.Module.from_file(store.engine, asked["load"])
        own = wasmtime.Instance(store, module, []).exports(store)
        exports.update({name: own[name] for name in own.keys()})
    else:
        call = exports[asked["run"]]
        wall, cpu = time.perf_counter(), time.process_time()
        answer = call(store, asked["rounds"])
        said = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "answer": answer & 0xFFFFFFFF}
    print(json.dumps(said), flush=True)
