"""A program that cannot work does not start: one log line says what is wrong and what to do, and the exit status is 1."""

import http.server
import json
import os
import subprocess
import threading

import pytest
import requests

from harness.paths import BUILD, PATIENCE
from harness.stack import BUCKET, TOPIC, Stack
from harness.waiting import wait_for

pytestmark = [pytest.mark.sanitized, pytest.mark.sequential, pytest.mark.xdist_group("startup")]

PROGRAMS = ("web", "worker")


def start_cloud(stack):
    """Starts the emulated cloud, without web and worker."""
    stack.emulator.start()
    stack.provision()
    return stack


@pytest.fixture(scope="module")
def env(workdir, postgres):
    directory = workdir / "start"
    directory.mkdir()
    stack = Stack(directory, postgres)
    try:
        yield start_cloud(stack)
    finally:
        stack.stop()


def environment(stack, name):
    program = stack.web if name == "web" else stack.worker
    return dict(program.env)


def refused(stack, name, **settings):
    """Starts a program with these settings (None: not set), which must end at once. Returns its error line."""
    env = {**environment(stack, name), **settings}
    env = {key: value for key, value in env.items() if value is not None}
    env |= {key: os.environ[key] for key in ("ASAN_OPTIONS", "TSAN_OPTIONS") if key in os.environ}
    done = subprocess.run([BUILD / f"mediarun-{name}"], env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, text=True,
                          timeout=40 * PATIENCE, check=False)
    assert done.returncode == 1, done.stderr
    records = [json.loads(line) for line in done.stderr.splitlines()]
    errors = [record for record in records if record["severity"] in ("ERROR", "CRITICAL")]
    assert len(errors) == 1 and errors[0]["severity"] == "CRITICAL", done.stderr
    assert not [record for record in records if record["message"] == "listening"]
    return f"{errors[0]['message']}: {errors[0]['error']['message']}"


@pytest.mark.parametrize("name, settings, words", [
    ("web", {"BUCKET": None}, ["BUCKET is not set"]),
    ("worker", {"DATABASE_URL": None}, ["DATABASE_URL is not set"]),
    ("web", {"JWT_SECRET": "short"}, ["JWT_SECRET", "32"]),
    ("web", {"PUSH_AUDIENCE": None}, ["PUSH_AUDIENCE"]),
    ("worker", {"PUSH_AUTH": "maybe"}, ["PUSH_AUTH", "oidc|iam|none"]),
    ("worker", {"SLOTS": "many"}, ["SLOTS", "0 to 256"]),
    ("web", {"PORT": "80000"}, ["PORT", "0 to 65535"]),
    ("worker", {"LOGO_FILE": "/nowhere/logo.png"}, ["/nowhere/logo.png"]),
    ("worker", {"SMTP_URL": "smtp://relay.example:587"}, ["MAIL_FROM"]),
    ("web", {"STORAGE_EMULATOR_HOST": None, "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/key.json"}, ["/nowhere/key.json"]),
])
def test_settings(env, name, settings, words):
    line = refused(env, name, **settings)
    assert all(word in line for word in words), line


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("database, words", [
    ("host=/nowhere dbname=none", "No such file"),
    ("host=127.0.0.1 port=1 dbname=none", "refused"),
    ("nonsense=1", "invalid connection option"),
])
def test_unreachable_database(env, name, database, words):
    line = refused(env, name, DATABASE_URL=database)
    assert "check DATABASE_URL" in line and words in line, line


@pytest.mark.parametrize("name", PROGRAMS)
def test_missing_database(env, name):
    line = refused(env, name, DATABASE_URL=env.postgres.url("dbname=never_created"))
    assert "check DATABASE_URL" in line and "never_created" in line, line


@pytest.mark.parametrize("name", PROGRAMS)
def test_missing_bucket(env, name):
    line = refused(env, name, BUCKET="missing-bucket")
    assert "check BUCKET" in line and "missing-bucket" in line and "404" in line, line


@pytest.mark.parametrize("name, variable", [
    ("web", "PUBSUB_TOPIC"), ("web", "PUBSUB_TOPIC_HIGH"), ("web", "PUBSUB_TOPIC_DELIVERIES"), ("worker", "PUBSUB_TOPIC_DELIVERIES")])
