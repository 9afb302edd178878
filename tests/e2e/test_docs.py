"""
/docs, the page that shows /openapi.json, and the files that all pages are made of: they use no other host, insert no markup,
and the functions that read the contract are correct. test_pages.py looks at the pages in a browser.
"""

import gzip
import json
import re
import shutil
import subprocess

import pytest

from harness.contract_environment import CONTRACT
from harness.paths import BUILD, ROOT

STATIC = ROOT / "web" / "static"
FILES = {path.name: path.read_text(encoding="utf-8") for path in sorted(STATIC.iterdir()) if path.suffix != ".json"}
MADE = {name: (BUILD / "gen" / name).read_text(encoding="utf-8") for name in ("page.mjs", "page.css")}  # by make
PAGES = {name: text for name, text in FILES.items() if name.endswith(".html")}
TYPES = {"css": "text/css; charset=utf-8", "mjs": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
SVG = "http://www.w3.org/2000/svg"  # a name, which is not fetched


@pytest.mark.parametrize("path, name", [("/", "index.html"), ("/docs", "docs.html"), ("/report", "report.html"), ("/status", "status.html"), ("/operator", "operator.html"), ("/api/auth/confirm", "confirm.html"),
                                        ("/api/auth/reset/password", "reset.html")])
def test_served(stack, path, name):
    answer = stack.anonymous().get(path)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.text == FILES[name]
    policy = {name: values for name, *values in (part.split() for part in answer.headers["Content-Security-Policy"].split(";"))}
    if path == "/":  # uploads go to Cloud Storage, and downloads may come from there
        assert policy["connect-src"].pop() == policy["media-src"].pop() == stack.emulator.url
    assert policy["default-src"] == ["'none'"] and policy["connect-src"] == policy["script-src"] == policy["style-src"] == ["'self'"]
    assert policy["base-uri"] == ["'none'"] and policy["frame-ancestors"] == ["'none'"]
    assert not any(re.search(r"//|\*|^https?:|unsafe", value) for values in policy.values() for value in values)


def test_assets(stack):
    anonymous = stack.anonymous()
    for name, text in {**FILES, **MADE}.items():
        answer = anonymous.get("/assets/" + name)
        if name in PAGES:  # a page has one address
            assert answer.status_code == 404, name
        else:
            assert answer.headers["Content-Type"] == TYPES[name.rpartition(".")[2]] and answer.text == text, name
    for name in ("openapi.json", "none.css", "..%2fstatic%2fbase.css", ".css"):
        assert anonymous.get("/assets/" + name).status_code == 404, name


@pytest.mark.parametrize("header, is_small", [
    ("gzip", True), ("br, gzip;q=0.5", True), ("br,GZIP ; q=1", True), ("gzip;q=0", False), ("identity", False), ("gzipped", False),
    ("br, gzip; q=0.000", False), (", ,", False), (None, False)])
def test_compressed(stack, header, is_small):
    with stack.anonymous().get("/assets/docs.css", headers={"Accept-Encoding": header}, stream=True) as answer:
        content = answer.raw.read(decode_content=False)
    assert answer.headers["Vary"] == "Accept-Encoding" and (answer.headers.get("Content-Encoding") == "gzip") == is_small
    assert (gzip.decompress(content) if is_small else content).decode() == FILES["docs.css"]


def test_pages_name_no_other_host():
    """And the addresses in them lead somewhere: what test_assets gets, and routes."""
    routes = {operation.path for operation in CONTRACT.operations.values()}
    for name, text in FILES.items():
        assert not re.search(r"https?:|[\"'(]//|@import|\burl\(", text.replace(SVG, "")), name
    for name, text in PAGES.items():
        for address in re.findall(r"(?:src|href)=\"([^#\"]+)", text):
            assert address in routes or address.removeprefix("/assets/") in {**FILES, **MADE}, (name, address)


def test_modules_name_what_is_there():
    for name, text in FILES.items():
        for module in re.findall(r"from \"\./([^\"]+)\"", text):
            assert module in FILES, (name, module)


@pytest.mark.parametrize("modules, fault", [
    ({"app": 'import { gone } from "./other.mjs";', "other": "export const here = 1;"}, "other.mjs does not export gone"),
    ({"app": 'import { a } from "./other.mjs";\nexport const b = 1;', "other": 'import { b } from "./app.mjs";\nexport const a = b;'}, "imports itself"),
    ({"app": 'import "./none.mjs";'}, "no module"), ({"app": "export let a = 1;"}, "cannot bundle")])
def test_what_cannot_be_bundled(tmp_path, modules, fault):
    for name, text in modules.items():
        (tmp_path / f"{name}.mjs").write_text(text + "\n", encoding="utf-8")
    done = subprocess.run(["awk", "-f", ROOT / "infra" / "bundle.awk", "-v", "entry=app", *sorted(tmp_path.glob("*.mjs"))], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and fault in done.stderr, done.stderr


def test_pages_hold_no_script_and_no_style():
    for name, text in PAGES.items():
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", text), name


@pytest.mark.parametrize("way", [
    "innerHTML", "outerHTML", "insertAdjacentHTML", r"document\.write", r"\beval\b", "new Function", "DOMParser", "srcdoc",
    r"document\.cookie"])
def test_pages_insert_no_markup(way):
    assert [name for name, text in FILES.items() if re.search(way, text)] == []


@pytest.mark.parametrize("storage, names", [("localStorage", {"choices", "login", "thumbs"}), ("sessionStorage", {"outbox"})])
def test_only_the_converter_stores(storage, names):
    """/ goes on after a reload, /operator uses its login; /docs and the others store no token."""
    assert {name for name, text in FILES.items() if storage in text} == {f"{name}.mjs" for name in names}
    others = {"index.html", "app.mjs", *(name for name in FILES if re.search(r"from \"\./(login|choices|outbox|thumbs)\.mjs", FILES[name]))}
    for page in PAGES.keys() - {"index.html", "operator.html"}:
        assert not [name for name in others if f"/{name}" in PAGES[page]], page


def test_accessibility():
    """The pages have what screen readers, keyboards and phones need."""
    for name, text in PAGES.items():
        for needed in ('lang="en"', 'name="viewport"', "<main", "<h1"):
            assert needed in text, (name, needed)
    for name in ("docs.html", "report.html", "operator.html"):
        for needed in ('class="skip"', 'role="status"', "<noscript>"):
            assert needed in PAGES[name], (name, needed)
    assert "prefers-color-scheme: dark" in FILES["tokens.css"]
    assert ":focus-visible" in FILES["base.css"] and "prefers-reduced-motion" in FILES["base.css"]


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


TEXT_ON = [*((text, ground) for text in ("ink", "soft", "accent", "accent-strong", "bad", "warn") for ground in ("paper", "panel", "sunken")),
           ("on-accent", "accent"), ("on-accent", "accent-strong"), ("good", "paper"), ("info", "paper"),
           *((text, text + "-soft") for text in ("accent", "good", "warn", "bad", "info"))]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme):
    """WCAG 2.2 AA: 4.5 for text, 3 for the edges of controls."""
    light, dark = FILES["tokens.css"].split("prefers-color-scheme: dark")
    colours = {name: value if len(value) == 7 else "#" + "".join(2 * digit for digit in value[1:])
               for name, value in re.findall(r"--([\w-]+): (#[0-9a-f]+);", light + (dark if scheme == "dark" else ""))}
    for text, ground in TEXT_ON:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["edge"], colours["paper"]) >= 3


