"""
The part of Cloud Logging's query language and of its extractors that infra/monitoring uses, and how Cloud Run turns a line
into a log entry: enough to test infra/monitoring against real log lines. Unknown syntax is an error, never a match.

https://cloud.google.com/logging/docs/view/logging-query-language
"""

import re

TOKEN = re.compile(r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<operator><=|>=|!=|=~|!~|[=<>:()])|(?P<word>[^\s"()=<>!:]+))')
# Fields that Cloud Run moves out of the line: https://cloud.google.com/logging/docs/structured-logging#special-payload-fields
SPECIAL = {"severity": "severity", "time": "timestamp", "logging.googleapis.com/trace": "trace",
           "logging.googleapis.com/spanId": "spanId", "httpRequest": "httpRequest"}
SEVERITIES = ["DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"]
MISSING = object()


def entry_of(record, service):
    """The LogEntry that Cloud Run makes of a line that a service logs."""
    entry = {SPECIAL[key]: value for key, value in record.items() if key in SPECIAL}
    entry["jsonPayload"] = {key: value for key, value in record.items() if key not in SPECIAL}
    entry["resource"] = {"type": "cloud_run_revision", "labels": {"service_name": service}}
    return entry


def value_at(entry, path):
    """The value at a dotted path, or MISSING."""
    for step in path.split("."):
        if not isinstance(entry, dict) or step not in entry:
            return MISSING
        entry = entry[step]
    return entry


def text_of(value):
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def compare(path, operator, value, wanted):
    if value is MISSING:
        return False
    if operator == "=~":
        return re.search(wanted, text_of(value)) is not None
    if operator == ":":
        return wanted.lower() in text_of(value).lower()
    if path == "severity":
        value, wanted = SEVERITIES.index(value), SEVERITIES.index(wanted)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        wanted = float(wanted)
    else:
        value, wanted = text_of(value).lower(), wanted.lower()
    return {"=": value == wanted, "!=": value != wanted, "<": value < wanted, ">": value > wanted,
            "<=": value <= wanted, ">=": value >= wanted}[operator]


class Query:
    """A parsed query. comparisons: (field, operator, value) of each comparison in it."""

    def __init__(self, text):
        self.comparisons = []
        self._tokens = self._tokenize(text)
        self._test = self._all()
        assert not self._tokens, f"not understood from {self._tokens[0]!r} on: {text}"

    def matches(self, entry):
        return self._test(entry)

    @staticmethod
    def _tokenize(text):
        tokens, at, text = [], 0, text.strip()
        while at < len(text):
            match = TOKEN.match(text, at)
            assert match, f"not understood: {text[at:]!r}"
            tokens.append((match.lastgroup, match.group(match.lastgroup)))
            at = match.end()
        return tokens

    def _is_next(self, text):
        return bool(self._tokens) and self._tokens[0][0] != "string" and self._tokens[0][1] == text

    def _take(self, kind):
        assert self._tokens and self._tokens[0][0] == kind, f"a {kind} is missing before {self._tokens[:1]}"
        return self._tokens.pop(0)[1]

    def _skip(self, text):
        found = self._is_next(text)
        if found:
            self._tokens.pop(0)
        return found

    # NOT binds closest, then OR, then AND. A blank or the end of a line means AND.
    def _all(self):
        tests = [self._any()]
        while self._tokens and not self._is_next(")"):
            self._skip("AND")
            tests.append(self._any())
        return lambda entry: all(test(entry) for test in tests)

    def _any(self):
        tests = [self._one()]
        while self._skip("OR"):
            tests.append(self._one())
        return lambda entry: any(test(entry) for test in tests)

    def _one(self):
        if self._skip("NOT"):
            test = self._one()
            return lambda entry: not test(entry)
        if self._skip("("):
            test = self._all()
            assert self._skip(")"), "a ) is missing"
            return test
        return self._comparison()

    def _value(self):
        if self._tokens and self._tokens[0][0] == "string":
            return re.sub(r"\\(.)", r"\1", self._take("string")[1:-1])
        return self._take("word")

    def _comparison(self):
        path = self._take("word")
        if path == "log_id" and self._skip("("):
            wanted, known = self._value(), self._skip(")")
            assert known, "a ) is missing"
            return lambda entry: entry.get("logName", "").endswith("/logs/" + wanted.replace("/", "%2F"))
        operator = self._take("operator")
        values = [self._value()] if not self._skip("(") else self._list()
        self.comparisons += [(path, operator, value) for value in values]
        return lambda entry: any(compare(path, operator, value_at(entry, path), value) for value in values)

    def _list(self):
        values = [self._value()]
        while self._skip("OR"):
            values.append(self._value())
        assert self._skip(")"), "a ) is missing"
        return values


def extract(expression, entry):
    """The result of EXTRACT(field) or REGEXP_EXTRACT(field, "regex") for an entry, or MISSING."""
    plain = re.fullmatch(r"EXTRACT\(([\w.]+)\)", expression)
    if plain:
        return value_at(entry, plain[1])
    regexp = re.fullmatch(r'REGEXP_EXTRACT\(([\w.]+), "(.*)"\)', expression)
    assert regexp, f"not an extractor: {expression}"
    value = value_at(entry, regexp[1])
    found = None if value is MISSING else re.search(regexp[2], text_of(value))
    return found[1] if found else MISSING


def point_of(metric, entry):
    """(labels, value) that a log-based metric (a LogMetric resource) records for an entry, or None."""
    if not Query(metric["filter"]).matches(entry):
        return None
    labels = {}
    for key, expression in metric["labelExtractors"].items():
        value = extract(expression, entry)
        labels[key] = "" if value is MISSING else text_of(value)
    if "valueExtractor" not in metric:
        return labels, 1
    value = extract(metric["valueExtractor"], entry)
    try:
        return labels, float(value)
    except (TypeError, ValueError):
        return None
