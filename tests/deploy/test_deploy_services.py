"""The services that infra/deploy.sh makes, and who may do what."""

import pytest

from recorder import PROJECT, REGION
from resources import AGENT, BUCKET, BUILDER, LANES, PROJECTS, PUBLIC_HOST, PUSHER, SCHEDULER, WEB, WORKER, assert_fields, one


ANNOTATIONS = {
    "run.googleapis.com/execution-environment": "gen2", "run.googleapis.com/startup-cpu-boost": "true",
    "run.googleapis.com/cloudsql-instances": f"{PROJECT}:{REGION}:mediarun", "autoscaling.knative.dev/minScale": "0"}
SERVICES = {
    "web": {
        "service": {"run.googleapis.com/ingress": "all", "run.googleapis.com/invoker-iam-disabled": "true",
                    "run.googleapis.com/custom-audiences": '["mediarun-web"]'},
        "template": {**ANNOTATIONS, "autoscaling.knative.dev/maxScale": "6", "run.googleapis.com/cpu-throttling": "true"},
        "spec": {"containerConcurrency": 1000, "timeoutSeconds": 3600, "serviceAccountName": WEB},
        "container": {"resources.limits": {"cpu": "1", "memory": "512Mi"}, "startupProbe.httpGet.path": "/api-health",
                      "livenessProbe.httpGet.path": "/alive", "ports.0.containerPort": 8080},
        "env": {"BUCKET": BUCKET, "GOOGLE_CLOUD_PROJECT": PROJECT, "PUSH_AUTH": "oidc", "PUSH_AUDIENCE": "mediarun-web",
                "PUSH_SERVICE_ACCOUNT": SCHEDULER, "PUBLIC_URL": f"https://{PUBLIC_HOST}"},
        "secrets": {"DATABASE_URL": "mediarun-database-url-web", "MIGRATION_DATABASE_URL": "mediarun-database-url", "JWT_SECRET": "mediarun-jwt-secret"}},
    "worker": {
        "service": {"run.googleapis.com/ingress": "internal", "run.googleapis.com/custom-audiences": '["mediarun-worker"]'},
        "template": {**ANNOTATIONS, "autoscaling.knative.dev/maxScale": "16", "run.googleapis.com/cpu-throttling": "false"},
        "spec": {"containerConcurrency": 8, "timeoutSeconds": 900, "serviceAccountName": WORKER},
        "container": {"resources.limits": {"cpu": "2", "memory": "4Gi"}, "startupProbe.httpGet.path": "/alive",
                      "livenessProbe.httpGet.path": "/alive", "ports.0.containerPort": 8080},
        "env": {"BUCKET": BUCKET, "GOOGLE_CLOUD_PROJECT": PROJECT, "PUSH_AUTH": "iam", "PUSH_AUDIENCE": "mediarun-worker",
                "PUSH_SERVICE_ACCOUNT": PUSHER},
        "secrets": {"DATABASE_URL": "mediarun-database-url-worker"}},
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
    assert container["image"] == f"{REGION}-docker.pkg.dev/{PROJECT}/mediarun/mediarun-{name}@sha256:" + 64 * "a"  # of the tag built
    assert service["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]


@pytest.mark.parametrize("name", SERVICES)
def test_probes_keep_the_limits(world, name):
    container = one(world, rf"/services/mediarun-{name}$")["spec"]["template"]["spec"]["containers"][0]
    for kind, longest in (("startupProbe", 240), ("livenessProbe", 3600)):
        probe = container[kind]
        assert probe["timeoutSeconds"] <= probe["periodSeconds"] <= longest
        assert kind == "livenessProbe" or probe["periodSeconds"] * probe["failureThreshold"] <= 240
        assert not probe["httpGet"]["path"].endswith("z")


# Exactly these roles, nothing else.
def member(email):
    return f"serviceAccount:{email}"


SERVICE_OF = f"{PROJECTS}/locations/{REGION}/services/mediarun-"
GRANTS = {
    (PROJECTS, "roles/cloudsql.client"): {WEB, WORKER},
    (PROJECTS, "roles/logging.logWriter"): {BUILDER},
    (PROJECTS, "roles/containeranalysis.occurrences.editor"): {BUILDER},
    (PROJECTS, "roles/containeranalysis.notes.editor"): {BUILDER},
    (PROJECTS, "roles/cloudbuild.builds.editor"): {BUILDER},
    (f"b/{BUCKET}", "roles/storage.objectUser"): {WEB, WORKER},
    (f"b/{PROJECT}-mediarun-build", "roles/storage.objectUser"): {BUILDER},
    (f"{PROJECTS}/locations/{REGION}/repositories/mediarun", "roles/artifactregistry.writer"): {BUILDER},
    (f"{PROJECTS}/secrets/mediarun-database-url", "roles/secretmanager.secretAccessor"): {WEB},
    (f"{PROJECTS}/secrets/mediarun-database-url-web", "roles/secretmanager.secretAccessor"): {WEB},
    (f"{PROJECTS}/secrets/mediarun-database-url-worker", "roles/secretmanager.secretAccessor"): {WORKER},
    (f"{PROJECTS}/secrets/mediarun-jwt-secret", "roles/secretmanager.secretAccessor"): {WEB},
    (f"{PROJECTS}/serviceAccounts/{WEB}", "roles/iam.serviceAccountTokenCreator"): {WEB},
    (f"{PROJECTS}/serviceAccounts/{WEB}", "roles/iam.serviceAccountUser"): {BUILDER},
    (f"{PROJECTS}/serviceAccounts/{BUILDER}", "roles/iam.serviceAccountUser"): {BUILDER},
    (f"{PROJECTS}/serviceAccounts/{WORKER}", "roles/iam.serviceAccountUser"): {BUILDER},
    (f"{PROJECTS}/topics/mediarun-tasks", "roles/pubsub.publisher"): {WEB, WORKER},
    (f"{PROJECTS}/topics/mediarun-tasks-high", "roles/pubsub.publisher"): {WEB, WORKER},
    (f"{PROJECTS}/topics/mediarun-deliveries", "roles/pubsub.publisher"): {WEB, WORKER},
    (f"{PROJECTS}/topics/mediarun-dead-letters", "roles/pubsub.publisher"): {AGENT},
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