@pytest.fixture(scope="module")
def reader():
    """reader(expression, **names): evaluates JavaScript with the functions that read the contract and these names in scope."""
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    modules = "".join(f"import * as {name}Module from {json.dumps(str(STATIC / name) + '.mjs')};\n" for name in ("openapi", "request"))

    def evaluate(expression, **names):
        names = {"doc": CONTRACT.document, **names}
        heads = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in names.items())
        done = subprocess.run(["node", "--input-type=module", "-"], text=True, check=False, timeout=20, capture_output=True,
                              input=f"{modules}const reader = {{...openapiModule, ...requestModule}};\n{heads}"
                              f"process.stdout.write(JSON.stringify({expression}))")
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
    tags = reader("""reader.byTag(doc, reader.operations(doc).filter((one) => !one.isWebhook))
        .map((tag) => [tag.name, tag.operations.map((one) => one.id)])""")
    assert [name for name, _ in tags] == [tag["name"] for tag in CONTRACT.document["tags"]]
    assert sorted(one for _, ids in tags for one in ids) == sorted(CONTRACT.operations)


def test_aliases(reader):
    found = reader("reader.aliases(reader.operations(doc)).map((one) => `${one.method} ${one.path}`)")
    assert sorted(found) == sorted(f"{one.method} {path}" for one in CONTRACT.operations.values() for path in one.aliases)


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
    ({"minimum": 1, "maximum": 5}, "1 to 5"), ({"minimum": 0}, "0 or more"), ({"maxLength": 9, "pattern": "^x"}, "up to 9 characters; pattern ^x"),
    ({"enum": [0, 1], "default": 0}, "one of 0, 1; by default 0"), ({"type": "string"}, ""),
    ({"pattern": "^x", "x-choices": {"Audio": ["x"]}}, ""),
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


