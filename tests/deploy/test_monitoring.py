"""infra/monitoring: what the API would refuse, what the older systems had, what the runbooks say. The log metrics against
real lines: tests/e2e/test_log_metrics.py. All of it made by deploy.sh: the tests of deploy.sh."""

import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import cloud
import messages
import monitoring
import recorder

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "e2e"))
from harness.log_filter import Query, point_of  # noqa: E402

FILES = list(monitoring.kinds())
POLICIES = monitoring.names("policies")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
SOURCES = "\n".join(path.read_text("utf-8") for room in ("shared", "web", "worker") for ending in ("c", "def")
                    for path in sorted((ROOT / room).rglob(f"*.{ending}")))
with_gcloud = pytest.mark.skipif(not messages.sdk_library(), reason="gcloud's message classes are not installed")


@pytest.mark.parametrize("name", FILES)
def test_rules(name):
    assert monitoring.rule_faults(name) == []


@with_gcloud
@pytest.mark.parametrize("name", FILES)
def test_message_classes(name):
    assert monitoring.message_faults(name) == []


# One of each shape; deploy.sh's own tests send them all.
@pytest.mark.skipif(bool(cloud.missing()), reason=cloud.missing() or "gcloud is here")
@pytest.mark.parametrize("command, name", [
    ("alpha monitoring policies create --policy-from-file", "policies/server-errors"),
    ("alpha monitoring policies create --policy-from-file", "policies/no-metric-data"),
    ("alpha monitoring policies create --policy-from-file", "policies/many-instances"),
    ("alpha monitoring policies create --policy-from-file", "policies/sweep-refused"),
    ("alpha monitoring policies create --policy-from-file", "policies/slo-submit-fast"),
    ("logging metrics create mediarun_tasks_finished --config-from-file", "metrics/mediarun_tasks_finished"),
    ("logging metrics create mediarun_queue_seconds --config-from-file", "metrics/mediarun_queue_seconds"),
    ("monitoring dashboards create --config-from-file", "dashboard")])
def test_gcloud_loses_nothing_of_a_file(tmp_path, command, name):
    wanted = json.loads(json.dumps(monitoring.load(name)).replace(monitoring.VALUES["PROJECT"], recorder.PROJECT))
    (tmp_path / "file.json").write_text(json.dumps(wanted), "utf-8")
    google = recorder.Recorder()
    google.enabled |= {"monitoring.googleapis.com", "logging.googleapis.com"}
    try:
        words = ["gcloud", *f"{command}={tmp_path / 'file.json'}".split(), f"--project={recorder.PROJECT}", "--quiet"]
        done = subprocess.run(words, env=cloud.environment(google.port, tmp_path), text=True, capture_output=True, check=False,
                              timeout=120)
        assert done.returncode == 0, done.stderr
        assert [request["body"] for request in google.mutations()] == [wanted]
    finally:
        google.close()


def at(*path):
    def change(value, new):
        for step in path[:-1]:
            value = value[step]
        value[path[-1]] = new
    return change


THRESHOLD = ("conditions", 0, "conditionThreshold")
FILTER = (*THRESHOLD, "filter")
STEP = (*THRESHOLD, "aggregations", 0)


@with_gcloud
@pytest.mark.parametrize("path, wrong", [
    (("displayNam",), "x"), (("combiner",), "XOR"), (("enabled",), "yes"), (("conditions", 0, "conditionTreshold"), {}),
    ((*STEP, "perSeriesAligner"), "ALIGN_BEST"), ((*THRESHOLD, "comparison"), ">"), (("documentation", "text"), "x")])
def test_message_classes_notice(path, wrong):
    policy = monitoring.load("policies/cpu-high")
    kind = messages.message_class("monitoring", "v3", "AlertPolicy")
    assert messages.faults(kind, policy) == []
    at(*path)(policy, wrong)
    assert len(messages.faults(kind, policy)) == 1


CPU = 'resource.type="cloud_run_revision" AND metric.type="run.googleapis.com/container/cpu/utilizations"'