def test_missing_topic(env, name, variable):
    line = refused(env, name, **{variable: "missing-topic"})
    assert "check that the topic exists" in line and "missing-topic" in line and "pubsub.topics.publish" in line, line


class Iam(http.server.BaseHTTPRequestHandler):
    """Answers each testIamPermissions with the status and body that its server holds, as Google does."""

    def do_GET(self):  # pylint: disable=invalid-name
        body = json.dumps(self.server.answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def iam():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Iam)
    server.address = f"127.0.0.1:{server.server_address[1]}"
    server.status, server.answer = 200, {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("status, answer, words", [
    (200, {"kind": "storage#testIamPermissionsResponse", "permissions": ["storage.objects.get"]},
     "lacks storage.objects.create, storage.objects.delete"),
    (200, {"kind": "storage#testIamPermissionsResponse"}, "lacks storage.objects.create, storage.objects.get, storage.objects.delete"),
    (403, {"error": {"code": 403, "message": "Request is prohibited by organization's policy."}}, "organization's policy"),
    (401, {"error": {"code": 401, "message": "Invalid Credentials"}}, "Invalid Credentials"),
])
def test_missing_permission_on_the_bucket(env, iam, name, status, answer, words):
    iam.status, iam.answer = status, answer
    line = refused(env, name, STORAGE_EMULATOR_HOST=f"http://{iam.address}")
    assert "roles/storage.objectUser" in line and BUCKET in line and words in line, line


@pytest.mark.parametrize("name", PROGRAMS)
def test_missing_permission_on_a_topic(env, iam, name):
    line = refused(env, name, PUBSUB_EMULATOR_HOST=iam.address)
    assert "roles/pubsub.publisher" in line and "lacks pubsub.topics.publish" in line, line
    assert (TOPIC if name == "web" else "mediarun-deliveries") in line


def test_start_during_an_outage(make_stack, iam):
    """Each check without a clear answer gives a warning, and both programs start."""
    env = start_cloud(make_stack(start=False))
    iam.status, iam.answer = 501, {"error": {"code": 501, "status": "UNIMPLEMENTED"}}
    env.worker.env["PUBSUB_EMULATOR_HOST"] = env.web.env["PUBSUB_EMULATOR_HOST"] = iam.address
    env.web.start()
    env.worker.start()
    for program, count in ((env.web, 3), (env.worker, 1)):
        warnings = [record for record in program.records() if record["message"] == "not checked at the start"]
        assert len(warnings) == count and all(record["severity"] == "WARNING" for record in warnings)
    assert requests.get(f"{env.url}/api-health", timeout=10).status_code == 200


def refusals(program):
    return [record for record in program.records() if record["message"].startswith("call refused")]


@pytest.mark.parametrize("name", PROGRAMS)
def test_wrong_push_identity(stack, name):
    """One log line shows what the token was for and what is expected. The response shows neither."""
    program, path = (stack.web, "/internal/sweep") if name == "web" else (stack.worker, "/")
    url = stack.url if name == "web" else stack.worker_url
    for token, severity, code, words in (
            (stack.token_of_platform("https://elsewhere.example"), "ERROR", "wrong_audience",
             ["https://elsewhere.example", f"PUSH_AUDIENCE is {url}"]),
            (stack.token_of_platform(url, "other@elsewhere.example"), "ERROR", "wrong_account",
             ["other@elsewhere.example", "PUSH_SERVICE_ACCOUNT is push@"]),
            ("nonsense", "WARNING", "unauthenticated", [])):
        before = len(refusals(program))
        answer = requests.post(url + path, json={}, headers={"Authorization": f"Bearer {token}"}, timeout=10)
        assert answer.status_code == (401 if severity == "WARNING" else 403), answer.text
        assert "PUSH_" not in answer.text and "push@" not in answer.text
        wait_for(lambda: len(refusals(program)) > before, "log line")  # pylint: disable=cell-var-from-loop
        line = refusals(program)[before:]
        assert len(line) == 1 and line[0]["severity"] == severity and line[0]["error"]["code"] == code, line
        assert all(word in line[0]["error"]["message"] for word in words), line
