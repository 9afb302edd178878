"""
The rules that the files of infra/monitoring have to keep: those of the message classes, and those that only the service
checks. faults() gives every breach as a line; tests/deploy/test_monitoring.py and validate.py use it.

Sources: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies, …/metrics_gcp, and the documentation
in the message classes themselves.
"""

import json
import pathlib
import re
import sys

import messages

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness.log_filter import Query  # noqa: E402

DIRECTORY = pathlib.Path(__file__).resolve().parents[2] / "infra" / "monitoring"
# What deploy.sh fills in (infra/monitoring/README.md), with values of the longest kind.
VALUES = {"PROJECT": "p" * 30, "WEB_SERVICE": "mediarun-web", "WORKER_SERVICE": "mediarun-worker",
          "WEB_HOST": "mediarun-web-123456789012.northamerica-northeast1.run.app", "SQL_INSTANCE": "mediarun",
          "TASKS_SUBSCRIPTION": "mediarun-tasks-worker", "TASKS_HIGH_SUBSCRIPTION": "mediarun-tasks-high-worker",
          "DELIVERIES_SUBSCRIPTION": "mediarun-deliveries-worker", "DEAD_LETTERS_SUBSCRIPTION": "mediarun-dead-letters-web",
          "RUNBOOKS": "https://github.com/" + "o" * 39 + "/" + "r" * 100 + "/blob/main/docs/operations.md", "SWEEP_JOB": "mediarun-sweep"}
# Those that follow from the settings: of infra/services and of deploy.sh's options as they are by default.
NUMBERS = {"MAX_CONNECTIONS": 200, "CONNECTIONS_ALERT": 160, "WEB_CONCURRENCY": 1000, "WEB_CONCURRENCY_ALERT": 750,
           "WORKER_CONCURRENCY": 8, "WORKER_CONCURRENCY_ALERT": 6, "QUEUE_AGE_ALERT": 4200, "TASKS_AT_ONCE": 48}

RUN, PUBSUB, SQL = "cloud_run_revision", "pubsub_subscription", "cloudsql_database"
RESOURCES = {
    RUN: {"service_name", "revision_name", "location", "configuration_name", "project_id"},
    PUBSUB: {"subscription_id", "project_id"},
    SQL: {"database_id", "region", "project_id"},
    "uptime_url": {"host", "project_id"},
}
# metric → (resource, kind, type of value, labels)
METRICS = {
    "run.googleapis.com/request_count": (RUN, "DELTA", "INT64", {"response_code", "response_code_class"}),
    "run.googleapis.com/container/cpu/utilizations": (RUN, "DELTA", "DISTRIBUTION", set()),
    "run.googleapis.com/container/memory/utilizations": (RUN, "DELTA", "DISTRIBUTION", set()),
    "run.googleapis.com/container/max_request_concurrencies": (RUN, "DELTA", "DISTRIBUTION", {"state"}),
    "run.googleapis.com/container/instance_count": (RUN, "GAUGE", "INT64", {"state"}),
    "run.googleapis.com/container/billable_instance_time": (RUN, "DELTA", "DOUBLE", set()),
    "pubsub.googleapis.com/subscription/oldest_unacked_message_age": (PUBSUB, "GAUGE", "INT64", set()),
    "pubsub.googleapis.com/subscription/num_undelivered_messages": (PUBSUB, "GAUGE", "INT64", set()),
    "pubsub.googleapis.com/subscription/num_outstanding_messages": (PUBSUB, "GAUGE", "INT64", set()),
    "pubsub.googleapis.com/subscription/dead_letter_message_count": (PUBSUB, "DELTA", "INT64", set()),
    "pubsub.googleapis.com/subscription/push_request_count": (PUBSUB, "DELTA", "INT64", {"response_class", "response_code"}),
    "cloudsql.googleapis.com/database/postgresql/num_backends": (SQL, "GAUGE", "INT64", {"database"}),
    "cloudsql.googleapis.com/database/cpu/utilization": (SQL, "GAUGE", "DOUBLE", set()),
    "cloudsql.googleapis.com/database/memory/utilization": (SQL, "GAUGE", "DOUBLE", set()),
    "cloudsql.googleapis.com/database/disk/utilization": (SQL, "GAUGE", "DOUBLE", set()),
    "monitoring.googleapis.com/uptime_check/check_passed": ("uptime_url", "GAUGE", "BOOL", {"check_id", "checker_location"}),
}
NUMERIC = {"INT64", "DOUBLE"}
# aligner → (kinds, types of value) that it takes, and what comes out (None: as it went in)
ALIGNERS = {
    "ALIGN_DELTA": ({"DELTA"}, NUMERIC | {"DISTRIBUTION"}, None),
    "ALIGN_RATE": ({"DELTA"}, NUMERIC, ("GAUGE", "DOUBLE")),
    "ALIGN_MAX": ({"GAUGE", "DELTA"}, NUMERIC, None),
    "ALIGN_MEAN": ({"GAUGE", "DELTA"}, NUMERIC, ("GAUGE", "DOUBLE")),
    "ALIGN_NEXT_OLDER": ({"GAUGE"}, NUMERIC | {"BOOL", "DISTRIBUTION"}, None),
    "ALIGN_FRACTION_TRUE": ({"GAUGE"}, {"BOOL"}, ("GAUGE", "DOUBLE")),
    "ALIGN_PERCENTILE_99": ({"GAUGE", "DELTA"}, {"DISTRIBUTION"}, ("GAUGE", "DOUBLE")),
}
REDUCERS = {
    "REDUCE_NONE": NUMERIC | {"DISTRIBUTION", "BOOL"}, "REDUCE_SUM": NUMERIC | {"DISTRIBUTION"}, "REDUCE_MAX": NUMERIC,
    "REDUCE_MEAN": NUMERIC | {"DISTRIBUTION"}, "REDUCE_COUNT_FALSE": {"BOOL"},
    "REDUCE_PERCENTILE_50": NUMERIC | {"DISTRIBUTION"}, "REDUCE_PERCENTILE_99": NUMERIC | {"DISTRIBUTION"},
}
TERM = re.compile(r'([\w.]+) ?= ?("[^"]*"|one_of\("[^"]*"(?:, ?"[^"]*")*\))')
LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")
MINUTE, HOUR = 60, 3600