@pytest.mark.parametrize("path, wrong, said", [
    ((*THRESHOLD, "duration"), "90s", "a duration of 90 s"),
    ((*STEP, "alignmentPeriod"), "30s", "an alignment period of 30 s"),
    ((*STEP, "perSeriesAligner"), "ALIGN_MAX", "ALIGN_MAX takes no DELTA of DISTRIBUTION"),
    ((*STEP, "perSeriesAligner"), "ALIGN_DELTA", "REDUCE_MAX takes no DISTRIBUTION"),
    ((*STEP, "groupByFields"), ["resource.labels.subscription_id"], "neither cloud_run_revision nor the metric has it"),
    (FILTER, CPU + ' AND metric.labels.state="idle"', "metric.labels.state: neither"),
    (FILTER, CPU.replace("utilizations", "utilization"), "is not known"),
    (FILTER, CPU.replace("cloud_run_revision", "pubsub_subscription"), "is of cloud_run_revision"),
    (FILTER, CPU + ' AND resource.labels.location=one_of("' + "x" * 2048 + '")', "2048 are allowed"),
    ((*THRESHOLD, "denominatorFilter"), CPU, "aggregated differently"),
    (("userLabels", "policy"), "other", "not its file's name"),
    (("userLabels", "policy"), "CPU high", "small letters"),
    (("conditions",), [], "0 conditions"),
    (("documentation", "content"), "x" * 8193, "a runbook of 8193 characters"),
    (("alertStrategy", "autoClose"), "60s", "autoClose"),
    (("conditions", 1), {"conditionMatchedLog": {"filter": "severity>=ERROR"}}, "a query without resource.type"),
    (("conditions", 1), {"conditionMatchedLog": {"filter": 'resource.type="x"'}}, "stands alone"),
    (("conditions", 1), {"conditionMatchedLog": {"filter": 'resource.type="x"'}}, "they need it"),
    (("notificationChannels",), [], "not for the file to say")])
def test_rules_notice(path, wrong, said):
    policy = monitoring.load("policies/cpu-high")
    policy["conditions"][0]["conditionThreshold"]["denominatorAggregations"] = []
    assert list(monitoring.policy_faults("cpu-high", policy)) == []
    at(*path)(policy, wrong)
    assert said in "\n".join(monitoring.policy_faults("cpu-high", policy))


def test_a_short_absence_is_noticed():
    policy = monitoring.load("policies/no-metric-data")
    policy["conditions"][0]["conditionAbsent"]["duration"] = "60s"
    assert list(monitoring.policy_faults("no-metric-data", policy)) == ["a duration of 60 s"]


def test_strange_placeholders_are_noticed():
    assert list(monitoring.placeholder_faults('"${PROJECT}" "${HOME}"')) == ["${HOME} is none of those that deploy.sh fills in"]


def test_overlapping_tiles_are_noticed():
    dashboard = monitoring.load("dashboard")
    dashboard["mosaicLayout"]["tiles"][1]["xPos"] -= 1
    assert "overlaps" in "\n".join(monitoring.dashboard_faults(dashboard))


def conditions(name, kind="conditionThreshold"):
    return [condition[kind] for condition in monitoring.load(f"policies/{name}")["conditions"] if kind in condition]


def watched(name):
    """(metric, threshold, seconds) of each condition of a policy."""
    return [(monitoring.terms(body["filter"])["metric.type"].split("/", 1)[1], body["thresholdValue"],
             monitoring.seconds(body["duration"])) for body in conditions(name)]


# CLIENTS.md's list, in the words of Cloud Run.
def test_policies_of_the_older_systems():
    assert watched("cpu-high")[0] == ("container/cpu/utilizations", 0.75, 300)
    assert watched("cpu-saturated")[0] == ("container/cpu/utilizations", 0.9, 1800)
    concurrency = "container/max_request_concurrencies"
    assert {(metric, seconds) for metric, _, seconds in watched("serving-capacity")} == {(concurrency, 300)}
    assert {body["duration"] for body in conditions("no-metric-data", "conditionAbsent")} == {"3600s"}
    [instances] = conditions("many-instances")
    assert watched("many-instances") == [("container/instance_count", 4, 0)]
    assert [(step["alignmentPeriod"], step["perSeriesAligner"]) for step in instances["aggregations"]] == [
        ("60s", "ALIGN_MAX"), ("3600s", "ALIGN_MAX")]


@pytest.mark.parametrize("name, metric, least", [
    ("queue-age", "subscription/oldest_unacked_message_age", 4200), ("dead-letters", "subscription/dead_letter_message_count", 0),
    ("server-errors", "request_count", 0.02), ("latency", "user/mediarun_request_latencies", 2000),
    ("task-failures", "user/mediarun_tasks_finished", 0.25), ("sql-connections", "database/postgresql/num_backends", 160)])
