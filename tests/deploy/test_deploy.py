"""infra/deploy.sh with the real gcloud against the recorder: what Google would have been asked for, field by field."""

import base64
import json
import re
import shutil
import subprocess

import pytest

import cloud as programs
from conftest import OPTIONS, clone
from recorder import NUMBER, PROJECT, REGION

WEB, WORKER, PUSHER, SCHEDULER, BUILDER = (f"mediarun-{name}@{PROJECT}.iam.gserviceaccount.com"
                                           for name in ("web", "worker", "pusher", "scheduler", "builder"))
AGENT = f"service-{NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
WEB_URL, WORKER_URL = "http://mediarun-web-uc.a.run.app", "http://mediarun-worker-uc.a.run.app"
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


# ---- three runs ----------------------------------------------------------------------------------------------------------

def test_a_failure_is_one_line_and_the_next_run_goes_on(world):
    assert world.broken.returncode == 1
    errors = [line for line in lines(world.broken) if line.startswith("error:")]
    assert len(errors) == 1 and lines(world.broken)[-1] == errors[0]
    assert "sql users create" in errors[0] and "run this again" in errors[0]
    assert world.first.returncode == 0, world.first.stderr
    assert world.first.stdout == f"ready: {WEB_URL}\n"


def test_the_second_run_changes_nothing(world):
    assert world.second.returncode == 0, world.second.stderr
    assert world.second.stdout == f"ready: {WEB_URL}\n"
    assert world.cloud.mutations(world.at["second"]) == []
    assert "0 changes made" in lines(world.second)


def test_gcloud_had_nothing_to_complain_of(world):
    """It looks whether a service is there before it makes one; nothing else is refused."""
    refused = {f"{r['status']} {r['method']} {r['path']}" for r in world.cloud.requests[world.at["first"]:] if r["status"] >= 400}
    assert refused == {f"404 GET /apis/serving.knative.dev/v1/namespaces/{PROJECT}/services/mediarun-{name}" for name in ("web", "worker")}
    assert [r["host"] for r in world.cloud.requests if r["method"] == "CONNECT"] == []


def test_each_request_is_with_the_account_that_is_logged_in(world):
    assert {r["token"] for r in world.cloud.requests} == {"Bearer no-real-token"}


# ---- what was made ---------------------------------------------------------------------------------------------------------

def one(world, pattern):
    found = world.cloud.paths(pattern)
    assert len(found) == 1, sorted(found)
    return next(iter(found.values()))


def test_apis(world):
    assert {f"{name}.googleapis.com" for name in (
        "run", "pubsub", "storage", "sqladmin", "secretmanager", "artifactregistry", "cloudbuild", "cloudscheduler", "iam",
        "iamcredentials", "monitoring", "logging")} <= world.cloud.enabled


def test_accounts(world):
    assert set(world.cloud.paths(r"/serviceAccounts/")) == {WEB, WORKER, PUSHER, SCHEDULER, BUILDER}


def test_bucket(world):
    assert_fields(one(world, rf"/b/{PROJECT}-mediarun$"), {
        "location": REGION, "iamConfiguration.uniformBucketLevelAccess.enabled": True,
        "iamConfiguration.publicAccessPrevention": "enforced",
        "cors": [{"origin": ["*"], "method": ["GET", "HEAD"], "maxAgeSeconds": 3600,
                  "responseHeader": ["Content-Type", "Content-Length", "Content-Range", "Content-Disposition", "Range", "ETag"]}],
        "lifecycle.rule": [
            {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefix": ["inputs/", "results/"]}},
            {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}}]})


def test_bucket_of_builds(world):
    assert_fields(one(world, rf"/b/{PROJECT}-mediarun-build$"), {
        "iamConfiguration.uniformBucketLevelAccess.enabled": True, "iamConfiguration.publicAccessPrevention": "enforced",
        "lifecycle.rule": [{"action": {"type": "Delete"}, "condition": {"age": 7}}], "cors": None})


def test_topics(world):
    assert set(world.cloud.paths(r"/topics/[^/]+$")) == {*LANES, "mediarun-dead-letters"}


