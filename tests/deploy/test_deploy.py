"""infra/deploy.sh with the real gcloud against the recorder: what Google was asked for, field by field."""

import base64
import json
import re

import pytest

import cloud as programs
from recorder import PROJECT, REGION
from resources import BUCKET, BUILDER, LANES, PROJECTS, PUBLIC_HOST, PUSHER, SCHEDULER, WEB, WEB_URL, WORKER, WORKER_URL, assert_fields, files_of, lines, one


def test_a_failure_is_one_line_and_the_next_run_goes_on(world):
    assert world.broken.returncode == 1
    errors = [line for line in lines(world.broken) if line.startswith("error:")]
    assert len(errors) == 1 and lines(world.broken)[-1] == errors[0]
    assert "sql users create" in errors[0] and "run this again" in errors[0]
    assert world.first.returncode == 0, world.first.stderr
    assert world.first.stdout == f"ready: {WEB_URL}\n"


def test_a_run_without_options_keeps_them_and_changes_nothing(world):
    assert world.second.returncode == 0, world.second.stderr
    assert world.second.stdout == f"ready: {WEB_URL}\n"
    assert world.cloud.mutations(world.at["second"]) == []
    assert "0 changes made" in lines(world.second)


def test_gcloud_had_nothing_to_complain_of(world):
    """It looks whether a service is there before it makes one, and calls an API until it works; nothing else is refused. The
    locks of runs that were killed are found and removed."""
    refused = {f"{r['status']} {r['method']} {r['path']}" for r in world.cloud.requests if r["status"] not in (200, 403, 500)}
    services = f"GET /apis/serving.knative.dev/v1/namespaces/{PROJECT}/services/mediarun-"
    assert refused == {f"404 {services}web", f"404 {services}worker", f"409 POST /v1/projects/{PROJECT}/secrets"}
    assert {r["path"] for r in world.cloud.requests if r["status"] == 500} == {f"/sql/v1beta4/projects/{PROJECT}/instances/mediarun/users"}
    early = [number for number, r in enumerate(world.cloud.requests) if r["status"] == 403]
    assert early and len(early) < 60 and not world.cloud.paths("mediarun-deploy-lock")
    assert [r["host"] for r in world.cloud.requests if r["method"] == "CONNECT"] == []


def test_each_request_is_with_the_account_that_is_logged_in(world):
    assert {r["token"] for r in world.cloud.requests} == {"Bearer no-real-token"}


def test_apis(world):
    assert {f"{name}.googleapis.com" for name in (
        "run", "pubsub", "storage", "sqladmin", "secretmanager", "artifactregistry", "cloudbuild", "cloudscheduler", "iam",
        "iamcredentials", "monitoring", "logging")} <= world.cloud.enabled


def test_accounts(world):
    assert set(world.cloud.paths(r"/serviceAccounts/")) == {WEB, WORKER, PUSHER, SCHEDULER, BUILDER}


def test_bucket(world):
    assert_fields(one(world, rf"/b/{BUCKET}$"), {
        "location": REGION, "iamConfiguration.uniformBucketLevelAccess.enabled": True,
        "iamConfiguration.publicAccessPrevention": "enforced",
        "cors": [{"origin": ["*"], "method": ["GET", "HEAD"], "maxAgeSeconds": 3600,
                  "responseHeader": ["Content-Type", "Content-Length", "Content-Range", "Content-Disposition", "Range", "ETag"]}],
        "lifecycle.rule": [
            {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefix": ["inputs/", "results/", "units/"]}},
            {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}}]})


def test_bucket_of_builds(world):
    assert_fields(one(world, rf"/b/{PROJECT}-mediarun-build$"), {
        "iamConfiguration.uniformBucketLevelAccess.enabled": True, "iamConfiguration.publicAccessPrevention": "enforced",
        "lifecycle.rule": [{"action": {"type": "Delete"}, "condition": {"age": 7, "matchesPrefix": ["source/"]}}], "cors": None})


def test_topics(world):
    assert set(world.cloud.paths(r"/topics/[^/]+$")) == {*LANES, "mediarun-dead-letters", "cloud-builds"}


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
        "databaseVersion": "POSTGRES_16", "region": REGION, "settings.edition": "ENTERPRISE", "settings.tier": "db-custom-2-7680",
        "settings.availabilityType": "REGIONAL", "settings.deletionProtectionEnabled": True, "settings.storageAutoResize": True,
        "settings.databaseFlags": [{"name": "max_connections", "value": "400"}],
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


@pytest.mark.parametrize("program, user", [("web", "mr_web"), ("worker", "mr_worker")])
def test_each_program_has_its_own_login(world, program, user):
    (stored,) = payloads(world, f"mediarun-database-url-{program}")
    password = one(world, rf"/users/{user}$")["password"]
    assert f" user={user} password={password} " in stored and password not in payloads(world, "mediarun-database-url")[-1]