def test_policies_beyond(name, metric, least):
    assert watched(name)[0][:2] == (metric, least)


@pytest.mark.parametrize("name", ["cpu-high", "cpu-saturated"])
def test_a_busy_processor_alone_is_no_incident(name):
    """One long video keeps an instance busy and its message unacknowledged, and nothing is to be done."""
    assert monitoring.load(f"policies/{name}")["combiner"] == "AND"
    assert watched(name)[1:] == [("subscription/oldest_unacked_message_age", 300, 300),
                                 ("subscription/num_undelivered_messages", monitoring.NUMBERS["TASKS_AT_ONCE"], 300)]


def test_a_percentile_needs_a_number_of_requests():
    """Of the requests that the percentile is of."""
    assert monitoring.load("policies/latency")["combiner"] == "AND"
    (spread, _, _), (count, least, _) = watched("latency")
    assert least >= 100, "fewer have no 99th percentile"
    assert monitoring.load(f"metrics/{spread.split('/')[1]}")["filter"] == monitoring.load(f"metrics/{count.split('/')[1]}")["filter"]


OBJECTIVES = {"slo-submit": 0.995, "slo-ready": 0.95}


@pytest.mark.parametrize("name", [f"{name}-{pace}" for name in OBJECTIVES for pace in ("fast", "slow")])
def test_burn_rates(name):
    """Both windows must burn, and more than a few must have failed. A fast one uses the month's budget in days, and pages."""
    policy, (long, short, number) = monitoring.load(f"policies/{name}"), conditions(name)
    windows = [monitoring.seconds(body["aggregations"][0]["alignmentPeriod"]) for body in (long, short, number)]
    assert policy["combiner"] == "AND" and windows[0] == 12 * windows[1] == windows[2] and number["thresholdValue"] == 5
    assert long["filter"] == short["filter"] == number["filter"] and long["denominatorFilter"] == short["denominatorFilter"]
    rate = long["thresholdValue"] / (1 - OBJECTIVES[name[:name.rindex("-")]])
    assert short["thresholdValue"] == long["thresholdValue"] and 30 / rate <= (3 if name.endswith("fast") else 10) + 1e-6
    assert policy["severity"] == ("CRITICAL" if name.endswith("fast") else "WARNING")
    assert f"{OBJECTIVES[name[:name.rindex('-')]] * 100:g} %" in runbook(name)


@pytest.mark.parametrize("name", ["server-errors", "task-failures"])
def test_a_ratio_needs_more_than_one_failure(name):
    """One failed request of three is no incident: both must hold, the share and the number, of the same failures."""
    share, number = conditions(name)
    assert monitoring.load(f"policies/{name}")["combiner"] == "AND"
    assert share["filter"] == number["filter"] and share["filter"].startswith(share["denominatorFilter"] + " AND ")
    assert number["thresholdValue"] == 5 and "denominatorFilter" not in number


def test_an_absence_is_of_a_service_not_of_a_revision():
    """A revision that was replaced falls silent for good."""
    for body in conditions("no-metric-data", "conditionAbsent"):
        [step] = body["aggregations"]
        assert step["crossSeriesReducer"] == "REDUCE_SUM" and "revision" not in str(step["groupByFields"])


