"""
/openapi.json is true: the document is valid, names every route, and every operation answers as it says, in success
and in failure. The judge is harness/contract.py, the cases are in harness/contract_cases.py.
"""

import copy
import re
import sys
import uuid

import pytest
import requests

pytest.register_assert_rewrite("harness.contract_cases")

from harness.contract import Contract  # noqa: E402
from harness.contract_cases import CASES, benchmark_form, envelope, signup_body  # noqa: E402
from harness.contract_environment import CONTRACT, NOWHERE, UPLOAD_MAX, World, contract_stack  # noqa: E402
from harness.webhook import WebhookReceiver  # noqa: E402
from harness.paths import ROOT  # noqa: E402
from harness.waiting import wait_for  # noqa: E402

sys.path.insert(0, str(ROOT / "tests" / "lint"))
import check  # noqa: E402 — the routes as lint reads them

pytestmark = pytest.mark.sanitized

OPERATIONS = list(CONTRACT.operations.values())
# Documented, but not provoked: what should never happen, and a storage that hangs.
NOT_PROVOKED = {500, 504}
# These are provoked for all operations at once, below.
AT_ONCE = {401, 413, 415, 503}


@pytest.fixture(scope="module")
def hook():
    receiver = WebhookReceiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def world(workdir, postgres, shared_stack, media, hook):
    directory = workdir / "openapi"
    directory.mkdir()
    stack = contract_stack(directory, postgres, hook)
    try:
        yield World(stack.start(), shared_stack, media)
    finally:
        stack.stop()


# ---- the document -------------------------------------------------------------------------


def test_the_document_is_valid():
    assert list(CONTRACT.faults()) == []


def test_the_document_is_served_as_it_is(stack):
    assert stack.anonymous().get("/openapi.json").json() == CONTRACT.document


def test_the_document_has_the_routes_of_web():
    routes = set().union(*(operation.routes for operation in CONTRACT.operations.values()))
    assert routes == check.routes_of("web/routes.c")


def test_every_operation_is_called():
    assert {one.operation for one in CASES} == set(CONTRACT.operations)


def test_every_answer_is_provoked():
    """Each status that the document names comes in a case, or in a test of all operations at once."""
    for operation in OPERATIONS:
        left_out = operation.statuses - {one.status for one in CASES if one.operation == operation.id} - AT_ONCE - NOT_PROVOKED
        assert not left_out, f"{operation.id}: no case for {left_out}"


def drop(*keys):
    """Removes what lies at the end of a path of keys."""
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
    put(["/tasks/{other}"], "paths", "/api/tasks/{id}", "get", "x-aliases"),
], ids=lambda _: "")
def test_the_judge_sees_faults(mutate):
    document = copy.deepcopy(CONTRACT.document)
    mutate(document)
    try:
        faults = list(Contract(document).faults())
    except Exception as fault:  # pylint: disable=broad-except — a reference into nothing is a fault, too
        faults = [fault]
    assert faults


def test_the_judge_sees_wrong_answers(world):
    """A field too many, one too few, one of another type: none passes as a Task."""
    task = world.user.task(world.done["id"])
    schema = {"$ref": "#/components/schemas/Task"}
    assert CONTRACT.errors(schema, task) == []
    for wrong in ({**task, "extra": 1}, {**task, "progress": "100"}, {**task, "status": "done"}, {**task, "outputs": [{}]},
                  {key: value for key, value in task.items() if key != "receipt"}):
        assert CONTRACT.errors(schema, wrong)


# ---- all operations at once ------------------------------------------------------------------


def filled(operation):
    """The path with values that are well-formed and name nothing."""
    return {"id": NOWHERE, "file_id": str(uuid.uuid4())} if "{" in operation.path else {}


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if CONTRACT.security(one)], ids=lambda one: one.id)
def test_without_a_token(world, operation):
    stranger = world.stack.anonymous()
    for token in (None, "abc.def.ghi"):
        stranger.token = token
        assert world.call(operation, who=stranger, path=filled(operation)).status_code == 401


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.aliases], ids=lambda one: one.id)
def test_aliases(world, operation):
    """An alias is the same operation: asked by nobody, it refuses in the same words."""
    def ask(path):
        for name, value in filled(operation).items():
            path = path.replace("{%s}" % name, value)
        answer = requests.request(operation.method, world.stack.url + path, timeout=20)
        return answer.status_code, answer.json()["detail"]
    assert {ask(path) for path in operation.aliases} == {ask(operation.path)}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)
