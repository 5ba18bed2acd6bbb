"""Runs a WASI command on Wasmtime as Go's own go_wasip1_wasm_exec does: the
whole file system, PWD and PATH, and a stack of 8 MiB. The wheel has a library
only, so this takes the command's place: peer.py REPORT MODULE [ARG...]
writes into the file REPORT how many seconds compiling took."""

import ctypes
import json
import os
import sys
import threading
import time

import wasmtime
from wasmtime import _ffi

STACK = 8 << 20


def engine():
    config = wasmtime.Config()
    # The library refuses a stack larger than that of its fibers, whose size
    # Python has no name for.
    fibers = _ffi.dll.wasmtime_config_async_stack_size_set
    fibers.argtypes, fibers.restype = [ctypes.c_void_p, ctypes.c_size_t], None
    fibers(ctypes.cast(config.ptr(), ctypes.c_void_p), 2 * STACK)
    config.max_wasm_stack = STACK
    return wasmtime.Engine(config)


def run(report, path, *args):
    host = engine()
    started = time.monotonic()
    module = wasmtime.Module.from_file(host, path)
    with open(report, "w") as out:
        out.write(json.dumps({"Compile": time.monotonic() - started}) + "\n")
    store = wasmtime.Store(host)
    wasi = wasmtime.WasiConfig()
    wasi.argv = [path, *args]
    wasi.env = [(k, os.environ[k]) for k in ("PWD", "PATH", "TMPDIR")]
    wasi.preopen_dir("/", "/")
    wasi.inherit_stdin()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    store.set_wasi(wasi)
    linker = wasmtime.Linker(host)
    linker.define_wasi()
    try:
        linker.instantiate(store, module).exports(store)["_start"](store)
    except wasmtime.ExitTrap as end:
        return end.code
    return 0


def main():
    try:
        code.append(run(*sys.argv[1:]))
    except BaseException as problem:
        print(problem, file=sys.stderr)


code = []
threading.stack_size(8 * STACK)  # the main thread's may be too small
thread = threading.Thread(target=main)
thread.start()
thread.join()
sys.stderr.flush()
os._exit(code[0] if code else 134)