ALIASES = {"createTask": {"file": "fileName", "new_format": "newFormat"}, "signup": {"password": "password1", "password_2": "password2"}}


@pytest.mark.parametrize("operation", ALIASES)
def test_other_names_of_fields(reader, operation):
    """A form shows one field of each; nothing that calls itself another name is left unmarked."""
    found = reader("""Object.fromEntries(reader.formFields(doc, reader.operations(doc).find((one) => one.id === operation)
        .body.content["multipart/form-data"].schema).filter((one) => one.aliasOf).map((one) => [one.name, one.aliasOf]))""", operation=operation)
    assert found == ALIASES[operation]
    for schema in CONTRACT.document["components"]["schemas"].values():
        named = {name for name, one in schema.get("properties", {}).items() if one.get("description", "").startswith("Another name of")}
        assert named <= set(schema.get("x-field-aliases", {}))


@pytest.mark.parametrize("schema, groups, many", [
    ({"enum": ["a", "b"]}, [["", ["a", "b"]]], False), ({"type": "boolean"}, [["", [True, False]]], False),
    ({"type": "array", "items": {"$ref": "#/components/schemas/TaskStatus"}}, [["", CONTRACT.document["components"]["schemas"]["TaskStatus"]["enum"]]], True),
])
def test_choices(reader, schema, groups, many):
    assert reader("reader.choices(doc, schema)", schema=schema) == {"groups": groups, "many": many}


def test_choices_of_formats(reader):
    """newFormat takes other spellings, too; the choices are the names of all formats, audio and video apart."""
    found = reader('reader.choices(doc, {$ref: "#/components/schemas/NewFormat"})')
    assert [title for title, _ in found["groups"]] == ["Audio", "Video"] and not found["many"]
    assert [name for _, names in found["groups"] for name in names] == CONTRACT.document["components"]["schemas"]["Format"]["enum"]


def test_free_values_have_no_choices(reader):
    assert reader('[{type: "string"}, {type: "integer"}, {type: "array", items: {type: "string"}}, {}].map((one) => reader.choices(doc, one))') == [None] * 4


@pytest.mark.parametrize("schema, text, value", [
    ({"type": "integer"}, "12", 12), ({"type": "number"}, "-16.5", -16.5), ({"type": "integer"}, "x", "x"), ({"type": "integer"}, " ", " "),
    ({"type": "string"}, "12", "12"), ({"type": "boolean"}, "true", True), ({"type": "boolean"}, "false", False),
    ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "12", "12"), ({"oneOf": [{"type": "integer"}, {"type": "null"}]}, "12", 12),
])
def test_typed(reader, schema, text, value):
    assert reader("reader.typed(doc, schema, text)", schema=schema, text=text) == value


@pytest.mark.parametrize("detail, field", [
    ("newFormat is required", "newFormat"), ("options.crf must be a whole number from 0 to 51", "options.crf"), ("", None), (None, None),
    ("Idempotency-Key is too long", "Idempotency-Key"),
])
def test_field_of_a_problem(reader, detail, field):
    assert reader("reader.fieldOf(detail)", detail=detail) == field


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
