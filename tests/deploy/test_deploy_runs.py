"""Other runs of infra/deploy.sh: a dry run, --force, refusals and --destroy."""

import base64
import json
import re

import pytest

import cloud as programs
from conftest import OPTIONS
from recorder import PROJECT, clone
from resources import BUCKET, LANES, PROJECTS, PUSHER, assert_fields, files_of, lines


KEY = "projects/keys/locations/us-central1/keyRings/ring/cryptoKeys/mediarun"


def test_a_dry_run_of_an_empty_project(empty, gcloud):
    run = programs.deploy(empty, gcloud, "--dry-run", *OPTIONS, f"--kms-key={KEY}")
    assert run.returncode == 0, run.stderr
    assert empty.mutations() == [] and run.stdout == ""
    shown = [line.removeprefix(f"+ gcloud --project={PROJECT} ") for line in lines(run) if line.startswith("+ ")]
    for start in ("services enable", "iam service-accounts create", "storage buckets create", "sql instances create", "builds submit",
                  "run services replace", "pubsub subscriptions create", "scheduler jobs create", "builds triggers create"):
        assert [line for line in shown if line.startswith(start)], start
    for start, flag in (("storage buckets create gs://demo-files", "--default-encryption-key"), ("pubsub topics create", "--topic-encryption-key"),
                        ("sql instances create", "--disk-encryption-key"), ("artifacts repositories create", "--kms-key")):
        assert f"{flag}={KEY}" in next(line for line in shown if line.startswith(start)).split()
    assert len([line for line in shown if line.startswith(f"kms keys add-iam-policy-binding {KEY} ")]) == 5
    assert f"dry run: {len(shown)} changes would be made" in lines(run)


MAIL = {"SMTP_URL": "smtp://relay.example:587", "SMTP_USER": "apikey", "MAIL_FROM": "m@example.com",
        "SMTP_PASSWORD": "word-of-the-relay"}


@pytest.fixture(scope="module")
def forced(world, gcloud):
    """A deployed project, spoiled by hand, where everything is set again, with mail and a larger database."""
    made = clone(world.cloud)
    subscription = made.paths(r"/mediarun-tasks-worker$")["mediarun-tasks-worker"]
    subscription.update(ackDeadlineSeconds=10, pushConfig={})
    by_hand = {"name": "work_mem", "value": "65536"}
    made.paths(r"/instances/mediarun$")["mediarun"]["settings"]["databaseFlags"].insert(0, by_hand)
    made.run = programs.deploy(made, gcloud, *OPTIONS, "--force", "--db-tier=db-custom-4-15360", "--vpc-subnet=private/workers",
                               "--audit-logs", settings=MAIL)
    yield made
    made.close()


def test_force_sets_everything_anew(forced):
    assert forced.run.returncode == 0, forced.run.stderr
    changed = {}
    for request in forced.changes():
        parts = request["path"].split("/")
        changed.setdefault(f"{request['method']} {parts[-2]}", []).append(parts[-1])
    for names in changed.values():
        names.sort()
    assert changed.pop("PATCH alertPolicies") and changed.pop("PATCH uptimeCheckConfigs") and changed.pop("PATCH dashboards")
    assert changed == {
        "PATCH b": [BUCKET, f"{PROJECT}-mediarun-build"], "PUT metrics": sorted(files_of("metrics")),
        "POST projects": [f"{PROJECT}:setIamPolicy"],
        "PATCH subscriptions": sorted(["mediarun-dead-letters-web", *(f"{lane}-worker" for lane in LANES)]),
        "PATCH instances": ["mediarun"], "PUT services": ["mediarun-web", "mediarun-worker"], "PATCH jobs": ["mediarun-sweep"],
        f"POST {PROJECT}": ["secrets"], "PATCH secrets": ["mediarun-settings"], "PATCH repositories": ["mediarun", "mediarun"],
        "POST secrets": ["mediarun-smtp-password:addVersion", "mediarun-smtp-password:setIamPolicy"]}
    assert len(forced.paths(r"/alertPolicies/")) == len(files_of("policies"))
    assert_fields(forced.paths(r"/subscriptions/")["mediarun-tasks-worker"], {
        "ackDeadlineSeconds": 600, "pushConfig.oidcToken.serviceAccountEmail": PUSHER})
    assert_fields(forced.paths(r"/instances/mediarun$")["mediarun"], {
        "settings.tier": "db-custom-4-15360", "settings.availabilityType": "REGIONAL",
        "settings.databaseFlags": [{"name": "max_connections", "value": "400"}, {"name": "work_mem", "value": "65536"}]})


