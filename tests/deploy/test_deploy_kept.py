"""What infra/deploy.sh keeps of its options, what it asks before it changes, and what keeps two runs apart."""

import os
import pty
import re
import socket
import subprocess
import threading

import pytest

import cloud as programs
import interrupted
import recorder
from conftest import OPTIONS
from recorder import PROJECT
from resources import BUCKET, PUBLIC_HOST, assert_fields, lines

SECRETS = f"/v1/projects/{PROJECT}/secrets/"
SETTINGS, LOCK = SECRETS + "mediarun-settings", SECRETS + "mediarun-deploy-lock"
VERSION = (programs.ROOT / "VERSION").read_text("ascii").strip()
KEPT = {"region": recorder.REGION, "database-region": recorder.REGION, "email": "ops@example.com", "repo": "someone/mediarun",
        "branch": "main", "bucket": BUCKET, "public-url": f"https://{PUBLIC_HOST}", "database-tier": "db-custom-2-7680",
        "database-availability": "regional", "max-connections": "400", "production": "0", "audit-logs": "0", "cloud-armor": "0",
        "version": VERSION}


def last_line(run):
    assert run.returncode == 1 and run.stdout == "", run.stderr
    assert len([line for line in lines(run) if line.startswith("error:")]) == 1
    return lines(run)[-1]


def test_what_is_kept(world):
    assert world.cloud.store[SETTINGS]["annotations"] == KEPT
    assert not world.cloud.paths(rf"{SETTINGS}/versions/"), "it has no content"


SMALLER = ("--db-tier=db-custom-1-3840", "--db-availability=zonal", "--max-connections=300", "--bucket=other", "--region=europe-west1")


def test_questions(spoiled, gcloud):
    made = spoiled()
    said = last_line(programs.deploy(made, gcloud, *SMALLER))
    assert said.startswith("error: this needs a confirmation, or --yes: ") and said.endswith("nothing was changed")
    for option in SMALLER:
        assert option.replace("=", " ") + ":" in said
    assert BUCKET in said and recorder.REGION in said
    main, terminal = pty.openpty()
    os.write(main, b"no\n")
    run = subprocess.run([programs.ROOT / "infra/deploy.sh", "--project", PROJECT, "--db-tier=db-f1-micro"], stdin=terminal, text=True,
                         capture_output=True, env=programs.environment(made.port, gcloud), check=False, timeout=300)
    os.close(main), os.close(terminal)
    assert run.returncode == 1 and "smaller than db-custom-2-7680" in run.stderr
    assert run.stderr.endswith("Type yes to continue: error: nothing was changed\n")
    assert made.mutations() == []


@pytest.mark.parametrize("annotations,said", [
    ({"version": "99.0.1"}, rf"made by mediarun 99\.0\.1, this is the older {re.escape(VERSION)}: use 99\.0\.1 or newer .*--allow-older"),
    ({"flux-capacitor": "1"}, r"has a setting 'flux-capacitor' that this infra/deploy\.sh does not know: use the version")])
def test_a_newer_deployment(spoiled, gcloud, annotations, said):
    made = spoiled()
    made.store[SETTINGS]["annotations"].update(annotations)
    assert re.search(said, last_line(programs.deploy(made, gcloud)))
    assert made.mutations() == []


def ended():
    """The id of a process that is no more."""
    process = subprocess.Popen(["true"])
    process.wait()
    return str(process.pid)


def lock(holder, process, **more):
    return {"name": LOCK[4:], "etag": "e", "annotations": {"holder": holder, "process": process, "since": "2026-01-01T00:00:00Z", **more}}


def holder():
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    return f"{user}@{socket.gethostname()}"


def test_the_lock(spoiled, gcloud):
    """It holds while its run may be going on, and no longer. What stops these runs is the change after it."""
    made = spoiled()
    made.fail("PATCH", SETTINGS, 403, "refused for the test")
    for name, process in (("someone@elsewhere", ended()), (holder(), str(os.getpid()))):
        made.store[LOCK] = lock(name, process)
        said = last_line(programs.deploy(made, gcloud, "--branch=next"))
        assert re.search(rf"another infra/deploy\.sh of {name} .* since 2026-01-01T00:00:00Z: wait .* --unlock", said)
        assert {(r["method"], r["status"]) for r in made.mutations()} == {("POST", 409)} and LOCK in made.store
    reused = {"started": "Thu_Jan_1_00:00:00_1970"}  # another process has its number by now
    for name, process, more, options in ((holder(), ended(), {}, ()), (holder(), str(os.getpid()), reused, ()), ("someone@elsewhere", "1", {}, ("--unlock",))):
        made.store[LOCK], before = lock(name, process, **more), len(made.requests)
        assert "refused for the test" in last_line(programs.deploy(made, gcloud, "--branch=next", *options))
        assert [(r["method"], r["status"]) for r in made.mutations(before)] == [
            ("POST", 409), ("DELETE", 200), ("POST", 200), ("PATCH", 403), ("DELETE", 200)]
        assert LOCK not in made.store, "the run that failed left none"


