"""How long it takes after a fault until the work goes on, seen from the tasks' rows."""

import contextlib
import threading
import time

PERIOD_S = 0.25
# What ends the process that a task runs in: measured is how long such a task stands still.
ENDS_TASKS = ("worker SIGKILL", "worker SIGTERM", "zygote SIGKILL", "child SIGKILL", "worker frozen beyond its lease")


class Watch:
    """Looks at the unfinished tasks several times a second. seen: (time, {(id, generation): (fence, is processing)})."""

    def __init__(self, world):
        self.world = world
        self.seen = []
        self.fences = {}  # the last of each task
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()
        self.fences = {(int(row[0]), int(row[1])): int(row[2])
                       for row in self.world.sql("SELECT id, generation, fence FROM tasks")}

    def _run(self):
        while not self._stop.wait(PERIOD_S):
            with contextlib.suppress(AssertionError):  # the database may be away
                rows = self.world.sql("SELECT id, generation, fence, status FROM tasks WHERE status IN ('uploaded', 'processing')")
                self.seen.append((time.time(), {(int(row[0]), int(row[1])): (int(row[2]), row[3] == "processing") for row in rows}))

    def at(self, moment):
        """The last look before the moment."""
        return max((look for look in self.seen if look[0] <= moment), default=(0, {}), key=lambda look: look[0])[1]

    def stood_still(self, moment):
        """The longest time after the moment until a task that ran then, and had to run again, was claimed again."""
        longest = None
        for task, (fence, running) in self.at(moment).items():
            if running and self.fences.get(task, 0) > fence:
                went_on = next((at for at, tasks in self.seen if at > moment and tasks.get(task, (fence + 1,))[0] > fence), time.time())
                longest = max(longest or 0, went_on - moment)
        return longest

    def next_end(self, moment):
        """The time after the moment until a task that was waiting or running ended; None if there was none."""
        before = set(self.at(moment))
        if not before:
            return None
        ended = next((at for at, tasks in self.seen if at > moment and before - set(tasks)), time.time())
        return ended - moment


def of_kinds(watch, faults):
    """{name of the fault: [seconds of each]}."""
    found = {}
    for fault in faults:
        if not fault.skipped:
            took = watch.stood_still(fault.began) if fault.name in ENDS_TASKS else watch.next_end(fault.ended)
            found.setdefault(fault.name, [])
            if took is not None:
                found[fault.name].append(took)
    return found
