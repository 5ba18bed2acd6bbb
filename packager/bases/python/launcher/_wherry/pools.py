"""Executors and pools that call at once, in the guest's one thread."""
import itertools


class _Inline:
    """submit of an executor: the call is made before it returns."""

    def submit(self, fn, /, *args, **kwargs):
        """Call fn and return a future that is done."""
        from concurrent.futures import Future

        if getattr(self, "_shutdown", False) or getattr(self, "_shutdown_thread", False):
            raise RuntimeError("cannot schedule new futures after shutdown")
        future = Future()
        future.set_running_or_notify_cancel()
        try:
            self._initialize_once()
            result = fn(*args, **kwargs)
        except BaseException as e:
            future.set_exception(e)
        else:
            future.set_result(result)
        return future

    def _initialize_once(self):
        """The initializer of a worker, which here is the caller."""
        initializer, arguments = self.__dict__.pop("_wherry_initializer", (None, ()))
        if initializer is not None:
            initializer(*arguments)


def patch_threads(module):
    """ThreadPoolExecutor keeps its constructor and its checks."""
    executor = module.ThreadPoolExecutor
    construct = executor.__init__

    def __init__(self, max_workers=None, thread_name_prefix="", initializer=None,
                 initargs=(), **kwargs):
        construct(self, max_workers, thread_name_prefix, initializer, initargs, **kwargs)
        self._wherry_initializer = (initializer, initargs)

    executor.__init__ = __init__
    executor.submit = _Inline.submit
    executor._initialize_once = _Inline._initialize_once


def patch_processes(module):
    """ProcessPoolExecutor becomes an executor without processes."""
    from concurrent.futures import _base

    class ProcessPoolExecutor(_Inline, _base.Executor):
        """An executor whose calls are made inline: a guest has no processes."""

        def __init__(self, max_workers=None, mp_context=None, initializer=None,
                     initargs=(), *, max_tasks_per_child=None):
            if max_workers is not None and max_workers <= 0:
                raise ValueError("max_workers must be greater than 0")
            if initializer is not None and not callable(initializer):
                raise TypeError("initializer must be a callable")
            self._max_workers = 1
            self._shutdown = False
            self._wherry_initializer = (initializer, initargs)

        def map(self, fn, *iterables, timeout=None, chunksize=1, **kwargs):
            if chunksize < 1:
                raise ValueError("chunksize must be >= 1.")
            return super().map(fn, *iterables, timeout=timeout)

        def shutdown(self, wait=True, *, cancel_futures=False):
            self._shutdown = True

    ProcessPoolExecutor.__module__ = module.__name__
    module.ProcessPoolExecutor = ProcessPoolExecutor


class _Result:
    """What apply_async and map_async return: done, or failed."""

    def __init__(self, call, callback=None, error_callback=None):
        try:
            self._value, self._error = call(), None
        except Exception as e:
            self._value, self._error = None, e
        told = callback if self._error is None else error_callback
        if told is not None:
            told(self._value if self._error is None else self._error)

    def ready(self):
        """Always: the call was made inline."""
        return True

    def successful(self):
        """Whether the call returned."""
        return self._error is None

    def wait(self, timeout=None):
        """Nothing to wait for."""

    def get(self, timeout=None):
        """The value, or the exception raised again."""
        if self._error is not None:
            raise self._error
        return self._value


class Pool:
    """multiprocessing.Pool without processes: every call is made inline."""

    def __init__(self, processes=None, initializer=None, initargs=(),
                 maxtasksperchild=None, context=None):
        if processes is not None and processes < 1:
            raise ValueError("Number of processes must be at least 1")
        if initializer is not None:
            initializer(*initargs)
        self._open = True

    def _check(self):
        if not self._open:
            raise ValueError("Pool not running")

    def apply(self, func, args=(), kwds={}):
        """func(*args, **kwds)"""
        self._check()
        return func(*args, **kwds)

    def map(self, func, iterable, chunksize=None):
        """[func(x) for x in iterable]"""
        self._check()
        return [func(x) for x in iterable]

    def starmap(self, func, iterable, chunksize=None):
        """[func(*x) for x in iterable]"""
        self._check()
        return list(itertools.starmap(func, iterable))

    def imap(self, func, iterable, chunksize=1):
        """func(x) for each x, when it is asked for"""
        self._check()
        return map(func, iterable)

    imap_unordered = imap

    def apply_async(self, func, args=(), kwds={}, callback=None, error_callback=None):
        """apply, its result kept"""
        return _Result(lambda: self.apply(func, args, kwds), callback, error_callback)

    def map_async(self, func, iterable, chunksize=None, callback=None, error_callback=None):
        """map, its result kept"""
        return _Result(lambda: self.map(func, iterable), callback, error_callback)

    def starmap_async(self, func, iterable, chunksize=None, callback=None,
                      error_callback=None):
        """starmap, its result kept"""
        return _Result(lambda: self.starmap(func, iterable), callback, error_callback)

    def close(self):
        """Take no more calls."""
        self._open = False

    terminate = close

    def join(self):
        """Every call has been made already."""
        if self._open:
            raise ValueError("Pool is still running")

    def __enter__(self):
        self._check()
        return self

    def __exit__(self, *exc):
        self.terminate()


def patch_multiprocessing_pool(module):
    """Pool and ThreadPool run inline."""
    class ThreadPool(Pool):
        """The same, as threads would have it."""

        def __init__(self, processes=None, initializer=None, initargs=()):
            super().__init__(processes, initializer, initargs)

    module.Pool, module.ThreadPool = Pool, ThreadPool


def patch_multiprocessing_process(module):
    """A process of one's own cannot be imitated: memory would be shared. Say so."""
    def start(self):
        import errno

        raise OSError(errno.ENOTSUP, "a WebAssembly guest has no processes: call the function, "
                      "or use multiprocessing.Pool, whose calls are made inline here")

    module.BaseProcess.start = start