def test_two_runs_at_once(spoiled, gcloud):
    """The second begins when the first has the lock: it changes nothing, and the first goes on."""
    made, later = spoiled(), []

    def after(request):
        if request["query"].get("secretId") == "mediarun-deploy-lock" and not later:
            later.append(threading.Thread(target=lambda: later.append(programs.deploy(made, gcloud, "--branch=theirs"))))
            later[0].start()
        elif request["path"] == SETTINGS and request["method"] == "PATCH":
            made.lock.release()
            try:
                later[0].join()  # the first one waits here, with the lock
            finally:
                made.lock.acquire()

    made.after = after
    assert programs.deploy(made, gcloud, "--branch=ours").returncode == 0
    assert re.search(r"another infra/deploy\.sh of .* since .*: wait", last_line(later[1]))
    assert made.store[SETTINGS]["annotations"]["branch"] == "ours" and LOCK not in made.store


def test_settings_that_another_run_changed_meanwhile(spoiled, gcloud):
    made = spoiled()

    def after(request):
        if request["method"] == "POST" and request["query"].get("secretId") == "mediarun-deploy-lock":
            made.store[SETTINGS]["annotations"]["branch"] = "theirs"

    made.after = after
    assert re.search(r"another run changed the settings .*: run this again", last_line(programs.deploy(made, gcloud, "--branch=ours")))
    assert made.changes() == [] and LOCK not in made.store


@pytest.fixture(scope="module")
def adopted(world, gcloud):
    """A deployment of before options were kept, and --production for it."""
    made = recorder.clone(world.cloud)
    del made.store[SETTINGS]
    made.run = programs.deploy(made, gcloud, "--production")
    yield made
    made.close()


def test_an_older_deployment_keeps_what_it_has(adopted):
    assert adopted.run.returncode == 0, adopted.run.stderr
    # Of the channel and the trigger it is not asked: they are there, and stay.
    assert adopted.store[SETTINGS]["annotations"] == {
        **{key: value for key, value in KEPT.items() if key not in ("email", "repo")}, "production": "1"}


def test_production(adopted):
    """What cannot be adopted is the repository: the alerts' links to its runbooks."""
    changed = sorted(r["path"].rsplit("/", 1)[-1] for r in adopted.changes() if "/alertPolicies/" not in r["path"])
    assert changed == sorted(["secrets", BUCKET, "mediarun", "mediarun-web", "mediarun-worker"])
    found = {path: value for path, value in adopted.store.items()}
    assert_fields(found[f"/sql/v1beta4/projects/{PROJECT}/instances/mediarun"], {
        "settings.availabilityType": "REGIONAL", "settings.connectorEnforcement": "REQUIRED", "settings.maintenanceWindow.day": 7,
        "settings.maintenanceWindow.hour": 3, "settings.deletionProtectionEnabled": True,
        "settings.databaseFlags": [{"name": "max_connections", "value": "400"}]})
    assert_fields(found[f"/storage/v1/b/{BUCKET}"], {"softDeletePolicy.retentionDurationSeconds": "604800"})
    for name in ("web", "worker"):
        service = adopted.paths(rf"/services/mediarun-{name}$")[f"mediarun-{name}"]
        assert service["spec"]["template"]["metadata"]["annotations"]["autoscaling.knative.dev/minScale"] == "1"


def test_production_is_taken_back(adopted, gcloud):
    """But for the maintenance window and the connectors; it asks before the database loses its standby machine."""
    made = recorder.clone(adopted)
    assert "--db-availability zonal: the database loses its standby machine" in last_line(programs.deploy(made, gcloud, "--no-production"))
    assert made.mutations() == []
    run = programs.deploy(made, gcloud, "--no-production", "--yes")
    assert run.returncode == 0, run.stderr
    changed = sorted(r["path"].rsplit("/", 1)[-1] for r in made.changes())
    assert changed == sorted(["mediarun-settings", BUCKET, "mediarun", "mediarun-web", "mediarun-worker"])
    (patch,) = [r["body"]["settings"] for r in made.changes() if r["path"].endswith("/instances/mediarun")]
    assert patch["availabilityType"] == "ZONAL" and not {"connectorEnforcement", "maintenanceWindow"} & set(patch)
    assert_fields(made.store[f"/storage/v1/b/{BUCKET}"], {"softDeletePolicy.retentionDurationSeconds": "0"})
    for name in ("web", "worker"):
        service = made.paths(rf"/services/mediarun-{name}$")[f"mediarun-{name}"]
        assert service["spec"]["template"]["metadata"]["annotations"]["autoscaling.knative.dev/minScale"] == "0"
    assert made.store[SETTINGS]["annotations"]["production"] == "0"
    made.close()


