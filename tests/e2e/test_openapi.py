"""
The API contract, web/static/openapi.json: the document is valid, names every route, and every operation answers as it
says, in success and in failure. harness/contract.py checks, harness/contract_cases has the cases.
"""

import copy
import re
import sys
import uuid

import pytest
import requests

from harness.contract import Contract
from harness.contract_cases import CASES
from harness.contract_cases.operations import benchmark_form, envelope
from harness.contract_cases.users import signup_body
from harness.contract_environment import CONTRACT, NOWHERE, UPLOAD_MAX, Environment, contract_stack
from harness.paths import ROOT
from harness.waiting import wait_for
from harness.webhook import WebhookReceiver

sys.path.insert(0, str(ROOT / "tests" / "lint"))
import check  # noqa: E402 — reads the table of routes

pytestmark = [pytest.mark.sanitized, pytest.mark.sequential, pytest.mark.xdist_group("openapi")]

OPERATIONS = list(CONTRACT.operations.values())
# Documented, but not caused here: internal errors, and a storage that does not answer.
NOT_CAUSED = {500, 504}
# Caused by the tests below for all operations, without a case for each.
FOR_ALL_OPERATIONS = {401, 403, 413, 415, 503}


@pytest.fixture(scope="module")
def hook():
    receiver = WebhookReceiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def env(workdir, postgres, shared_stack, media, hook):
    directory = workdir / "openapi"
    directory.mkdir()
    stack = contract_stack(directory, postgres, hook)
    try:
        yield Environment(stack.start(), shared_stack, media)
    finally:
        stack.stop()


def test_the_document_is_valid():
    assert list(CONTRACT.faults()) == []


def test_the_document_is_served_unchanged(stack):
    assert stack.anonymous().get("/openapi.json").json() == CONTRACT.document


def test_the_document_has_the_routes_of_web():
    routes = set().union(*(operation.routes for operation in CONTRACT.operations.values()))
    assert routes == check.routes_of("web/routes.c")


def test_every_operation_is_called():
    assert {one.operation for one in CASES} == set(CONTRACT.operations)


def test_every_status_has_a_case():
    """Each status of the document has a case, or a test for all operations."""
    for operation in OPERATIONS:
        missing = operation.statuses - {one.status for one in CASES if one.operation == operation.id} - FOR_ALL_OPERATIONS - NOT_CAUSED
        assert not missing, f"{operation.id}: no case for {missing}"


def drop(*keys):
    """Removes the value at a path of keys."""
    def mutate(document):
        at = document
        for key in keys[:-1]:
            at = at[key]
        del at[keys[-1]]
    return mutate


def put(value, *keys):
    def mutate(document):
        at = document
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = value
    return mutate


@pytest.mark.parametrize("mutate", [
    drop("info", "title"), drop("paths", "/alive", "get", "responses"), drop("components", "schemas", "Task"),
    drop("paths", "/api/tasks/{id}", "parameters"), put("login", "paths", "/alive", "get", "operationId"),
    put(["nowhere"], "paths", "/alive", "get", "tags"), put(1, "components", "schemas", "Task", "type"),
    put({"type": "object"}, "components", "schemas", "Unused"), put([5], "components", "schemas", "NewFormat", "examples"),
    put([{"nobody": []}], "paths", "/alive", "get", "security"), put({}, "paths", "/alive", "get", "x-unknown"),
    put({"type": ["string", "null"]}, "components", "schemas", "Email"), put({"oneOf": [{"type": "string"}, {"type": "integer"}]}, "components", "schemas", "Email"),
    put(["id"], "components", "schemas", "Output", "properties", "format", "required"), put(["/tasks/{other}"], "paths", "/api/tasks/{id}", "get", "x-aliases"),
], ids=lambda _: "")
def test_errors_in_the_document_are_found(mutate):
    document = copy.deepcopy(CONTRACT.document)
    mutate(document)
    try:
        faults = list(Contract(document).faults())
    except Exception as fault:  # pylint: disable=broad-except — a reference to nothing is an error as well
        faults = [fault]
    assert faults


