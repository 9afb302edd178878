"""/docs, the page that shows /openapi.json: it uses no other host, escapes all text, and its functions are correct."""

import json
import re
import shutil
import subprocess

import pytest

from harness.contract_environment import CONTRACT
from harness.paths import ROOT

PAGE = (ROOT / "web" / "static" / "docs.html").read_text(encoding="utf-8")


def test_served(stack):
    answer = stack.anonymous().get("/docs")
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.text == PAGE


def test_policy(stack):
    """The policy forbids any request to another host, whatever the page contains."""
    header = stack.anonymous().get("/docs").headers["Content-Security-Policy"]
    policy = {name: values for name, *values in (part.split() for part in header.split(";"))}
    assert policy["default-src"] == ["'none'"] and policy["connect-src"] == ["'self'"]
    assert policy["base-uri"] == ["'none'"] and policy["frame-ancestors"] == ["'none'"]
    assert not any(re.search(r"//|\*|^https?:", value) for values in policy.values() for value in values)


def test_page_names_no_other_host():
    assert not re.search(r"https?:|[\"'(]//|@import|\burl\(", PAGE)
    assert set(re.findall(r"(?:src|href)=\"([^\"]+)\"", PAGE)) == {"#main", "/openapi.json"}


@pytest.mark.parametrize("way", [
    "innerHTML", "outerHTML", "insertAdjacentHTML", r"document\.write", r"\beval\b", "new Function", "DOMParser", "srcdoc",
    "localStorage", "sessionStorage", r"document\.cookie"])
def test_page_inserts_no_markup_and_stores_no_token(way):
    assert not re.search(way, PAGE)


def test_accessibility():
    """The page has what screen readers, keyboards and phones need."""
    for needed in ('lang="en"', 'name="viewport"', 'class="skip"', 'aria-live="polite"', "prefers-color-scheme", ":focus-visible",
                   "<noscript>", "@media (max-width"):
        assert needed in PAGE, needed
    labels = re.findall(r"<label>.*?</label>", PAGE, re.DOTALL)
    assert len(re.findall(r"<input ", PAGE)) == len(labels)


@pytest.fixture(scope="module")
def reader():
    """reader(expression, **names): evaluates JavaScript with the functions of the page and these names in scope."""
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    script = re.search(r'<script id="pure">(.*?)</script>', PAGE, re.DOTALL).group(1)

    def evaluate(expression, **names):
        names = {"doc": CONTRACT.document, **names}
        heads = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in names.items())
        done = subprocess.run(["node", "-"], input=f"{script}\n{heads}process.stdout.write(JSON.stringify({expression}))",
                              capture_output=True, text=True, check=False, timeout=20)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return evaluate


def test_operations(reader):
    found = reader("reader.operations(doc).filter((one) => !one.isWebhook)")
    assert [(one["id"], one["method"], one["path"], one["aliases"]) for one in found] == [
        (one.id, one.method, one.path, one.aliases) for one in CONTRACT.operations.values()]
    for one in found:
        operation = CONTRACT.operations[one["id"]]
        assert one["needsToken"] == bool(CONTRACT.security(operation))
        assert [parameter["name"] for parameter in one["parameters"]] == [parameter["name"] for parameter in operation.parameters]
        assert [int(status) for status, _ in one["responses"]] == sorted(operation.statuses)
        assert all("description" in response for _, response in one["responses"]), "references are followed"


def test_every_operation_has_one_tag(reader):
    tags = reader("reader.byTag(doc, reader.operations(doc)).map((tag) => [tag.name, tag.operations.map((one) => one.id)])")
    assert [name for name, _ in tags] == [tag["name"] for tag in CONTRACT.document["tags"]]
    assert sorted(one for _, ids in tags for one in ids) == sorted([*CONTRACT.operations, *CONTRACT.document["webhooks"]])


@pytest.mark.parametrize("words, some, none", [
    ("", "alive", None), ("tasks PUT", "redoTask", "alive"), ("idempotency", "createTask", "getTask"),
    ("/auth", "login", "getFile"),
    ("taskNumber", "benchmarkStart", "docs"), ("nothing-like-this", None, "alive"),
])
def test_search(reader, words, some, none):
    found = reader("reader.operations(doc).filter((one) => reader.matches(one, words)).map((one) => one.id)", words=words)
    assert (some is None or some in found) and none not in found


@pytest.mark.parametrize("schema, text", [
    ({"type": "string"}, "string"), ({"type": ["string", "null"]}, "string or null"),
    ({"type": "string", "format": "uuid"}, "string (uuid)"),
    ({"type": "array", "items": {"$ref": "#/components/schemas/Task"}}, "array of Task"), ({"const": "PUT"}, '"PUT"'),
    ({"oneOf": [{"$ref": "#/components/schemas/Format"}, {"type": "null"}]}, "Format or null"), ({"properties": {}}, "object"),
    ({"required": ["url"]}, "with url"), ({}, "anything"), (True, "anything"), (False, "nothing"),
    ({"$ref": "#/components/schemas/Task", "description": "mine"}, "Task"),
])
def test_type_text(reader, schema, text):
    assert reader("reader.typeText(doc, schema)", schema=schema) == text