def test_a_subnet_and_audit_logs(world, forced):
    for name in ("web", "worker"):
        service = forced.paths(rf"/services/mediarun-{name}$")[f"mediarun-{name}"]
        annotations = service["spec"]["template"]["metadata"]["annotations"]
        assert json.loads(annotations["run.googleapis.com/network-interfaces"]) == [{"network": "private", "subnetwork": "workers"}]
        assert annotations["run.googleapis.com/vpc-access-egress"] == "all-traffic" and "run.googleapis.com/encryption-key" not in annotations
    policy = forced.policies[PROJECTS]
    assert policy["bindings"] == world.cloud.policies[PROJECTS]["bindings"], "no grant is touched"
    assert {entry["service"] for entry in policy["auditConfigs"]} == {f"{name}.googleapis.com" for name in ("storage", "cloudsql", "secretmanager")}


def test_mail(world, forced):
    container = forced.paths(r"/services/mediarun-worker$")["mediarun-worker"]["spec"]["template"]["spec"]["containers"][0]
    variables = {entry["name"]: entry.get("value") or entry["valueFrom"]["secretKeyRef"]["name"] for entry in container["env"]}
    assert [variables[name] for name in MAIL] == ["smtp://relay.example:587", "apikey", "m@example.com", "mediarun-smtp-password"]
    (added,) = [request["body"] for request in forced.requests if request["path"].endswith(":addVersion")]
    assert base64.b64decode(added["payload"]["data"]).decode() == MAIL["SMTP_PASSWORD"]
    assert MAIL["SMTP_PASSWORD"] not in forced.run.stdout + forced.run.stderr
    before = world.cloud.paths(r"/services/mediarun-worker$")["mediarun-worker"]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == before["image"], "the images stay"


# What is missing, and what Google answers when it is to be made → what the one line says.
REFUSALS = [
    (r"/serviceAccounts/mediarun-web@", "POST", r"/serviceAccounts$", 403, r"service-accounts create.*ask an owner"),
    (r"^/storage/v1/b/demo-files$", "POST", r"/storage/v1/b$", 409, r"buckets create.*another one with --bucket"),
    (r"/topics/mediarun-tasks$", "PUT", r"/topics/mediarun-tasks$", 429, r"topics create.*a quota is used up"),
]


@pytest.mark.parametrize("gone,method,pattern,status,said", REFUSALS, ids=[str(case[3]) for case in REFUSALS])
def test_a_refusal_is_one_line(spoiled, gcloud, gone, method, pattern, status, said):
    made = spoiled(gone)
    made.fail(method, pattern, status, "Quota exceeded for the test" if status == 429 else "refused for the test")
    before = json.dumps(made.store, sort_keys=True)
    run = programs.deploy(made, gcloud, *OPTIONS)
    assert run.returncode == 1 and run.stdout == ""
    errors = [line for line in lines(run) if line.startswith("error:")]
    assert len(errors) == 1 and lines(run)[-1] == errors[0] and re.search(said, errors[0]), run.stderr
    assert "Traceback" not in run.stderr and len(errors[0]) < 700
    assert json.dumps(made.store, sort_keys=True) == before


def test_destroy_asks(spoiled, gcloud):
    made = spoiled()
    for answer in ("", "demo-projec\n"):
        run = programs.deploy(made, gcloud, "--destroy", stdin=answer)
        assert run.returncode == 1 and lines(run)[-1] == "error: nothing was deleted"
    assert made.mutations() == []


def test_destroy(spoiled, gcloud):
    made = spoiled()
    run = programs.deploy(made, gcloud, "--destroy", stdin=PROJECT + "\n")
    assert run.returncode == 0, run.stderr
    left = {path for path in made.store if not re.search(r"/(builds|revisions)/", path)}
    assert left == set(), "the settings, and the lock, are gone, too"
    assert not made.policies[PROJECTS].get("bindings")
    order = [r["path"] for r in made.mutations() if r["method"] in ("DELETE", "PATCH")]
    instance = [path for path in order if path.endswith("/instances/mediarun")]
    assert len(instance) == 2, "deletion protection is taken off first"
