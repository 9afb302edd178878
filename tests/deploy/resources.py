"""What the tests of infra/deploy.sh look at: the names of what it makes, its messages, and fields of resources."""

import json

import cloud
from recorder import NUMBER, PROJECT

WEB, WORKER, PUSHER, SCHEDULER, BUILDER = (f"mediarun-{name}@{PROJECT}.iam.gserviceaccount.com"
                                           for name in ("web", "worker", "pusher", "scheduler", "builder"))
AGENT = f"service-{NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
WEB_URL, WORKER_URL = "http://mediarun-web-uc.a.run.app", "http://mediarun-worker-uc.a.run.app"
BUCKET, PUBLIC_HOST = "demo-files", "convert.example.com"  # of conftest.OPTIONS
LANES = ("mediarun-tasks", "mediarun-tasks-high", "mediarun-deliveries")
PROJECTS = f"projects/{PROJECT}"


def value_at(resource, path):
    """"a.b.0.c" of a resource; None if it is not there."""
    for step in path.split("."):
        if isinstance(resource, list):
            resource = resource[int(step)] if int(step) < len(resource) else None
        else:
            resource = (resource or {}).get(step)
    return resource


def assert_fields(resource, wanted):
    assert {path: value_at(resource, path) for path in wanted} == wanted


def lines(run):
    return run.stderr.splitlines()


def one(world, pattern):
    found = world.cloud.paths(pattern)
    assert len(found) == 1, sorted(found)
    return next(iter(found.values()))


def files_of(folder):
    return {path.stem: json.loads(path.read_text("utf-8")) for path in (cloud.ROOT / "infra/monitoring" / folder).glob("*.json")}
