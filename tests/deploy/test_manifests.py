"""The YAML and JSON that is applied: services, Knative, buckets, Cloud Build. By gcloud's message classes (where installed), by a
closed schema of Knative, and by mediarun's own table of settings."""

import copy
import json
import re
import subprocess

import jsonschema
import pytest
import yaml

import cloud
import messages

ROOT = cloud.ROOT
SCHEMA = json.loads((ROOT / "tests/deploy/knative_schema.json").read_text("utf-8"))
with_gcloud = pytest.mark.skipif(not messages.sdk_library(), reason="gcloud's message classes are not installed")


def documents(path):
    """Those of a YAML file, placeholders filled with something; what is there for mail alone as well."""
    text = (ROOT / path).read_text("utf-8").replace("#mail: ", "").replace("#vpc: ", "").replace("#kms: ", "")
    return list(yaml.safe_load_all(re.sub(r"\$\{\w+\}", "filled", text)))


def services(path):
    return [document for document in documents(path) if document["kind"] == "Service"]


KNATIVE = "infra/knative/mediarun.yaml"
SERVICES = {f"{path}:{service['metadata']['name']}": service
            for path in ("infra/services/web.yaml", "infra/services/worker.yaml", KNATIVE) for service in services(path)}


def test_there_are_four():
    assert sorted(key.split(":")[1] for key in SERVICES) == ["mediarun-web", "mediarun-web", "mediarun-worker", "mediarun-worker"]


@pytest.mark.parametrize("name", SERVICES)
def test_knative_takes_it(name):
    jsonschema.Draft202012Validator(SCHEMA).validate(SERVICES[name])


@pytest.mark.parametrize("path,value", [
    ("spec.template.spec.containerConcurency", 5), ("spec.template.spec.timeoutSeconds", "600"), ("metadata.name", "Web"),
    ("spec.template.metadata.annotations.autoscaling\0knative\0dev/minScale", 1), ("spec.template.spec.containers", []),
])
def test_knatives_schema_finds_faults(path, value):
    spoiled = copy.deepcopy(SERVICES["infra/services/web.yaml:mediarun-web"])
    *steps, final = (step.replace("\0", ".") for step in path.split("."))
    place = spoiled
    for step in steps:
        place = place[step]
    place[final] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(spoiled)


@with_gcloud
@pytest.mark.parametrize("name", [name for name in SERVICES if not name.startswith(KNATIVE)])
def test_cloud_runs_classes_know_it(name):
    assert messages.faults(messages.message_class("run", "v1", "Service"), SERVICES[name]) == []


def settings_of(program):
    """The variables that a program reads, by the table of docs/configuration.md, which tests/lint compares with the code."""
    table = re.search(r"<!-- config -->\n(.*?)<!-- /config -->", (ROOT / "docs/configuration.md").read_text("utf-8"), re.DOTALL).group(1)
    return {name: fallback for name, whose, fallback in re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]+) \|", table, re.MULTILINE)
            if whose in (program, "both")}


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_is_one_of_the_programs(name):
    container = SERVICES[name]["spec"]["template"]["spec"]["containers"][0]
    given = [variable["name"] for variable in container["env"]]
    known = settings_of(container["name"])
    assert sorted(set(given)) == sorted(given) and set(given) <= set(known)
    assert {key for key, fallback in known.items() if fallback == "*required*"} <= set(given)
    assert not {key for key in given if "EMULATOR" in key}


def test_the_knative_worker_ends_before_its_request():
    worker = SERVICES[f"{KNATIVE}:mediarun-worker"]["spec"]["template"]["spec"]
    job = next(v["value"] for v in worker["containers"][0]["env"] if v["name"] == "JOB_TIMEOUT_SECONDS")
    assert int(job) + 60 <= worker["timeoutSeconds"] == 600


def test_a_knative_worker_with_busy_slots_gets_company():
    """Knative scales by requests alone, and a worker whose slots are busy with units keeps no others."""
    template = SERVICES[f"{KNATIVE}:mediarun-worker"]["spec"]["template"]
    slots = next(v["value"] for v in template["spec"]["containers"][0]["env"] if v["name"] == "SLOTS")
    assert template["metadata"]["annotations"]["autoscaling.knative.dev/target"] == slots