def test_wrong_responses_are_found(env):
    """A Task with an extra field, a missing field or a field of another type is invalid."""
    task = env.user.task(env.done["id"])
    schema = {"$ref": "#/components/schemas/Task"}
    assert CONTRACT.errors(schema, task) == []
    for wrong in ({**task, "extra": 1}, {**task, "progress": "100"}, {**task, "status": "done"}, {**task, "outputs": [{}]},
                  {key: value for key, value in task.items() if key != "receipt"}):
        assert CONTRACT.errors(schema, wrong)


def filled(operation):
    """Well-formed values for the parameters of the path, which name nothing."""
    ids = {"id": NOWHERE, "link_id": NOWHERE, "file_id": str(uuid.uuid4()), "upload_id": str(uuid.uuid4()), "name": "nobody"}
    return ids if "{" in operation.path else {}


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if CONTRACT.security(one)], ids=lambda one: one.id)
def test_without_a_token(env, operation):
    anonymous = env.stack.anonymous()
    for token in (None, "abc.def.ghi"):
        anonymous.token = token
        assert env.call(operation, who=anonymous, path=filled(operation)).status_code == 401


# A key is refused here whatever its scopes.
FOR_LOGINS_ALONE = {"createKey", "listKeys", "deleteKey", "askConfirmation", "renameUser", "deleteUser", "changePassword", "logOutEverywhere", "keepGuest"}


@pytest.fixture(scope="module")
def keys(env):
    """Keys that must not work anywhere, and keys that have one scope only."""
    revoked, expired = env.key("read write"), env.key("read write")
    assert env.user.delete(f"/api/keys/{revoked.key_id}").status_code == 200
    env.stack.sql(f"UPDATE api_keys SET expires_at = now() WHERE id = {expired.key_id} RETURNING id")
    return {"bad": (revoked, expired), "read": env.key("read"), "write": env.key("write")}


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if "bearer" in CONTRACT.security(one)], ids=lambda one: one.id)
def test_with_a_key_that_is_not_good_enough(env, keys, operation):
    for key in keys["bad"]:
        answer = env.call(operation, who=key, path=filled(operation))
        assert answer.status_code == 401 and answer.json()["code"] == "bad_api_key"
    lacking = ["write" if operation.method == "GET" or operation.id == "createStreamToken" else "read"]
    for scope in ["read", "write"] if operation.id in FOR_LOGINS_ALONE else lacking:
        answer = env.call(operation, who=keys[scope], path=filled(operation))
        assert answer.status_code == 403 and answer.json()["code"] == "out_of_scope"


def test_a_key_is_never_logged(env, keys):
    log = env.stack.web.log_path.read_text()
    assert all(key.token not in log and key.token[3:] not in log for key in (*keys["bad"], keys["read"], keys["write"]))
    assert "API key made" in log


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.aliases], ids=lambda one: one.id)
def test_aliases(env, operation):
    """An alias is the same operation: without a token it refuses with the same text."""
    def ask(path):
        for name, value in filled(operation).items():
            path = path.replace("{%s}" % name, value)
        answer = requests.request(operation.method, env.stack.url + path, timeout=20)
        return answer.status_code, answer.json()["detail"]
    assert {ask(path) for path in operation.aliases} == {ask(operation.path)}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)
def test_other_methods(env, operation):
    path = re.sub(r"\{\w+\}", NOWHERE, operation.path)
    answer = requests.patch(env.stack.url + path, timeout=20)
    assert answer.status_code == 405 and operation.method in answer.headers["Allow"].split(", ")


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.id not in {"index", "docs", "report", "statusPage", "operatorPage", "confirmPage", "resetPage"}], ids=lambda one: one.id)
def test_unknown_query_parameters(env, operation):
    who = env.platform if "platform" in CONTRACT.security(operation) else env.user
    path = re.sub(r"\{\w+\}", NOWHERE, operation.path)
    answer = who.http.request(operation.method, env.stack.url + path + "?page=2", timeout=20)
    assert answer.status_code == 400 and answer.json()["code"] == "unknown_field" and "page" in answer.json()["detail"]


