"""What infra/deploy.sh checks before it makes anything."""

import re
import shutil
import subprocess

import pytest

import cloud as programs
from recorder import PROJECT
from resources import lines


def test_what_is_missing_beforehand(empty, gcloud):
    """Each in one line; nothing is made. The caller is a person, who needs no API for these questions."""
    empty.is_person = True
    empty.permissions_missing = {"run.services.create", "pubsub.topics.create"}
    run = programs.deploy(empty, gcloud)
    assert re.fullmatch(r"error: missing permissions on demo-project: pubsub\.topics\.create run\.services\.create — .*", lines(run)[-1])
    empty.billing = False
    assert lines(programs.deploy(empty, gcloud))[-1].startswith("error: billing is disabled for demo-project: gcloud billing projects link")
    empty.fail("GET", r"/v1/projects/demo-project$", 403, "The caller does not have permission")
    assert re.match(r"error: project demo-project does not exist or you cannot access it", lines(programs.deploy(empty, gcloud))[-1])
    assert empty.mutations() == []


def test_no_billing(empty, gcloud):
    """A service account of the project cannot ask; Google says so when an API is enabled that costs something."""
    empty.billing = False
    run = programs.deploy(empty, gcloud)
    assert re.match(r"error: failed: gcloud services enable .*Billing must be enabled.* — link a billing account", lines(run)[-1])
    assert empty.store == {} and empty.enabled == {"serviceusage.googleapis.com", "cloudresourcemanager.googleapis.com"}


# The command and what Google said → what there is to do.
HINTS = [
    ("failed: gcloud pubsub topics create", "403 Cloud Pub/Sub API has not been used in project 1 before or it is disabled. SERVICE_DISABLED",
     "gcloud services enable"),
    ("failed: gcloud sql instances create", "403 PERMISSION_DENIED: the caller does not have permission", "ask an owner"),
    ("failed: gcloud sql instances create", "FAILED_PRECONDITION: Constraint constraints/gcp.resourceLocations violated", "administrator of the organization"),
    ("failed: gcloud run services replace", "Operation denied by org policy: run.allowedIngress", "administrator of the organization"),
    ("failed: gcloud builds submit", "FAILED_PRECONDITION: due to quota restrictions, cannot run builds in this region", "another --region"),
    ("failed: gcloud sql instances create", "403 Quota exceeded for quota metric 'CPUs'", "raise it"),
    ("failed: gcloud topics create", "429 Quota exceeded for quota metric 'Writes' and limit 'Writes per minute'", "wait a minute"),
    ("failed: gcloud run services replace", "503 UNAVAILABLE", "a failure at Google"),
    ("failed: gcloud storage buckets create", "409 the bucket exists", "another one with --bucket"),
]


@pytest.mark.parametrize("what,said,todo", HINTS)
def test_hints(tmp_path, what, said, todo):
    (tmp_path / "said").write_text(f"WARNING: noise\nERROR: (gcloud) {said}\n", encoding="utf-8")
    script = '. "$0/infra/local/lib/common.sh"; . "$0/infra/deploy/gcloud.sh"; give_up "$1" "$2/said"'
    run = subprocess.run(["bash", "-c", script, programs.ROOT, what, tmp_path], text=True, capture_output=True, check=False)
    assert run.returncode == 1 and len(lines(run)) == 1 and "noise" not in run.stderr
    assert run.stderr.startswith(f"error: {what}: ") and todo in run.stderr.split(" — ")[-1]


def test_a_region_that_is_none(empty, gcloud):
    empty.enabled |= {"run.googleapis.com", "cloudresourcemanager.googleapis.com"}
    run = programs.deploy(empty, gcloud, "--region", "mars-north1", "--dry-run")
    assert lines(run)[-1].startswith("error: --region 'mars-north1' is not a region of Cloud Run: choose one of us-central1 europe-west1")


