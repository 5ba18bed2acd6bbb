"""Counts the calls of a client, and tells those that did not go as they should."""
import os
import sys
import traceback


class Calls:
    def __init__(self):
        self.made = self.failed = 0

    def __call__(self, what, call, good=None):
        """Makes a call, which has to succeed with an answer that is good."""
        self.made += 1
        try:
            answer = call()
            self.check(answer, good)
            return answer
        except Exception:
            self.fail(what, traceback.format_exc(limit=-3))

    async def aio(self, what, call, good=None):
        """The same of a coroutine."""
        self.made += 1
        try:
            answer = await call
            self.check(answer, good)
            return answer
        except Exception:
            self.fail(what, traceback.format_exc(limit=-3))

    def refused(self, what, call, words):
        """Makes a call, which has to fail and say these words, or one of them."""
        self.made += 1
        try:
            answer = call()
        except Exception as e:
            if not any(w in str(e) for w in ([words] if isinstance(words, str) else words)):
                self.fail(what, f"it was refused with: {e}")
            return
        self.fail(what, f"it was not refused: {answer!r:.300}")

    async def aio_refused(self, what, call, words):
        self.made += 1
        try:
            answer = await call
        except Exception as e:
            if words not in str(e):
                self.fail(what, f"it was refused with: {e}")
            return
        self.fail(what, f"it was not refused: {answer!r:.300}")

    def check(self, answer, good):
        if good is not None and not good(answer):
            raise AssertionError(f"the answer is {answer!r:.500}")

    def fail(self, what, why):
        self.failed += 1
        print(f"FAILED {what}: {why}", file=sys.stderr)

    def end(self):
        print(f"{self.made} calls, {self.failed} failed", flush=True)
        sys.stderr.flush()
        os._exit(1 if self.failed else 0)  # threads of clients may still wait