def names(kind):
    """Names of the files of a kind ("policies", "metrics"), without .json."""
    return sorted(path.stem for path in (DIRECTORY / kind).glob("*.json"))


def raw(name):
    return (DIRECTORY / f"{name}.json").read_text("utf-8")


def load(name):
    """A file (e.g. "policies/latency"), filled in as deploy.sh does."""
    text = raw(name)
    for key, value in NUMBERS.items():
        text = text.replace('"${%s}"' % key, str(value))
    for key, value in (VALUES | NUMBERS).items():
        text = text.replace("${%s}" % key, str(value))
    return json.loads(text)


def known_metrics():
    found = dict(METRICS)
    for name in names("metrics"):
        descriptor = load(f"metrics/{name}")["metricDescriptor"]
        found[f"logging.googleapis.com/user/{name}"] = (RUN, descriptor["metricKind"], descriptor["valueType"],
                                                       {label["key"] for label in descriptor["labels"]})
    return found


def seconds(text):
    assert re.fullmatch(r"\d+s", text), f"{text} is no duration"
    return int(text[:-1])


def terms(text):
    """{field: value} of a filter of Monitoring: terms joined by AND, nothing else."""
    parts = text.split(" AND ")
    found = [TERM.fullmatch(part) for part in parts]
    assert all(found), f"not understood: {[part for part, match in zip(parts, found) if not match]}"
    assert len({match[1] for match in found}) == len(found), f"a field twice: {text}"
    return {match[1]: match[2].strip('"') for match in found}


def filter_faults(text):
    """A filter names one resource and one metric that belong together, and labels that they have."""
    if len(text) > 2048:
        yield f"a filter of {len(text)} characters; 2048 are allowed"
    found = terms(text)
    resource, metric = found.pop("resource.type", None), found.pop("metric.type", None)
    if resource not in RESOURCES or metric not in known_metrics():
        yield f"{resource} with {metric} is not known"
        return
    home, _, _, labels = known_metrics()[metric]
    if home != resource:
        yield f"{metric} is of {home}, not of {resource}"
    for field in found:
        yield from label_faults(field, resource, labels)