def without_gcloud(directory, tree, *options):
    """infra/deploy.sh with a PATH that has no gcloud: what it checks before, it says before."""
    tools = directory / "bin"
    tools.mkdir(exist_ok=True)
    for tool in ("bash", "dirname", "sed", "head", "grep", "mktemp", "rm", "env", "cat"):
        if not (tools / tool).exists():
            (tools / tool).symlink_to(shutil.which(tool))
    return subprocess.run([tree / "infra/deploy.sh", *options], text=True, capture_output=True, check=False, env={"PATH": str(tools)})


def test_without_gcloud(tmp_path):
    run = without_gcloud(tmp_path, programs.ROOT, "--project", PROJECT)
    assert run.returncode == 1 and run.stderr.startswith("error: gcloud is not installed: https://")
    assert len(lines(run)) == 1


OPTION_FAULTS = [
    ([], "error: --project is missing"), (["--project"], "error: --project needs a value"),
    (["--project", PROJECT, "--nonsense"], "error: unknown option '--nonsense'"),
    (["--project", PROJECT, "--region", "Europe"], "error: --region must be a region such as"),
    (["--project", PROJECT, "--db-availability", "often"], "error: --db-availability must be zonal or regional"),
    (["--project", PROJECT, "--max-connections", "many"], "error: --max-connections must be a whole number"),
    (["--project", PROJECT, "--public-url", "http://x"], "error: --public-url must start with https://"),
]


@pytest.mark.parametrize("options,said", OPTION_FAULTS)
def test_options(tmp_path, options, said):
    run = without_gcloud(tmp_path, programs.ROOT, *options)
    assert run.returncode == 1 and run.stderr.startswith(said) and len(lines(run)) == 1


# file, what is changed → what the one line says.
BUDGETS = [
    ("web.yaml", 'maxScale: "6"', 'maxScale: "60"', r"the services may open 951 connections .*, the database accepts 200: lower maxScale"),
    ("worker.yaml", 'DATABASE_POOL, value: "3"', 'DATABASE_POOL, value: "30"', r"the services may open 1059 connections"),
    ("worker.yaml", "containerConcurrency: 8", "containerConcurrency: 22", r"containerConcurrency 22 is above SLOTS .* = 21"),
    ("web.yaml", 'MAX_CONNECTIONS, value: "1200"', 'MAX_CONNECTIONS, value: "900"', r"containerConcurrency 1000 is above MAX_CONNECTIONS = 900"),
    ("worker.yaml", "memory: 4Gi", "memory: 2Gi", r"may use 3584 MiB, the limit is 2048 MiB: raise memory"),
    ("worker.yaml", "timeoutSeconds: 900", "timeoutSeconds: 600", r"ends pushes before their ack deadline \(600 s\): set it to 660 or more"),
    ("worker.yaml", 'ACK_DEADLINE_SECONDS, value: "600"', 'ACK_DEADLINE_SECONDS, value: "601"', r"ACK_DEADLINE_SECONDS 601 is above"),
    ("worker.yaml", "timeoutSeconds: 900", "timeoutSeconds: 7200", r"above Cloud Run's limit of 3600"),
    ("worker.yaml", 'cpu-throttling: "false"', 'cpu-throttling: "true"', r'outlives its push \(600 s\) .* or JOB_TIMEOUT_SECONDS to 540'),
    ("worker.yaml", "DATABASE_POOL", "DATABASE_POOLS", r"worker.yaml has no number for DATABASE_POOL"),
]


@pytest.mark.parametrize("name,old,new,said", BUDGETS)
def test_numbers_that_do_not_fit(tmp_path, tree, name, old, new, said):
    file = tree / "infra/services" / name
    text = file.read_text("utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")
    run = without_gcloud(tmp_path, tree, "--project", PROJECT, "--max-connections=200")
    assert run.returncode == 1 and len(lines(run)) == 1 and re.search(said, run.stderr), run.stderr