PUSH = {"ackDeadlineSeconds": 600, "expirationPolicy": {}, "messageRetentionDuration": "604800s",
        "retryPolicy": {"minimumBackoff": "1s", "maximumBackoff": "60s"}, "enableMessageOrdering": None, "filter": None,
        "pushConfig.noWrapper": None}


@pytest.mark.parametrize("lane", LANES)
def test_subscription_of_a_lane(world, lane):
    assert_fields(one(world, rf"/subscriptions/{lane}-worker$"), {
        **PUSH, "topic": f"{PROJECTS}/topics/{lane}", "pushConfig.pushEndpoint": WORKER_URL + "/",
        "pushConfig.oidcToken": {"serviceAccountEmail": PUSHER, "audience": "mediarun-worker"},
        "deadLetterPolicy": {"deadLetterTopic": f"{PROJECTS}/topics/mediarun-dead-letters", "maxDeliveryAttempts": 100}})


def test_subscription_of_the_dead_letters(world):
    assert_fields(one(world, r"/subscriptions/mediarun-dead-letters-web$"), {
        **PUSH, "topic": f"{PROJECTS}/topics/mediarun-dead-letters", "deadLetterPolicy": None,
        "pushConfig.pushEndpoint": WEB_URL + "/internal/dead-letters",
        "pushConfig.oidcToken": {"serviceAccountEmail": SCHEDULER, "audience": "mediarun-web"}})
    assert len(world.cloud.paths(r"/subscriptions/[^/]+$")) == 4


def test_database(world):
    assert_fields(one(world, r"/instances/mediarun$"), {
        "databaseVersion": "POSTGRES_16", "region": REGION, "settings.edition": "ENTERPRISE", "settings.tier": "db-custom-1-3840",
        "settings.availabilityType": "ZONAL", "settings.deletionProtectionEnabled": True, "settings.storageAutoResize": True,
        "settings.databaseFlags": [{"name": "max_connections", "value": "200"}],
        "settings.backupConfiguration.enabled": True, "settings.backupConfiguration.pointInTimeRecoveryEnabled": True,
        "settings.backupConfiguration.startTime": "03:00", "settings.ipConfiguration.sslMode": "ENCRYPTED_ONLY",
        "settings.ipConfiguration.authorizedNetworks": None, "rootPassword": None})
    assert set(world.cloud.paths(r"/databases/[^/]+$")) == {"mediarun"}


def payloads(world, secret):
    return [base64.b64decode(r["body"]["payload"]["data"]).decode() for r in world.cloud.requests
            if r["path"].endswith(f"/secrets/{secret}:addVersion")]


def test_the_newest_secret_holds_the_users_password(world):
    """The first run had stored one and failed to make the user; it must not be that."""
    stored = payloads(world, "mediarun-database-url")
    password = one(world, r"/users/mediarun$")["password"]
    assert len(password) >= 40 and len(set(stored)) == len(stored) == 2
    assert stored[-1] == (f"host=/cloudsql/{PROJECT}:{REGION}:mediarun dbname=mediarun user=mediarun password={password} "
                          "connect_timeout=10")


def test_the_key_of_the_logins(world):
    (key,) = payloads(world, "mediarun-jwt-secret")
    assert re.fullmatch(r"[A-Za-z0-9]{40,64}", key)


def test_no_secret_is_shown(world):
    shown = "".join(run.stdout + run.stderr for run in (world.broken, world.first, world.second))
    hidden = {text for secret in ("mediarun-jwt-secret", "mediarun-database-url") for text in payloads(world, secret)}
    hidden |= {text.split("password=")[1].split()[0] for text in payloads(world, "mediarun-database-url")}
    assert hidden and not [text for text in hidden if text in shown]
    assert "no-real-token" not in shown


def test_repository(world):
    assert_fields(one(world, r"/repositories/mediarun$"), {"format": "DOCKER"})


def test_build(world):
    assert_fields(one(world, r"/builds/[^/]+$"), {
        "serviceAccount": f"{PROJECTS}/serviceAccounts/{BUILDER}", "options.logging": "CLOUD_LOGGING_ONLY",
        "source.storageSource.bucket": f"{PROJECT}-mediarun-build", "substitutions._REGION": REGION,
        "substitutions._DEPLOY": "false", "substitutions._REPOSITORY": "mediarun"})