@pytest.mark.parametrize("schema, text", [
    ({"minimum": 1, "maximum": 5}, "from 1; to 5"), ({"enum": [0, 1], "default": 0}, "one of 0, 1; by default 0"),
    ({"type": "string"}, ""),
])
def test_limits_text(reader, schema, text):
    assert reader("reader.limits(schema)", schema=schema) == text


def test_examples_match_their_schemas(reader):
    """The example that the page makes up for a JSON body is valid."""
    made = reader("""reader.operations(doc).flatMap((one) => Object.entries(one.body?.content ?? {})
        .filter(([type]) => type === "application/json").flatMap(([, media]) => reader.examples(doc, media)
            .map(([, value]) => [one.id, media.schema, value])))""")
    assert {operation for operation, _, _ in made} >= {"createTask", "signup", "createUpload", "redoTask"}
    for operation, schema, value in made:
        assert CONTRACT.errors(schema, value) == [], (operation, value)


def test_recursive_schema(reader):
    doc = {"components": {"schemas": {"Tree": {"type": "object", "properties": {"child": {"$ref": "#/components/schemas/Tree"}}}}}}
    assert "child" in reader('reader.sample(doc, {$ref: "#/components/schemas/Tree"})', doc=doc)


def test_composed_schema(reader):
    task = reader('reader.resolve(doc, {$ref: "#/components/schemas/Task"})')
    assert {"id", "receipt", "deliveries"} <= set(task["properties"]) and {"id", "deliveries"} <= set(task["required"])


def test_reference_to_nothing(reader):
    assert "nothing at" in reader("""(() => { try { reader.resolve(doc, {$ref: "#/components/schemas/None"}); }
        catch (fault) { return fault.message; } })()""")


@pytest.mark.parametrize("values, url", [
    ({"file_id": "a b/ü?.mp3", "n": "1"}, "/api/files/a%20b%2F%C3%BC%3F.mp3?n=1"), ({"file_id": "x", "n": ""}, "/api/files/x"),
    ({}, "/api/files/{file_id}"),
])
def test_target(reader, values, url):
    assert reader('reader.target(reader.operations(doc).find((one) => one.id === "getFile"), values)', values=values) == url


def test_prose(reader):
    pieces = reader("reader.prose(text)", text="Send `a` now.\n\nThen\nwait.")
    assert pieces == [[{"text": "Send ", "code": False}, {"text": "a", "code": True}, {"text": " now.", "code": False}],
                      [{"text": "Then\nwait.", "code": False}]]


# Text with every character that means something to a shell.
SPECIAL = "it's \"$HOME\" `id` \\ $(id) !x ; & | \n ü"


def arguments_of(line):
    """The arguments that curl gets when a shell runs the line."""
    script = "curl() { printf '%s\\0' \"$@\"; }\nTOKEN=secret\n" + line
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("request_, words", [
    ({"method": "GET", "url": "http://x/a?b=c&d=e", "body": None}, ["http://x/a?b=c&d=e"]),
    ({"method": "DELETE", "url": "http://x/" + SPECIAL, "token": True, "body": None},
     ["-X", "DELETE", "http://x/" + SPECIAL, "-H", "Authorization: Bearer secret"]),
    ({"method": "GET", "url": "http://x/", "headers": {"Range": "bytes=0-9"}, "body": None, "streams": True},
     ["-N", "http://x/", "-H", "Range: bytes=0-9"]),
    ({"method": "POST", "url": "http://x/", "body": {"type": "application/json", "text": SPECIAL}},
     ["http://x/", "-H", "Content-Type: application/json", "--data-binary", SPECIAL]),
    ({"method": "PUT", "url": "http://x/", "body": {"type": "application/x-www-form-urlencoded",
      "fields": [{"name": "newFormat", "value": SPECIAL, "isFile": False}]}},
     ["-X", "PUT", "http://x/", "--data-urlencode", "newFormat=" + SPECIAL]),
    ({"method": "POST", "url": "http://x/", "body": {"type": "multipart/form-data", "fields": [
        {"name": "fileName", "value": "my song.mp3", "isFile": True}, {"name": "newFormat", "value": "@flac", "isFile": False}]}},
     ["http://x/", "-F", "fileName=@my song.mp3", "--form-string", "newFormat=@flac"]),
], ids=["get", "delete", "stream", "json", "form", "multipart"])
def test_curl_line(reader, request_, words):
    assert arguments_of(reader("reader.curlLine(request)", request=request_)) == words


def test_curl_line_uploads_a_file(reader, stack, user, media, tmp_path):
    """The command for an upload, run as it is shown, creates a task."""
    fields = [{"name": "fileName", "value": str(media.tone("mp3")), "isFile": True},
              {"name": "newFormat", "value": "ogg", "isFile": False}]
    line = reader("reader.curlLine(request)", request={
        "method": "POST", "url": stack.url + "/api/tasks", "token": True,
        "body": {"type": "multipart/form-data", "fields": fields}})
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True, cwd=tmp_path,
                          env={"PATH": "/usr/bin:/bin", "TOKEN": user.token})
    user.finish(json.loads(done.stdout)["task"])
