"""Jobs that a test stops in the middle."""

import os
import pathlib
import signal

from .waiting import wait_for


def is_confined(pid):
    """True once a child has its seccomp filter: from then on it dies with its parent, and decodes."""
    try:
        return "Seccomp:\t2" in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return False


def start_job(stack, user, source, new_format):
    """Uploads, and waits until a child process converts. Returns (task, process id of the child, which is stopped)."""
    zygote = set(stack.worker.descendants())
    task = user.upload(source, new_format)
    children = wait_for(lambda: [pid for pid in stack.worker.descendants() if pid not in zygote and is_confined(pid)],
                        "a confined child for the job", 20, 0.005)
    os.kill(children[0], signal.SIGSTOP)
    wait_for(lambda: user.task(task["id"])["status"] == "processing", "task in processing")
    return task, children[0]