def test_the_key_of_the_logins(world):
    (key,) = payloads(world, "mediarun-jwt-secret")
    assert re.fullmatch(r"[A-Za-z0-9]{40,64}", key)


def test_no_secret_is_shown(world):
    shown = "".join(run.stdout + run.stderr for run in (world.broken, world.late, world.first, world.second))
    urls = [text for name in ("", "-web", "-worker") for text in payloads(world, "mediarun-database-url" + name)]
    hidden = {*payloads(world, "mediarun-jwt-secret"), *urls, *(text.split("password=")[1].split()[0] for text in urls)}
    assert hidden and not [text for text in hidden if text in shown]
    assert "no-real-token" not in shown


def test_repository(world):
    assert_fields(one(world, r"/repositories/mediarun$"), {"format": "DOCKER"})


def test_build(world):
    """The images, which Cloud Build pushes itself; and then what is in them."""
    images, documents = sorted(world.cloud.paths(r"/builds/[^/]+$").values(), key=lambda build: "images" not in build)
    for build in (images, documents):
        assert_fields(build, {
            "serviceAccount": f"{PROJECTS}/serviceAccounts/{BUILDER}", "options.logging": "CLOUD_LOGGING_ONLY",
            "substitutions._REGION": REGION, "substitutions._REPOSITORY": "mediarun"})
    assert_fields(images, {"source.storageSource.bucket": f"{PROJECT}-mediarun-build", "options.requestedVerifyOption": "VERIFIED"})
    assert_fields(documents, {"source": None, "substitutions._DEPLOY": "false", "substitutions._TAG": "built",
                              "substitutions._SBOMS": f"gs://{PROJECT}-mediarun-build/sbom"})


def test_repository(world):
    """Scanned for vulnerabilities; old images go, those that a rollback needs stay."""
    assert_fields(one(world, r"/repositories/mediarun$"), {
        "format": "DOCKER", "labels.app": "mediarun", "vulnerabilityScanningConfig.enablementConfig": "INHERITED", "cleanupPolicyDryRun": False,
        "cleanupPolicies.delete-old": {"id": "delete-old", "action": "Delete", "condition": {"tagState": "any", "olderThan": "2592000.0s"}},
        "cleanupPolicies.keep-newest": {"id": "keep-newest", "action": "Keep", "mostRecentVersions": {"keepCount": 10}}})
    assert "containerscanning.googleapis.com" in world.cloud.enabled


def test_triggers(world):
    made = world.cloud.paths(r"/triggers/[^/]+$")
    assert set(made) == {"mediarun-push", "mediarun-weekly", "mediarun-rollout"}
    for trigger in made.values():
        assert_fields(trigger, {"serviceAccount": f"{PROJECTS}/serviceAccounts/{BUILDER}", "substitutions._REGION": REGION})
    assert_fields(made["mediarun-push"], {
        "filename": "cloudbuild.yaml", "github.owner": "someone", "github.name": "mediarun", "github.push.branch": "^main$",
        "substitutions._CACHE": None})
    assert_fields(made["mediarun-weekly"], {"gitFileSource.path": "cloudbuild.yaml", "substitutions._CACHE": "false"})
    assert_fields(made["mediarun-rollout"], {
        "gitFileSource.path": "cloudbuild-rollout.yaml", "pubsubConfig.topic": f"{PROJECTS}/topics/cloud-builds",
        "filter": '_STATUS == "SUCCESS" && (_NAME == "mediarun-push" || _NAME == "mediarun-weekly")',
        "substitutions._TAG": "$(body.message.attributes.buildId)"})


def test_weekly_build(world):
    assert_fields(one(world, r"/jobs/mediarun-weekly$"), {
        "schedule": "0 4 * * 1", "httpTarget.oauthToken.serviceAccountEmail": BUILDER,
        "httpTarget.uri": f"https://cloudbuild.googleapis.com/v1/{PROJECTS}/locations/{REGION}/triggers/mediarun-weekly:run"})


def test_sweep(world):
    assert_fields(one(world, r"/jobs/mediarun-sweep$"), {
        "schedule": "* * * * *", "timeZone": "Etc/UTC", "attemptDeadline": "60s", "httpTarget.httpMethod": "POST",
        "httpTarget.uri": WEB_URL + "/internal/sweep", "httpTarget.headers.Content-Type": "application/json",
        "httpTarget.oidcToken": {"serviceAccountEmail": SCHEDULER, "audience": "mediarun-web"}})


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
        "monitoredResource.labels": {"project_id": PROJECT, "host": PUBLIC_HOST}})


def test_dashboard(world):
    made = one(world, r"/dashboards/")
    wanted = json.loads((programs.ROOT / "infra/monitoring/dashboard.json").read_text("utf-8"))
    assert made["displayName"] == wanted["displayName"] and "${" not in json.dumps(made)
    assert len(made["mosaicLayout"]["tiles"]) == len(wanted["mosaicLayout"]["tiles"])
