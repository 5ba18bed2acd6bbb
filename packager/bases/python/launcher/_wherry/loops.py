"""Loops that wait for files: asyncio's without a socket pair, for nothing wakes it from another thread, and selectors."""
import sys


def patch_selector_events(module):
    """The loop's pipe to itself is left out, and an empty selector just sleeps."""
    loop = module.BaseSelectorEventLoop

    def _make_self_pipe(self):
        self._ssock = self._csock = None
        self._selector = _Selector(self._selector, self)

    def _nothing(self):
        return None

    loop._make_self_pipe = _make_self_pipe
    loop._close_self_pipe = _nothing
    loop._write_to_self = _nothing


class _Selector:
    """A selector that knows that with no file in it only time can pass."""

    def __init__(self, selector, loop):
        self._selector = selector
        self._loop = loop
        self.idle = None  # is asked what to do rather than wait

    def __getattr__(self, name):
        return getattr(self._selector, name)

    def select(self, timeout=None):
        """Ready files, or the passing of timeout."""
        from . import threads

        if timeout != 0 and threads.turn():
            return []
        if self.idle is not None:
            ready = self._selector.select(0) if self._selector.get_map() else []
            self.idle(0 if ready else timeout, bool(self._selector.get_map()))
            return ready
        if self._selector.get_map():
            return self._selector.select(timeout)
        if timeout is None:
            raise threads.Deadlock("the event loop has nothing to do: " + threads.DEADLOCK)
        if timeout > 0:
            import time

            time.sleep(timeout)
        return []


def patch_base_events(module):
    """The default executor has no threads to wait for at the end of a loop."""
    async def shutdown_default_executor(self, timeout=None):
        self._executor_shutdown_called = True
        if self._default_executor is not None:
            self._default_executor.shutdown(wait=True)

    module.BaseEventLoop.shutdown_default_executor = shutdown_default_executor


def patch_selectors(module):
    """Let threads that were started run before anybody waits for a file: those of a server, say."""
    def patched(select):
        def wait(self, timeout=None):
            threads = sys.modules.get("_wherry.threads")
            while threads is not None and (timeout is None or timeout > 0) and threads.turn():
                timeout = 0 if self.get_map() else timeout  # look at once, and wait the next time
            return select(self, timeout)

        wait.__name__, wait.__qualname__, wait.__doc__ = "select", select.__qualname__, select.__doc__
        return wait

    for name in ("SelectSelector", "_PollLikeSelector"):
        selector = getattr(module, name, None)
        if selector is not None:
            selector.select = patched(selector.select)