@with_gcloud
@pytest.mark.parametrize("name,field", [("cors", "cors"), ("lifecycle", "lifecycle"), ("lifecycle-builds", "lifecycle")])
def test_bucket_files(name, field):
    content = json.loads((ROOT / f"infra/storage/{name}.json").read_text("utf-8"))
    assert messages.faults(messages.message_class("storage", "v1", "Bucket"), {field: content}) == []


LOCAL = r"""
set -euo pipefail
exec 3>&1 >/dev/null
. "$0/infra/local/lib/common.sh"; . "$0/infra/local/lib/provision.sh"
request() { requests+=(one); printf '%s\t%s\t%s\n' "$1" "$2" "$(tr -d '\n' <<<"$3")" >&3; }
ask() { statuses=("${requests[@]/one/200}"); requests=(); }
provision
"""


@pytest.fixture(scope="module")
def local():
    """What infra/local/run.sh asks of the emulator: (method, path) → body."""
    given = {"STORAGE_URL": "", "PUBSUB_URL": "", "SCHEDULER_URL": "", "GOOGLE_CLOUD_PROJECT": "p", "BUCKET": "b", "PATH": "/usr/bin:/bin",
             "WORKER_URL": "http://worker", "WEB_URL": "http://web", "PUSH_SERVICE_ACCOUNT": "push@p"}
    run = subprocess.run(["bash", "-c", LOCAL, ROOT], env=given, text=True, capture_output=True, check=True)
    asked = [line.split("\t") for line in run.stdout.splitlines()]
    return {(method, path.split("?")[0]): json.loads(body) for method, path, body in asked}


def names():
    """infra/names.sh, as it is without settings."""
    script = ". \"$0/infra/names.sh\"; declare -p ${!MR_@}"
    shown = subprocess.run(["bash", "-c", script, ROOT], env={"PATH": "/usr/bin:/bin"}, text=True, capture_output=True, check=True).stdout
    return dict(re.findall(r'^declare -- (\w+)="(.*)"$', shown, re.MULTILINE))


def test_the_embedded_cloud_is_set_up_alike(local):
    """Its names and numbers are those of infra/names.sh and infra/storage, which test_deploy finds in gcloud's requests."""
    name = names()
    for lane in ("MR_TOPIC", "MR_TOPIC_HIGH", "MR_TOPIC_DELIVERIES"):
        subscription = local["PUT", f"/v1/projects/p/subscriptions/{name[lane]}-worker"]
        assert subscription["topic"] == f"projects/p/topics/{name[lane]}"
        assert subscription["ackDeadlineSeconds"] == int(name["MR_ACK_DEADLINE_S"]) and subscription["expirationPolicy"] == {}
        assert subscription["retryPolicy"] == {"minimumBackoff": name["MR_RETRY_MIN_S"] + "s", "maximumBackoff": name["MR_RETRY_MAX_S"] + "s"}
        assert subscription["deadLetterPolicy"] == {"deadLetterTopic": f"projects/p/topics/{name['MR_TOPIC_DEAD']}",
                                                    "maxDeliveryAttempts": int(name["MR_DELIVERY_ATTEMPTS"])}
        assert ("PUT", f"/v1/projects/p/topics/{name[lane]}") in local
    dead = local["PUT", f"/v1/projects/p/subscriptions/{name['MR_SUBSCRIPTION_DEAD']}"]
    assert dead["pushConfig"]["pushEndpoint"] == "http://web" + name["MR_DEAD_LETTERS_PATH"] and "deadLetterPolicy" not in dead
    job = local["POST", "/v1/projects/p/locations/local/jobs"]
    assert job["schedule"] == name["MR_SWEEP_SCHEDULE"] and job["httpTarget"]["uri"] == "http://web" + name["MR_SWEEP_PATH"]
    assert local["PATCH", "/storage/v1/b/b"] == {"cors": json.loads((ROOT / "infra/storage/cors.json").read_text("utf-8"))}


def test_the_topics_are_the_programs_defaults():
    name, known = names(), settings_of("web")
    assert [known[key] for key in ("PUBSUB_TOPIC", "PUBSUB_TOPIC_HIGH", "PUBSUB_TOPIC_DELIVERIES")] == [
        f"`{name[key]}`" for key in ("MR_TOPIC", "MR_TOPIC_HIGH", "MR_TOPIC_DELIVERIES")]