def test_trigger(world):
    assert_fields(one(world, r"/triggers/[^/]+$"), {
        "name": "mediarun-push", "filename": "cloudbuild.yaml", "github.owner": "someone", "github.name": "mediarun",
        "github.push.branch": "^main$", "serviceAccount": f"{PROJECTS}/serviceAccounts/{BUILDER}", "substitutions._REGION": REGION,
        "substitutions._DEPLOY": "true"})


def test_sweep(world):
    assert_fields(one(world, r"/jobs/mediarun-sweep$"), {
        "schedule": "* * * * *", "timeZone": "Etc/UTC", "attemptDeadline": "60s", "httpTarget.httpMethod": "POST",
        "httpTarget.uri": WEB_URL + "/internal/sweep", "httpTarget.headers.Content-Type": "application/json",
        "httpTarget.oidcToken": {"serviceAccountEmail": SCHEDULER, "audience": "mediarun-web"}})


# ---- the services -------------------------------------------------------------------------------------------------------------

ANNOTATIONS = {
    "run.googleapis.com/execution-environment": "gen2", "run.googleapis.com/startup-cpu-boost": "true",
    "run.googleapis.com/cloudsql-instances": f"{PROJECT}:{REGION}:mediarun", "autoscaling.knative.dev/minScale": "0"}
SERVICES = {
    "web": {
        "service": {"run.googleapis.com/ingress": "all", "run.googleapis.com/custom-audiences": '["mediarun-web"]'},
        "template": {**ANNOTATIONS, "autoscaling.knative.dev/maxScale": "6", "run.googleapis.com/cpu-throttling": "true"},
        "spec": {"containerConcurrency": 240, "timeoutSeconds": 3600, "serviceAccountName": WEB},
        "container": {"resources.limits": {"cpu": "1", "memory": "512Mi"}, "startupProbe.httpGet.path": "/api-health",
                      "livenessProbe.httpGet.path": "/alive", "ports.0.containerPort": 8080},
        "env": {"BUCKET": f"{PROJECT}-mediarun", "GOOGLE_CLOUD_PROJECT": PROJECT, "PUSH_AUTH": "oidc", "PUSH_AUDIENCE": "mediarun-web",
                "PUSH_SERVICE_ACCOUNT": SCHEDULER, "PUBLIC_URL": f"https://mediarun-web-{NUMBER}.{REGION}.run.app"},
        "secrets": {"DATABASE_URL": "mediarun-database-url", "JWT_SECRET": "mediarun-jwt-secret"}},
    "worker": {
        "service": {"run.googleapis.com/ingress": "internal", "run.googleapis.com/custom-audiences": '["mediarun-worker"]'},
        "template": {**ANNOTATIONS, "autoscaling.knative.dev/maxScale": "16", "run.googleapis.com/cpu-throttling": "false"},
        "spec": {"containerConcurrency": 5, "timeoutSeconds": 3600, "serviceAccountName": WORKER},
        "container": {"resources.limits": {"cpu": "2", "memory": "4Gi"}, "startupProbe.httpGet.path": "/alive",
                      "livenessProbe.httpGet.path": "/alive", "ports.0.containerPort": 8080},
        "env": {"BUCKET": f"{PROJECT}-mediarun", "GOOGLE_CLOUD_PROJECT": PROJECT, "PUSH_AUTH": "iam", "PUSH_AUDIENCE": "mediarun-worker",
                "PUSH_SERVICE_ACCOUNT": PUSHER},
        "secrets": {"DATABASE_URL": "mediarun-database-url"}},
}


