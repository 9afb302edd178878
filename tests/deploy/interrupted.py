"""Runs of infra/deploy.sh that are killed after a change."""

import json
import os
import re
import signal
import subprocess

import cloud as programs
import recorder
from recorder import clone


def killed(cloud, directory, at, *options):
    """
    infra/deploy.sh, killed with all its programs when Google has done the change number `at` of it, not counting the lock, and
    before it hears of that. Returns the project as it is then, with what the run `said`; None if the run ended before.
    """
    found, seen = [], [0]
    run = subprocess.Popen([programs.ROOT / "infra/deploy.sh", "--project", recorder.PROJECT, *options], start_new_session=True,
                           env=programs.environment(cloud.port, directory), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True)

    def after(request):
        seen[0] += request["status"] < 400 and request in cloud.changes(len(cloud.requests) - 1)
        if seen[0] == at and not found:
            found.append(clone(cloud))
            found[0].requests = list(cloud.requests)
            os.killpg(run.pid, signal.SIGKILL)

    cloud.after = after
    said = run.communicate(timeout=600)[1]
    cloud.after = lambda request: None
    assert found or run.returncode == 0, said
    for project in found:
        project.said = said
    return found[0] if found else None


# What differs from run to run: names and numbers that Google draws, times, and what is secret.
DRAWN = [(r"\bid-\d+", "id"), (r'"etag": "[^"]*"', '"etag": ""'), (r'"(generation|resourceVersion)": "?v?\d+"?', r'"\1": 0'),
         (r'"password": "[^"]*"', '"password": ""'), (r"-\d{5}-abc", "-revision"), (r'"settingsVersion": "\d+"', '"settingsVersion": ""'), (r"\bb-\d+", "build"),
         # The mark of an alert policy counts the names of its channels in.
         (r'("policy": "[^"]*", "settings": )"[^"]*"', r'\1""')]


def state(cloud):
    """What there is in a project, and who may do what, to compare with another."""
    text = json.dumps([[path, value] for path, value in sorted(cloud.store.items())
                       if not re.search(r"/(revisions|builds|versions)/|mediarun-deploy-lock", path)] + [cloud.policies, sorted(cloud.enabled)], sort_keys=True)
    for pattern, instead in DRAWN:
        text = re.sub(pattern, instead, text)
    return sorted(json.dumps(entry, sort_keys=True) for entry in json.loads(text))