def derived(directory, **settings):
    """NUMBERS and RUNBOOKS, as infra/deploy.sh derives them from the files of a directory and from its options."""
    names = [*monitoring.NUMBERS, "RUNBOOKS", "SWEEP_JOB"]
    given = {"MAX_CONNECTIONS": "200", "REPO": "", "BRANCH": "main", **settings}
    script = """set -euo pipefail; ROOT=$0; PROJECT=p REGION=r SQL_INSTANCE=s
        for part in local/lib/common names deploy/settings deploy/gcloud deploy/budget deploy/monitoring; do . "$ROOT/infra/$part.sh"; done
        check_budget; derive_alerts; for name in "$@"; do printf '%s\\n' "${!name}"; done"""
    done = subprocess.run(["bash", "-c", script, str(directory), *names], env={"PATH": "/usr/bin:/bin", **given}, text=True,
                          capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return dict(zip(names, done.stdout.splitlines()))


def test_thresholds_follow_the_settings(tmp_path):
    """Of the deployment: what tests and documents say is what the files and the options have by default, and changes with them."""
    found = derived(ROOT)
    assert {name: int(found[name]) for name in monitoring.NUMBERS} == monitoring.NUMBERS
    assert (found["RUNBOOKS"], found["SWEEP_JOB"]) == ("docs/operations.md", monitoring.VALUES["SWEEP_JOB"])
    shutil.copytree(ROOT / "infra", tmp_path / "infra", ignore=shutil.ignore_patterns("emulator"))
    for service, key, value in (("web", "containerConcurrency", 400), ("worker", "containerConcurrency", 4), ("worker", "timeoutSeconds", 1000)):
        file = tmp_path / f"infra/services/{service}.yaml"
        file.write_text(re.sub(rf"^( *{key}: )\d+", rf"\g<1>{value}", file.read_text("utf-8"), flags=re.MULTILINE), "utf-8")
    worker = tmp_path / "infra/services/worker.yaml"
    worker.write_text(worker.read_text("utf-8").replace('JOB_TIMEOUT_SECONDS, value: "3300"', 'JOB_TIMEOUT_SECONDS, value: "900"')
                      .replace('maxScale: "16"', 'maxScale: "10"'), "utf-8")
    found = derived(tmp_path, MAX_CONNECTIONS="400", REPO="someone/mediarun", BRANCH="release")
    assert {name: int(found[name]) for name in monitoring.NUMBERS} == {
        "MAX_CONNECTIONS": 400, "CONNECTIONS_ALERT": 320, "WEB_CONCURRENCY": 400, "WEB_CONCURRENCY_ALERT": 300,
        "WORKER_CONCURRENCY": 4, "WORKER_CONCURRENCY_ALERT": 3, "QUEUE_AGE_ALERT": 1800, "TASKS_AT_ONCE": 30}
    assert found["RUNBOOKS"] == "https://github.com/someone/mediarun/blob/release/docs/operations.md"


def test_a_threshold_is_sent_as_a_number():
    """Where it is compared, and as a word in a title."""
    assert [body["thresholdValue"] for body in conditions("serving-capacity")] == [750, 6]
    assert [condition["displayName"][-4:] for condition in monitoring.load("policies/serving-capacity")["conditions"]] == ["1000", "of 8"]
    assert conditions("sql-connections")[0]["thresholdValue"] == 160 and conditions("queue-age")[0]["thresholdValue"] == 4200


def test_deploy_fills_in_every_placeholder():
    text = "".join((ROOT / "infra" / "deploy" / f"{part}.sh").read_text("utf-8") for part in ("settings", "monitoring"))
    known = {word for names in re.findall(r"(?:PLACEHOLDERS|ALERT_NAMES|ALERT_NUMBERS)=\(([^)]*)\)", text) for word in names.split()}
    assert set(monitoring.VALUES | monitoring.NUMBERS) <= known
    readme = (monitoring.DIRECTORY / "README.md").read_text("utf-8")
    assert all(f"`{name}`" in readme for name in monitoring.VALUES | monitoring.NUMBERS)
    for name in monitoring.NUMBERS:
        assert any('"${%s}"' % name in monitoring.raw(file) or "${%s}" % name in monitoring.raw(file) for file in FILES), name


def test_uptime_check():
    check = monitoring.load("uptime")
    assert (check["period"], check["timeout"], check["logCheckFailures"]) == ("60s", "10s", True)
    http = check["httpCheck"]
    assert http["acceptedResponseStatusCodes"] == [{"statusClass": "STATUS_CLASS_2XX"}]
    assert (http["useSsl"], http["validateSsl"], http["port"]) == (True, True, 443)
    assert f'"{http["path"]}"' in (ROOT / "web" / "routes.c").read_text("utf-8")
    host = check["monitoredResource"]["labels"]["host"]
    [alert] = conditions("uptime")
    assert monitoring.terms(alert["filter"])["resource.labels.host"] == host


def charted():
    """metric → titles of the dashboard's charts of it."""
    found = {}
    for tile in monitoring.load("dashboard")["mosaicLayout"]["tiles"]:
        widget = tile["widget"]
        for text, _ in monitoring.series_of(widget["xyChart"]) if "xyChart" in widget else ():
            found.setdefault(monitoring.terms(text)["metric.type"], []).append((tile.get("yPos", 0), widget["title"]))
    return found


def test_dashboard():
    """The older systems' three graphs come first; whatever alerts, and whatever is counted, is drawn."""
    metrics = charted()
    first = {metric.rsplit("/", 1)[-1] for metric, places in metrics.items() if any(y == 0 for y, _ in places)}
    assert first == {"max_request_concurrencies", "utilizations", "instance_count"}
    alerting = {monitoring.terms(body["filter"])["metric.type"] for name in POLICIES
                for kind in ("conditionThreshold", "conditionAbsent") for body in conditions(name, kind)}
    counted = {f"logging.googleapis.com/user/{name}" for name in monitoring.names("metrics")}
    assert alerting | counted <= set(metrics)


# What the platform writes, as its documentation shows it: infra/monitoring/README.md names the pages.
SYSTEM = {"logName": "projects/p/logs/run.googleapis.com%2Fvarlog%2Fsystem"}
PLATFORM_FIELDS = {"jsonPayload.status"}


def container(text, severity, service="mediarun-worker"):
    return {**SYSTEM, "severity": severity, "textPayload": text,
            "resource": {"type": "cloud_run_revision", "labels": {"service_name": service, "revision_name": f"{service}-00007-abc"}}}


def scheduled(severity, status, code, job="mediarun-sweep"):
    return {"logName": "projects/p/logs/cloudscheduler.googleapis.com%2Fexecutions", "severity": severity, "httpRequest": {"status": code},
            "resource": {"type": "cloud_scheduler_job", "labels": {"job_id": job, "location": "us-central1"}},
            "jsonPayload": {"@type": "type.googleapis.com/google.cloud.scheduler.logging.AttemptFinished", "targetType": "HTTP",
                            "jobName": f"projects/p/locations/us-central1/jobs/{job}", "url": "https://w/internal/sweep",
                            **({"status": status} if status else {})}}


def backup(status, instance="mediarun"):
    return {"logName": "projects/p/logs/cloudaudit.googleapis.com%2Fsystem_event", "severity": "INFO",
            "resource": {"type": "cloudsql_database", "labels": {"database_id": f"{'p' * 30}:{instance}", "region": "us-central1"}},
            "protoPayload": {"@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "cloudsql.googleapis.com",
                             "methodName": "cloudsql.instances.automatedBackup",
                             "metadata": {"@type": "type.googleapis.com/speckle.AutomatedBackupEventLog", "windowStatus": status}}}


OOM = "Memory limit of 4096 MiB exceeded with 4102 MiB used. Consider increasing the memory limit, see https://cloud.google.com/run"


@pytest.mark.parametrize("name, entry, expected", [
    ("sweep-refused", scheduled("ERROR", "UNAUTHENTICATED", 401), True),
    ("sweep-refused", scheduled("ERROR", "PERMISSION_DENIED", 403), True),
    ("sweep-refused", scheduled("ERROR", "UNAVAILABLE", 503), False),
    ("sweep-refused", scheduled("INFO", "", 200), False),
    ("sweep-refused", scheduled("ERROR", "PERMISSION_DENIED", 403, "another"), False),
    ("out-of-memory", container(OOM, "ERROR"), True),
    ("out-of-memory", container(OOM, "ERROR", "another"), False),
    ("out-of-memory", container("Container terminated on signal 9.", "WARNING"), False),
    ("backup-failed", backup("STATUS_FAILED"), True),
    ("backup-failed", backup("STATUS_ATTEMPT_FAILED"), True),
    ("backup-failed", backup("STATUS_SKIPPED"), True),
    ("backup-failed", backup("STATUS_SUCCEEDED"), False),
    ("backup-failed", backup("STATUS_FAILED", "another"), False)])
def test_lines_of_the_platform(name, entry, expected):
    [body] = conditions(name, "conditionMatchedLog")
    assert Query(body["filter"]).matches(entry) == expected


@pytest.mark.parametrize("text, severity, counts", [
    ("Container terminated on signal 9.", "WARNING", True), ("Container terminated on signal 11.", "WARNING", True),
    ("Container called exit(1).", "WARNING", True), ("Container called exit(0).", "INFO", False),
    ("Default STARTUP TCP probe succeeded", "INFO", False), (OOM, "ERROR", False)])
def test_containers_that_crash_are_counted(text, severity, counts):
    assert point_of(monitoring.load("metrics/mediarun_container_ends"), container(text, severity)) == (
        ({"revision": "mediarun-worker-00007-abc"}, 1) if counts else None)


def test_every_line_of_the_platform_has_its_source():
    readme = (monitoring.DIRECTORY / "README.md").read_text("utf-8")
    for name in ("sweep-refused", "out-of-memory", "restarts", "backup-failed", "mediarun_container_ends"):
        assert f"`{name}`" in readme
    for metric in {monitoring.terms(body["filter"])["metric.type"] for name in POLICIES for kind in ("conditionThreshold", "conditionAbsent")
                   for body in conditions(name, kind)}:
        assert metric.startswith("logging.googleapis.com/user/") or f"`{metric}`" in readme, metric


def runbook(name):
    return monitoring.load(f"policies/{name}")["documentation"]["content"]


def queries():
    """(where, query) of each that people are told to paste."""
    for name in POLICIES:
        for query in re.findall(r"```\n(.*?)```", runbook(name), re.DOTALL):
            yield f"policies/{name}", query
        for body in conditions(name, "conditionMatchedLog"):
            yield f"policies/{name}", body["filter"]
    for query in re.findall(r"^\| [^|`]+ \| `([^`]+)` \|$", OPERATIONS, re.MULTILINE):
        yield "operations.md", query


@pytest.mark.parametrize("name", POLICIES)
def test_runbook(name):
    parts = re.split(r"\*\*(What it means|What to look at|What to do|Runbook)\.\*\*", runbook(name))
    assert parts[0] == "" and parts[1::2] == ["What it means", "What to look at", "What to do", "Runbook"]
    assert parts[-1].strip() == f"{monitoring.VALUES['RUNBOOKS']}#{name}" and f"\n### {name}\n" in OPERATIONS
    assert all(len(text.strip()) > 40 for text in parts[2::2]) and "```" in parts[4]


def test_queries_ask_for_what_is_logged():
    """Every field of our lines that is asked for, and every message and word, is in the code that writes them."""
    asked = list(queries())
    assert sum(where == "operations.md" for where, _ in asked) >= 10
    for where, text in asked:
        for field, operator, value in Query(text).comparisons:
            steps = field.split(".")
            if steps[0] == "jsonPayload" and field not in PLATFORM_FIELDS:
                assert all(f'"{step}"' in SOURCES for step in steps[1:]), f"{where}: {field}"
                assert operator != "=" or value.isdigit() or f'"{value}"' in SOURCES, f"{where}: {value}"


def test_what_is_counted_is_logged_at_all():
    """Jobs and requests are told at level info; the services must not drop it."""
    for service in ("web", "worker"):
        assert "LOG_LEVEL" not in (ROOT / "infra" / "services" / f"{service}.yaml").read_text("utf-8")
    assert re.search(r'"LOG_LEVEL", BOTH, 0, log_level, "info"', SOURCES)


@pytest.mark.parametrize("name", monitoring.names("metrics"))
def test_metrics_ask_for_what_is_logged(name):
    metric = monitoring.load(f"metrics/{name}")
    fields = {field for field, _, _ in Query(metric["filter"]).comparisons} | set(
        re.findall(r"EXTRACT\(([\w.]+)\)", " ".join([*metric["labelExtractors"].values(), metric.get("valueExtractor", "")])))
    assert all(f'"{field.split(".")[1]}"' in SOURCES for field in fields if field.startswith("jsonPayload."))


def test_error_codes_in_the_runbook_exist():
    """The two lines of task-failures that tell the users' faults from ours."""
    lines = [line for line in runbook("task-failures").splitlines() if line.startswith("`invalid_media`")]
    codes = re.findall(r"`(\w+)`", lines[0])
    assert len(codes) >= 9 and all(f'"{code}"' in SOURCES for code in codes)


def test_runbooks_name_variables_that_exist():
    known = (ROOT / "docs/configuration.md").read_text("utf-8")
    named = set(re.findall(r"`([A-Z][A-Z_]{3,})`", "".join(runbook(name) for name in POLICIES)))
    assert {"SANDBOX_MEMORY_MIB", "DATABASE_POOL"} <= named
    assert [name for name in sorted(named) if f"`{name}`" not in known] == []


def test_filled_in_files_have_no_placeholder_left():
    assert all("${" not in str(monitoring.load(name)) for name in FILES)