def label_faults(field, resource, metric_labels):
    known = {f"resource.labels.{label}" for label in RESOURCES[resource]} | {f"metric.labels.{label}" for label in metric_labels}
    if field not in known:
        yield f"{field}: neither {resource} nor the metric has it"


def aggregation_faults(text, aggregations):
    """Each step takes what the step before gives."""
    metric = terms(text)["metric.type"]
    resource, kind, value, labels = known_metrics()[metric]
    for step in aggregations:
        period = seconds(step["alignmentPeriod"])
        if period % MINUTE or not MINUTE <= period <= 25 * HOUR:
            yield f"an alignment period of {period} s"
        kinds, values, result = ALIGNERS[step["perSeriesAligner"]]
        if kind not in kinds or value not in values:
            yield f"{metric}: {step['perSeriesAligner']} takes no {kind} of {value}"
        kind, value = result or (kind, value)
        reducer = step.get("crossSeriesReducer", "REDUCE_NONE")
        if value not in REDUCERS[reducer]:
            yield f"{metric}: {reducer} takes no {value}"
        value = "DOUBLE" if "PERCENTILE" in reducer or "MEAN" in reducer else "INT64" if "COUNT" in reducer else value
        for field in step.get("groupByFields", []):
            yield from label_faults(field, resource, labels)
    if value not in NUMERIC:
        yield f"{metric}: what comes out is {value}, no number"


def series_faults(text, aggregations):
    found = list(filter_faults(text))
    return found or list(aggregation_faults(text, aggregations))


def match_faults(body):
    """A log entry is asked for by a query that names its resource. https://cloud.google.com/logging/docs/alerting/log-based-alerts"""
    fields = {field for field, _, _ in Query(body["filter"]).comparisons}
    if "resource.type" not in fields:
        yield "a query without resource.type"
    if len(body["filter"]) > 20000:
        yield "a query of more than 20000 characters"


def condition_faults(condition):
    kinds = set(condition) - {"displayName"}
    if kinds == {"conditionMatchedLog"}:
        yield from match_faults(condition["conditionMatchedLog"])
        return
    if kinds not in ({"conditionThreshold"}, {"conditionAbsent"}):
        yield f"a condition of {sorted(kinds)}"
        return
    body = condition[kinds.pop()]
    absent = "conditionAbsent" in condition
    duration = seconds(body["duration"])
    # https://cloud.google.com/monitoring/alerts/concepts-indepth: absence is noticed within a day at most
    shortest, longest = (120, 23.5 * HOUR) if absent else (0, 25 * HOUR)
    if duration % MINUTE or not shortest <= duration <= longest:
        yield f"a duration of {duration} s"
    yield from series_faults(body["filter"], body["aggregations"])
    if "denominatorFilter" in body:
        yield from series_faults(body["denominatorFilter"], body["denominatorAggregations"])
        if body["denominatorAggregations"] != body["aggregations"]:
            yield "the two sides of a ratio are aggregated differently"
    if not absent and body["comparison"] not in ("COMPARISON_GT", "COMPARISON_LT"):
        yield f"{body['comparison']} cannot be had"