def test_another_region(spoiled, gcloud):
    """Services, images, sweep and trigger are made there; bucket and database stay, and what was made before is left alone."""
    made, there = spoiled(), "europe-west1"
    before = {path: str(value) for path, value in made.store.items()}
    run = programs.deploy(made, gcloud, f"--region={there}", "--yes")
    assert run.returncode == 0, run.stderr
    new = {path for path in made.store if path not in before and there in path}
    for wanted in (rf"^/at/{there}/apis/.*/services/mediarun-web$", rf"^/at/{there}/apis/.*/services/mediarun-worker$", rf"/locations/{there}/repositories/mediarun$",
                   rf"/locations/{there}/jobs/mediarun-sweep$", rf"/locations/{there}/triggers/mediarun-push$"):
        assert [path for path in new if re.search(wanted, path)], wanted
    (web,) = [made.store[path] for path in new if path.endswith("/services/mediarun-web")]
    assert f"{PROJECT}:{recorder.REGION}:mediarun" in str(web) and BUCKET in str(web) and f"{there}-docker.pkg.dev" in str(web)
    assert not [path for path in before if f"/{recorder.REGION}/" in path and "/versions/" not in path and str(made.store.get(path)) != before[path]]
    annotations = made.store[SETTINGS]["annotations"]
    assert (annotations["region"], annotations["database-region"]) == (there, recorder.REGION)
    since = len(made.requests)
    assert programs.deploy(made, gcloud).returncode == 0 and made.changes(since) == []


ORGANIZATION = "Operation denied by org policy: [constraints/run.managed.requireInvokerIam]"
SHARING = "One or more users named in the policy do not belong to a permitted customer, perhaps due to an organization policy."


def is_open(body):
    return body["metadata"]["annotations"].get("run.googleapis.com/invoker-iam-disabled") == "true"


def test_an_organization_that_forbids_public_services(spoiled, gcloud):
    """All else is there when it is refused; where one of the two ways is allowed, that one is taken. Another public URL comes along."""
    made = spoiled()
    web = made.paths(r"/namespaces/.*/services/mediarun-web$")["mediarun-web"]
    web["metadata"]["annotations"]["run.googleapis.com/invoker-iam-disabled"] = "false"
    made.fail("PUT", r"/services/mediarun-web$", 400, ORGANIZATION, when=is_open)
    made.fail("POST", r"/services/mediarun-web:setIamPolicy$", 400, SHARING)
    said = last_line(programs.deploy(made, gcloud, "--public-url=https://other.example.com"))
    assert re.search(r"everything is deployed, but mediarun-web is not public: .*requireInvokerIam.*allowedPolicyMemberDomains", said)
    assert "administrator of the organization" in said
    assert_fields(one_of(made, r"/uptimeCheckConfigs/"), {"monitoredResource.labels.host": "other.example.com"})
    made.failures.pop()
    made.forbidden, before = 2, len(made.requests)
    run = programs.deploy(made, gcloud)
    assert run.returncode == 0 and made.forbidden < 0, run.stderr
    assert [r["path"].rsplit("/", 1)[-1] for r in made.changes(before)] == ["mediarun-web", "mediarun-web:setIamPolicy"]
    (policy,) = [p for name, p in made.policies.items() if name.endswith("/services/mediarun-web")]
    assert {"role": "roles/run.invoker", "members": ["allUsers"]} in policy["bindings"]


def one_of(cloud, pattern):
    (found,) = cloud.paths(pattern).values()
    return found


@pytest.mark.skipif(os.environ.get("TEST_INTERRUPTIONS") != "all", reason="takes long: TEST_INTERRUPTIONS=all")
def test_killed_after_each_change(world, gcloud):
    """
    The world was killed twice; here a run is killed after each of its changes, and the next one goes on. What leaves the project as
    it was, as the upload of a build's source, each run does again: then the next is killed one change later.
    """
    made, times, at = recorder.Recorder(), 0, 1
    while made:
        final, before = made, interrupted.state(made)
        made = interrupted.killed(made, gcloud, at, *OPTIONS)
        at = at + 1 if made and interrupted.state(made) == before else 1
        times += 1
        final.close()
    assert times > 80
    found, wanted = interrupted.state(final), interrupted.state(world.cloud)
    assert ([entry for entry in wanted if entry not in found], [entry for entry in found if entry not in wanted]) == ([], [])
    assert len(found) == len(wanted)