def test_other_methods(world, operation):
    path = re.sub(r"\{\w+\}", NOWHERE, operation.path)
    answer = requests.patch(world.stack.url + path, timeout=20)
    assert answer.status_code == 405 and operation.method in answer.headers["Allow"].split(", ")


def test_database_down(world):
    """Whatever needs the database says 503, as documented, and so does the document of what does not."""
    stack, name = world.stack, world.stack.database.partition("=")[2]
    allow = f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {{}}'
    needs_none = {"alive": 200, "index": 302, "openapi": 200, "docs": 200, "report": 200}
    bodies = {
        "signup": {"json": signup_body()}, "login": {"json": {"username": "ana", "password": "x"}},
        "createTask": {"json": {"kind": "insert_records"}}, "redoTask": {"json": {"newFormat": "mp3"}},
        "createUpload": {"json": {"fileName": "a.wav", "size": 1}}, "probe": {"json": {"upload_id": str(uuid.uuid4())}},
        "deadLetters": {"json": envelope({"v": 1, "kind": "convert", "task_id": int(NOWHERE), "generation": 1})},
        "benchmarkStart": benchmark_form(world)}
    stack.postgres.sql(allow.format("false"), "dbname=postgres")
    try:
        stack.postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'", "dbname=postgres")
        for operation in OPERATIONS:
            who = world.platform if "platform" in CONTRACT.security(operation) else world.user
            answer = world.call(operation, who=who, path=filled(operation), **bodies.get(operation.id, {}))
            assert answer.status_code == needs_none.get(operation.id, 503), f"{operation.id}: {answer.text}"
    finally:
        stack.postgres.sql(allow.format("true"), "dbname=postgres")
    wait_for(lambda: world.user.get("/api/tasks").status_code == 200, "the database's return")


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if 415 in one.statuses], ids=lambda one: one.id)
def test_a_body_of_another_type(world, operation):
    who = world.platform if "platform" in CONTRACT.security(operation) else world.user
    answer = world.call(operation, who=who, path={"id": world.done["id"]} if "{" in operation.path else None,
                        data=b"text", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if 413 in one.statuses], ids=lambda one: one.id)
def test_a_body_that_is_too_large(world, operation):
    who = world.platform if "platform" in CONTRACT.security(operation) else world.user
    content = next(iter(operation.node["requestBody"]["content"]))
    body = {"files": {"fileName": ("a.wav", bytes(2 * UPLOAD_MAX))}} if content == "multipart/form-data" else {
        "data": b" " * (2 * UPLOAD_MAX), "headers": {"Content-Type": "application/json"}}
    answer = world.call(operation, who=who, path={"id": world.done["id"]} if "{" in operation.path else None, **body)
    assert answer.status_code == 413


# ---- case by case -----------------------------------------------------------------------------


@pytest.mark.parametrize("one", CASES, ids=lambda one: f"{one.operation}-{one.status}-{one.name}")
def test_answer(world, one):
    operation = CONTRACT.operations[one.operation]
    called = []

    def call(**kwargs):
        called.append(world.call(operation, **kwargs))
        return called[-1]
    answer = one.run(world, call)
    assert answer.status_code == one.status, answer.text[:1000]
    assert called or one.operation == "events"


@pytest.mark.parametrize("data, event", [(None, "task.processed"), (b"this is no media" * 100, "task.failed")], ids=["good", "bad"])
def test_webhook(world, hook, data, event):
    path = f"/{event}"
    world.user.upload(data or world.media.tone("mp3"), "wav", name="tone.mp3", callback_url=hook.url + path)
    received = hook.wait(1, path=path)[0]
    assert list(CONTRACT.webhook_faults("taskEnded", received)) == []
    assert received.headers["x-mediarun-event"] == event