def policy_faults(name, policy):
    if policy.get("userLabels", {}).get("policy") != name:
        yield "its label `policy` is not its file's name"
    for key, value in policy["userLabels"].items():
        if not LABEL.fullmatch(key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
            yield f"label {key}={value}: small letters, digits, _ and - alone"
    if not 1 <= len(policy["conditions"]) <= 6:
        yield f"{len(policy['conditions'])} conditions"
    for condition in policy["conditions"]:
        yield from condition_faults(condition)
    if any("conditionMatchedLog" in condition for condition in policy["conditions"]) != ("notificationRateLimit" in policy["alertStrategy"]):
        yield "notificationRateLimit is for log entries, and they need it"
    if len(policy["conditions"]) > 1 and any("conditionMatchedLog" in condition for condition in policy["conditions"]):
        yield "a condition of log entries stands alone"
    content = policy["documentation"]["content"]
    if len(content) > 8192 or len(content.encode()) > 10240:
        yield f"a runbook of {len(content)} characters"
    if not 1800 <= seconds(policy["alertStrategy"]["autoClose"]) <= 7 * 24 * HOUR:
        yield "autoClose is half an hour to seven days"
    for word in ("name", "creationRecord", "mutationRecord", "notificationChannels"):
        if word in policy:
            yield f"{word} is not for the file to say"


def metric_faults(name, metric):
    descriptor = metric["metricDescriptor"]
    labels = {label["key"] for label in descriptor["labels"]}
    if metric["name"] != name or not re.fullmatch(r"[\w.,+!*',()%/-]{1,100}", name):
        yield f"its name is {metric['name']}"
    if labels != set(metric["labelExtractors"]) or len(labels) > 10:
        yield "labels and extractors are not the same"
    spread = descriptor["valueType"] == "DISTRIBUTION"
    if descriptor["metricKind"] != "DELTA" or spread != ("valueExtractor" in metric) or spread != ("bucketOptions" in metric):
        yield "a DELTA of INT64, or of DISTRIBUTION with valueExtractor and bucketOptions"
    if len(metric["filter"]) > 20000:
        yield "a filter of more than 20000 characters"


def uptime_faults(check):
    if check["period"] not in ("60s", "300s", "600s", "900s") or not 1 <= seconds(check["timeout"]) <= MINUTE:
        yield "a period of 60, 300, 600 or 900 s, and a timeout of 1 to 60 s"
    if set(check["monitoredResource"]["labels"]) != {"project_id", "host"}:
        yield "an uptime_url has project_id and host"


def series_of(chart):
    """(filter, aggregations) of each line of a chart."""
    for data in chart["dataSets"]:
        query = data["timeSeriesQuery"]
        ratio = query.get("timeSeriesFilterRatio")
        parts = [ratio["numerator"], ratio["denominator"]] if ratio else [query["timeSeriesFilter"]]
        yield from ((part["filter"], [part["aggregation"]]) for part in parts)


def dashboard_faults(dashboard):
    layout, taken = dashboard["mosaicLayout"], set()
    for tile in layout["tiles"]:
        x, y, widget = tile.get("xPos", 0), tile.get("yPos", 0), tile["widget"]
        cells = {(x + i, y + j) for i in range(tile["width"]) for j in range(tile["height"])}
        if x + tile["width"] > layout["columns"] or cells & taken:
            yield f"{widget['title']}: overlaps another, or the edge"
        taken |= cells
        for text, aggregations in series_of(widget["xyChart"]) if "xyChart" in widget else ():
            yield from (f"{widget['title']}: {fault}" for fault in series_faults(text, aggregations))
    if layout["columns"] > 48:
        yield "48 columns are the most"


def placeholder_faults(text):
    for name in re.findall(r"\$\{(\w*)", text):
        if name not in VALUES | NUMBERS:
            yield f"${{{name}}} is none of those that deploy.sh fills in"


# file → (API, version, class; fields that the class lacks as yet; own rules)
def kinds():
    found = {f"policies/{name}": ("monitoring", "v3", "AlertPolicy", (), lambda value, name=name: policy_faults(name, value))
             for name in names("policies")}
    found |= {f"metrics/{name}": ("logging", "v2", "LogMetric", (), lambda value, name=name: metric_faults(name, value))
              for name in names("metrics")}
    # logCheckFailures: gcloud 528 does not know it; the API does, and deploy.sh speaks to it directly.
    found["uptime"] = ("monitoring", "v3", "UptimeCheckConfig", ("logCheckFailures",), uptime_faults)
    found["dashboard"] = ("monitoring", "v1", "Dashboard", (), dashboard_faults)
    return found


def message_faults(name):
    """What gcloud's message classes do not understand."""
    api, version, kind, newer, _ = kinds()[name]
    return messages.faults(messages.message_class(api, version, kind), load(name), newer)


def rule_faults(name):
    """What the service would refuse."""
    own = kinds()[name][4]
    return [*placeholder_faults(raw(name)), *own(load(name))]


def faults():
    """All breaches of all files; without gcloud only those of our own rules."""
    checks = [rule_faults, message_faults] if messages.sdk_library() else [rule_faults]
    return [f"infra/monitoring/{name}.json: {fault}" for name in kinds() for check in checks for fault in check(name)]