@pytest.mark.parametrize("name", SERVICES)
def test_service(world, name):
    wanted = SERVICES[name]
    service = one(world, rf"/services/mediarun-{name}$")
    template = service["spec"]["template"]
    container = template["spec"]["containers"][0]
    assert {key: service["metadata"]["annotations"].get(key) for key in wanted["service"]} == wanted["service"]
    assert template["metadata"]["annotations"] == wanted["template"]
    assert_fields(template["spec"], wanted["spec"])
    assert_fields(container, wanted["container"])
    variables = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert {key: variables.get(key) for key in wanted["env"]} == wanted["env"]
    assert {entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in container["env"] if "valueFrom" in entry} == {
        key: {"name": secret, "key": "latest"} for key, secret in wanted["secrets"].items()}
    assert container["image"] == f"{REGION}-docker.pkg.dev/{PROJECT}/mediarun/mediarun-{name}@sha256:" + 64 * "a"  # of the tag latest
    assert service["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]


@pytest.mark.parametrize("name", SERVICES)
def test_probes_keep_the_limits(world, name):
    container = one(world, rf"/services/mediarun-{name}$")["spec"]["template"]["spec"]["containers"][0]
    for kind, longest in (("startupProbe", 240), ("livenessProbe", 3600)):
        probe = container[kind]
        assert probe["timeoutSeconds"] <= probe["periodSeconds"] <= longest
        assert kind == "livenessProbe" or probe["periodSeconds"] * probe["failureThreshold"] <= 240
        assert not probe["httpGet"]["path"].endswith("z")


# ---- who may do what: exactly this -----------------------------------------------------------------------------------------------

def member(email):
    return email if email == "allUsers" else f"serviceAccount:{email}"


SERVICE_OF = f"{PROJECTS}/locations/{REGION}/services/mediarun-"
GRANTS = {
    (PROJECTS, "roles/cloudsql.client"): {WEB, WORKER},
    (PROJECTS, "roles/logging.logWriter"): {BUILDER},
    (f"b/{PROJECT}-mediarun", "roles/storage.objectUser"): {WEB, WORKER},
    (f"b/{PROJECT}-mediarun-build", "roles/storage.objectViewer"): {BUILDER},
    (f"{PROJECTS}/locations/{REGION}/repositories/mediarun", "roles/artifactregistry.writer"): {BUILDER},
    (f"{PROJECTS}/secrets/mediarun-database-url", "roles/secretmanager.secretAccessor"): {WEB, WORKER},
    (f"{PROJECTS}/secrets/mediarun-jwt-secret", "roles/secretmanager.secretAccessor"): {WEB},
    (f"{PROJECTS}/serviceAccounts/{WEB}", "roles/iam.serviceAccountTokenCreator"): {WEB},
    (f"{PROJECTS}/serviceAccounts/{WEB}", "roles/iam.serviceAccountUser"): {BUILDER},
    (f"{PROJECTS}/serviceAccounts/{WORKER}", "roles/iam.serviceAccountUser"): {BUILDER},
    (f"{PROJECTS}/topics/mediarun-tasks", "roles/pubsub.publisher"): {WEB},
    (f"{PROJECTS}/topics/mediarun-tasks-high", "roles/pubsub.publisher"): {WEB},
    (f"{PROJECTS}/topics/mediarun-deliveries", "roles/pubsub.publisher"): {WEB, WORKER},
    (f"{PROJECTS}/topics/mediarun-dead-letters", "roles/pubsub.publisher"): {AGENT},
    (SERVICE_OF + "web", "roles/run.invoker"): {"allUsers"},
    (SERVICE_OF + "worker", "roles/run.invoker"): {PUSHER},
    (SERVICE_OF + "web", "roles/run.developer"): {BUILDER},
    (SERVICE_OF + "worker", "roles/run.developer"): {BUILDER},
    **{(f"{PROJECTS}/subscriptions/{lane}-worker", "roles/pubsub.subscriber"): {AGENT} for lane in LANES},
}


def test_grants(world):
    given = {(resource, binding["role"]): set(binding["members"])
             for resource, policy in world.cloud.policies.items() for binding in policy["bindings"]}
    assert given == {key: {member(email) for email in emails} for key, emails in GRANTS.items()}
    assert not [b for policy in world.cloud.policies.values() for b in policy["bindings"] if b.get("condition")]


# ---- what watches -----------------------------------------------------------------------------------------------------------------

def files_of(folder):
    return {path.stem: json.loads(path.read_text("utf-8")) for path in (programs.ROOT / "infra/monitoring" / folder).glob("*.json")}


def rendered(text):
    return re.sub(r"\$\{\w+\}", "…", text)


def test_policies(world):
    made = {policy["userLabels"]["policy"]: policy for policy in world.cloud.paths(r"/alertPolicies/").values()}
    channel = one(world, r"/notificationChannels/")
    assert_fields(channel, {"type": "email", "labels.email_address": "ops@example.com"})
    assert set(made) == set(files_of("policies"))
    for name, policy in files_of("policies").items():
        assert made[name]["notificationChannels"] == [channel["name"]]
        assert made[name]["displayName"] == policy["displayName"] and len(made[name]["conditions"]) == len(policy["conditions"])
        assert "${" not in json.dumps(made[name])


def test_log_metrics(world):
    made = world.cloud.paths(r"/metrics/[^/]+$")
    assert set(made) == set(files_of("metrics"))
    for name, metric in files_of("metrics").items():
        assert "${" not in json.dumps(made[name])
        assert re.sub(r"^\[\w{16}\] ", "", made[name]["description"]) == rendered(metric["description"])
        assert made[name]["metricDescriptor"]["metricKind"] == metric["metricDescriptor"]["metricKind"]


def test_uptime_check(world):
    assert_fields(one(world, r"/uptimeCheckConfigs/"), {
        "period": "60s", "timeout": "10s", "logCheckFailures": True, "httpCheck.useSsl": True, "httpCheck.path": "/api-health",
        "monitoredResource.labels": {"project_id": PROJECT, "host": f"mediarun-web-{NUMBER}.{REGION}.run.app"}})


def test_dashboard(world):
    made = one(world, r"/dashboards/")
    wanted = json.loads((programs.ROOT / "infra/monitoring/dashboard.json").read_text("utf-8"))
    assert made["displayName"] == wanted["displayName"] and "${" not in json.dumps(made)
    assert len(made["mosaicLayout"]["tiles"]) == len(wanted["mosaicLayout"]["tiles"])


# ---- other runs --------------------------------------------------------------------------------------------------------------------

def test_a_dry_run_of_an_empty_project(empty, gcloud):
    run = programs.deploy(empty, gcloud, "--dry-run", *OPTIONS)
    assert run.returncode == 0, run.stderr
    assert empty.mutations() == [] and run.stdout == ""
    shown = [line.removeprefix(f"+ gcloud --project={PROJECT} ") for line in lines(run) if line.startswith("+ ")]
    for start in ("services enable", "iam service-accounts create", "storage buckets create", "sql instances create", "builds submit",
                  "run services replace", "pubsub subscriptions create", "scheduler jobs create", "builds triggers create"):
        assert [line for line in shown if line.startswith(start)], start
    assert f"dry run: {len(shown)} changes would be made" in lines(run)


MAIL = {"SMTP_URL": "smtp://relay.example:587", "SMTP_USER": "apikey", "MAIL_FROM": "m@example.com",
        "SMTP_PASSWORD": "word-of-the-relay"}


@pytest.fixture(scope="module")
def forced(world, gcloud):
    """A deployed project, spoiled by hand, where everything is set again, with mail and a larger database."""
    made = clone(world.cloud)
    subscription = made.paths(r"/mediarun-tasks-worker$")["mediarun-tasks-worker"]
    subscription.update(ackDeadlineSeconds=10, pushConfig={})
    made.run = programs.deploy(made, gcloud, *OPTIONS, "--force", "--db-tier=db-custom-4-15360", settings=MAIL)
    yield made
    made.close()


def test_force_sets_everything_anew(forced):
    assert forced.run.returncode == 0, forced.run.stderr
    changed = {}
    for request in forced.mutations():
        parts = request["path"].split("/")
        changed.setdefault(f"{request['method']} {parts[-2]}", []).append(parts[-1])
    for names in changed.values():
        names.sort()
    assert changed.pop("PATCH alertPolicies") and changed.pop("PATCH uptimeCheckConfigs") and changed.pop("PATCH dashboards")
    assert changed == {
        "PATCH b": [f"{PROJECT}-mediarun", f"{PROJECT}-mediarun-build"], "PUT metrics": sorted(files_of("metrics")),
        "PATCH subscriptions": sorted(["mediarun-dead-letters-web", *(f"{lane}-worker" for lane in LANES)]),
        "PATCH instances": ["mediarun"], "PUT services": ["mediarun-web", "mediarun-worker"], "PATCH jobs": ["mediarun-sweep"],
        f"POST {PROJECT}": ["secrets"],
        "POST secrets": ["mediarun-smtp-password:addVersion", "mediarun-smtp-password:setIamPolicy"]}
    assert len(forced.paths(r"/alertPolicies/")) == len(files_of("policies"))
    assert_fields(forced.paths(r"/subscriptions/")["mediarun-tasks-worker"], {
        "ackDeadlineSeconds": 600, "pushConfig.oidcToken.serviceAccountEmail": PUSHER})
    assert_fields(forced.paths(r"/instances/mediarun$")["mediarun"], {
        "settings.tier": "db-custom-4-15360", "settings.databaseFlags": [{"name": "max_connections", "value": "200"}]})


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
    (r"^/storage/v1/b/demo-project-mediarun$", "POST", r"/storage/v1/b$", 409, r"buckets create.*another one with --bucket"),
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
    assert left == set()
    assert not made.policies[PROJECTS].get("bindings")
    order = [r["path"] for r in made.mutations() if r["method"] in ("DELETE", "PATCH")]
    instance = [path for path in order if path.endswith("/instances/mediarun")]
    assert len(instance) == 2, "deletion protection is taken off first"


# ---- before anything is made ---------------------------------------------------------------------------------------------------------

def test_what_is_missing_beforehand(empty, gcloud):
    """Each in one line; nothing is made."""
    empty.permissions_missing = {"run.services.create", "pubsub.topics.create"}
    run = programs.deploy(empty, gcloud)
    assert re.fullmatch(r"error: missing permissions on demo-project: pubsub\.topics\.create run\.services\.create — .*", lines(run)[-1])
    empty.billing = False
    assert lines(programs.deploy(empty, gcloud))[-1].startswith("error: billing is disabled for demo-project: gcloud billing projects link")
    empty.fail("GET", r"/v1/projects/demo-project$", 403, "The caller does not have permission")
    assert re.match(r"error: project demo-project does not exist or you cannot access it", lines(programs.deploy(empty, gcloud))[-1])
    assert empty.mutations() == []


def test_a_region_that_is_none(empty, gcloud):
    empty.enabled |= {"run.googleapis.com"}
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
    ("worker.yaml", "containerConcurrency: 5", "containerConcurrency: 6", r"containerConcurrency 6 is above SLOTS .* = 5"),
    ("web.yaml", "containerConcurrency: 240", "containerConcurrency: 1000", r"containerConcurrency 1000 is above WEB_THREADS .* = 240"),
    ("worker.yaml", "memory: 4Gi", "memory: 2Gi", r"may use 3584 MiB, the limit is 2048 MiB: raise memory"),
    ("worker.yaml", 'JOB_TIMEOUT_SECONDS, value: "3300"', 'JOB_TIMEOUT_SECONDS, value: "3600"', r"lower JOB_TIMEOUT_SECONDS"),
    ("worker.yaml", "timeoutSeconds: 3600", "timeoutSeconds: 7200", r"above Cloud Run's limit of 3600"),
    ("worker.yaml", 'cpu-throttling: "false"', 'cpu-throttling: "true"', r'outlives its push \(600 s\) .* or JOB_TIMEOUT_SECONDS to 540'),
    ("worker.yaml", "DATABASE_POOL", "DATABASE_POOLS", r"worker.yaml has no number for DATABASE_POOL"),
]


@pytest.mark.parametrize("name,old,new,said", BUDGETS)
def test_numbers_that_do_not_fit(tmp_path, tree, name, old, new, said):
    file = tree / "infra/services" / name
    text = file.read_text("utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")
    run = without_gcloud(tmp_path, tree, "--project", PROJECT)
    assert run.returncode == 1 and len(lines(run)) == 1 and re.search(said, run.stderr), run.stderr
