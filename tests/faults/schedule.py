"""Makes the faults of the plan, each at its time; two that change the same thing follow each other."""

import collections
import concurrent.futures
import random
import threading
import time

from faults import FAULTS, LEASE_S, Fault

AT_ONCE = 3


class Schedule:
    """faults: those made, in the order of their ends."""

    def __init__(self, world, platform, planned, say):
        self.world, self.platform, self.planned, self.say = world, platform, planned, say
        self.faults = []
        self._targets = collections.defaultdict(threading.Lock)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.started = None

    def start(self):
        """Returns time.monotonic() of the start."""
        self.started = time.monotonic()
        self._thread.start()
        return self.started

    def join(self):
        self._thread.join()

    def _run(self):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for at, name, seed in self.planned:
                time.sleep(max(0, self.started + at - time.monotonic()))
                pool.submit(self._make, name, seed)

    def _make(self, name, seed):
        kind = FAULTS[name]
        fault = Fault(name, self.world, self.platform, random.Random(seed), LEASE_S)
        with self._targets[kind.target or object()]:
            fault.began = time.time()
            try:
                kind.make(fault)
            except Exception as error:  # the run goes on, and reports it
                fault.skipped = f"{type(error).__name__}: {error}"
            fault.ended = time.time()
        self.say(f"{name}, {fault.ended - fault.began:.1f} s" + (f" ({fault.skipped})" if fault.skipped else ""))
        self.faults.append(fault)
