"""Threads in a guest that has one.

A thread that was started runs when somebody waits: on join, on a condition,
an event, a queue, or at exit. Every such order is one a scheduler could have
chosen, so programs that hand work to threads and wait for it keep their
meaning. A thread that waits for what only its waiter could give it is parked
for ever, as a daemon thread that never gets its turn.
"""
import sys
import time

_pending = []  # started, not run yet
_waiting = []  # (waiter lock, deadline) of those who wait now, outermost first
_stuck = []  # threads that could not go on


class _Parked(BaseException):
    """Unwinds a thread that would wait for ever."""


class Deadlock(RuntimeError):
    """A wait that nothing can end."""


DEADLOCK = ("this would wait for ever: a WebAssembly guest has one thread, and every "
            "thread started here has run as far as it can")


def patch_threading(threading):
    """Replace starting, joining and waiting."""
    _Scheduler(threading).install()


def patch_queue(queue):
    """The queue in C waits on a lock that nobody can open; the one in Python does not."""
    queue.SimpleQueue = queue._PySimpleQueue


def turn():
    """Let one thread that was started run; False when there is none."""
    if not _pending:
        return False
    _pending[0]._wherry_run()
    return True


def finish():
    """What the end of a program does: non-daemon threads run to their end."""
    while _pending:
        thread = _pending[0]
        if thread.daemon:
            _pending.pop(0)
        else:
            thread._wherry_run()
    if any(not thread.daemon for thread in _stuck):
        print("Warning: a thread was still waiting at exit; " + DEADLOCK, file=sys.stderr)


class _Scheduler:
    """The methods that replace those of threading.Thread and Condition."""

    def __init__(self, threading):
        self.threading = threading
        self.idents = iter(range(1 << 16, 1 << 30))

    def install(self):
        """Put the methods in place."""
        threading, scheduler = self.threading, self

        def start(thread):
            if not thread._initialized:
                raise RuntimeError("thread.__init__() not called")
            if thread._started.is_set():
                raise RuntimeError("threads can only be started once")
            thread._ident = next(scheduler.idents)
            thread._wherry_done = False
            thread._started.set()
            threading._active[thread._ident] = thread
            _pending.append(thread)

        def join(thread, timeout=None):
            if not thread._initialized:
                raise RuntimeError("Thread.__init__() not called")
            if not thread._started.is_set():
                raise RuntimeError("cannot join thread before it is started")
            if thread is threading.current_thread():
                raise RuntimeError("cannot join current thread")
            if thread in _pending:
                scheduler.run(thread)
            elif thread in _stuck and timeout is None:
                raise Deadlock(DEADLOCK)

        def is_alive(thread):
            if thread in _pending and not thread.daemon:
                scheduler.run(thread)  # whoever asks in a loop waits for it
            return thread._started.is_set() and not getattr(thread, "_wherry_done", False)

        Thread = threading.Thread
        for method in (start, join, is_alive):
            method.__qualname__ = "Thread." + method.__name__
            method.__doc__ = getattr(Thread, method.__name__).__doc__
            setattr(Thread, method.__name__, method)
        Thread._wherry_run = lambda thread: scheduler.run(thread)
        threading.Condition.wait = self.condition_wait()

    def run(self, thread):
        """Run one pending thread to its end."""
        threading = self.threading
        if thread in _pending:
            _pending.remove(thread)
        me = threading.get_ident()
        previous = threading._active.get(me)
        threading._active[me] = thread
        try:
            self._call(thread)
            thread._wherry_done = True
        except _Parked:
            _stuck.append(thread)
        except SystemExit:
            thread._wherry_done = True
        except BaseException as e:
            thread._wherry_done = True
            tb = e.__traceback__
            while tb is not None and tb.tb_frame.f_code.co_filename == __file__:
                tb = tb.tb_next
            e.__traceback__ = tb
            thread._invoke_excepthook(thread)
        finally:
            threading._active.pop(thread._ident, None)
            if previous is None:
                threading._active.pop(me, None)
            else:
                threading._active[me] = previous

    @staticmethod
    def _call(thread):
        """The body, in the context that the thread was given."""
        context = getattr(thread, "_context", None)
        if context is None:
            thread.run()
        else:
            context.run(thread.run)

    def condition_wait(self):
        """A Condition.wait that lets pending threads run."""
        scheduler, allocate = self, self.threading._allocate_lock

        def wait(self, timeout=None):
            if not self._is_owned():
                raise RuntimeError("cannot wait on un-acquired lock")
            waiter = allocate()
            waiter.acquire()
            self._waiters.append(waiter)
            saved = self._release_save()
            got = False
            try:
                got = scheduler.wait(waiter, timeout)
                return got
            finally:
                self._acquire_restore(saved)
                if not got:
                    try:
                        self._waiters.remove(waiter)
                    except ValueError:
                        pass

        return wait

    def wait(self, waiter, timeout):
        """Wait for the waiter lock; True when it was opened."""
        deadline = None if timeout is None else time.monotonic() + timeout
        nested = bool(_waiting)
        _waiting.append((waiter, deadline))
        try:
            while waiter.locked() and _pending and timeout != 0:
                self.run(_pending[0])
        finally:
            _waiting.pop()
        if not waiter.locked():
            return waiter.acquire(False)
        if nested and self._outer_may_go_on():
            raise _Parked
        if deadline is None:
            if nested or self.threading.current_thread() is not self.threading.main_thread():
                raise _Parked
            raise Deadlock(DEADLOCK)
        rest = deadline - time.monotonic()
        if rest > 0:
            time.sleep(rest)
        return False

    @staticmethod
    def _outer_may_go_on():
        """Whether one who waits further out has what it waits for, or no time left."""
        now = time.monotonic()
        return any(not lock.locked() or (deadline is not None and deadline <= now)
                   for lock, deadline in _waiting)