def test_database_down(env):
    """Operations that need the database answer 503; the others answer as usual. Both are documented."""
    stack, name = env.stack, env.stack.database.partition("=")[2]
    allow = f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {{}}'
    needs_none = {"alive": 200, "index": 200, "openapi": 200, "openapi30": 200, "docs": 200, "asset": 404, "report": 200, "confirmPage": 200, "status": 200, "statusPage": 200, "operatorPage": 200,
                  "resetPage": 200}
    bodies = {
        "signup": {"json": signup_body()}, "login": {"json": {"username": "ana", "password": "x"}},
        "confirmEmail": {"json": {"token": "x"}}, "keepGuest": {"json": signup_body()}, "renameUser": {"json": {"username": "x"}}, "deleteUser": {"json": {"password": "x"}},
        "changePassword": {"json": {"password": "x", "password1": "Secret12", "password2": "Secret12"}}, "askReset": {"json": {"email": "a@b.example"}},
        "usePasswordReset": {"json": {"token": "x", "password1": "Secret12", "password2": "Secret12"}}, "createTask": {"json": {"kind": "insert_records"}}, "redoTask": {"json": {"newFormat": "mp3"}},
        "createUpload": {"json": {"fileName": "a.wav", "size": 1}}, "createKey": {"json": {"name": "x", "scopes": ["read"]}}, "createStreamToken": {"json": {"purpose": "files", "task_id": NOWHERE}}, "probe": {"json": {"upload_id": str(uuid.uuid4())}},
        "deadLetters": {"json": envelope({"v": 1, "kind": "convert", "task_id": int(NOWHERE), "generation": 1})},
        "deleteTasks": {"params": {"status": "failed"}}, "benchmarkStart": benchmark_form(env)}
    stack.postgres.sql(allow.format("false"), "dbname=postgres")
    try:
        stack.postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'", "dbname=postgres")
        for operation in OPERATIONS:
            who = env.platform if "platform" in CONTRACT.security(operation) else env.user
            answer = env.call(operation, who=who, path=filled(operation), **bodies.get(operation.id, {}))
            assert answer.status_code == needs_none.get(operation.id, 503), f"{operation.id}: {answer.text}"
    finally:
        stack.postgres.sql(allow.format("true"), "dbname=postgres")
    wait_for(lambda: env.user.get("/api/tasks").status_code == 200, "the database")


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if 415 in one.statuses], ids=lambda one: one.id)
def test_body_of_another_type(env, operation):
    who = env.platform if "platform" in CONTRACT.security(operation) else env.user
    answer = env.call(operation, who=who, path={"id": env.done["id"]} if "{" in operation.path else None,
                      data=b"text", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if 413 in one.statuses], ids=lambda one: one.id)
def test_body_that_is_too_large(env, operation):
    who = env.platform if "platform" in CONTRACT.security(operation) else env.user
    content = next(iter(operation.node["requestBody"]["content"]))
    body = {"files": {"fileName": ("a.wav", bytes(2 * UPLOAD_MAX))}} if content == "multipart/form-data" else {
        "data": b" " * (2 * UPLOAD_MAX), "headers": {"Content-Type": "application/json"}}
    answer = env.call(operation, who=who, path={"id": env.done["id"]} if "{" in operation.path else None, **body)
    assert answer.status_code == 413


@pytest.mark.parametrize("one", CASES, ids=lambda one: f"{one.operation}-{one.status}-{one.name}")
def test_case(env, one):
    operation = CONTRACT.operations[one.operation]
    called = []

    def call(**kwargs):
        called.append(env.call(operation, **kwargs))
        return called[-1]
    answer = one.run(env, call)
    assert answer.status_code == one.status, answer.text[:1000]
    assert called or one.operation == "events"


@pytest.mark.parametrize("data, event", [(None, "task.processed"), (b"this is no media" * 100, "task.failed")], ids=["good", "bad"])
def test_webhook(env, hook, data, event):
    path = f"/{event}"
    env.user.upload(data or env.media.tone("mp3"), "wav", name="tone.mp3", callback_url=hook.url + path)
    received = hook.wait(1, path=path)[0]
    assert list(CONTRACT.webhook_faults("taskEnded", received)) == []
    assert received.headers["x-mediarun-event"] == event
