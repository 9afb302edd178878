"""The pages in a real browser, a headless Chromium: what is shown, sent and taken over; sizes, keyboard, console."""

import json
import re

import pytest
import requests

from harness.client import PASSWORD
from harness.contract_environment import CONTRACT
from harness.waiting import wait_for

pytestmark = pytest.mark.xdist_group("browser")

PAGE_BYTES_MAX = 150_000
WIDTHS = (320, 375, 768, 1440, 3840)


NAMED = "[one.dataset.text, one.dataset.label, one.dataset.hint, one.dataset.linked].filter(Boolean)"
# texts and labels outside of code, input, and what is marked as English
PIECES = """
const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const element = node.parentElement;
  if (element.closest("[lang=en], code, pre, textarea, script, noscript")) continue;
  if (node.nodeType === Node.TEXT_NODE) found.push(node.data.trim());
  else found.push(node.getAttribute("aria-label"), node.getAttribute("placeholder"));
}
return found.filter(Boolean);
"""


def evaluate(browser, module, expression):
    script = "const done = arguments[1]; import(arguments[0]).then((m) => done(" + expression + "), (fault) => done(String(fault)))"
    return browser.driver.execute_async_script(script, f"/assets/{module}.mjs")


@pytest.fixture
def docs(browser, stack):
    """docs(id): opens /docs with this operation, and waits until it is there."""
    def open_page(operation="", width=1440):
        browser.size(width)
        browser.open(f"{stack.url}/docs#{operation}")
        browser.wait(lambda: browser.find("#main").get_attribute("aria-busy") == "false", "the operations")
        if operation:
            show(operation)
        return browser

    def show(operation):
        browser.run("location.hash = arguments[0]", operation)
        browser.wait(lambda: browser.all(f"#{operation} .about"), operation)
    open_page.show = show
    return open_page


def fill(browser, operation, **values):
    for name, value in values.items():
        browser.put(f'#{operation} [data-field="{name.replace("__", ".")}"] :is(input, select)', value)


def send(browser, operation):
    """Sends the form of an operation; returns what stands in the first line of the response."""
    browser.run("document.querySelector(arguments[0])?.remove()", f"#{operation} .answer-head")
    browser.click(f"#{operation} button[type=submit]")
    browser.wait(lambda: browser.all(f"#{operation} .answer-head"), "a response", 20)
    return browser.text(f"#{operation} .answer-head .status")


def body(browser, operation):
    return json.loads(browser.text(f'#{operation} .answer pre[aria-label="Body"]'))


def test_login_fills_the_token(docs, stack):
    user = stack.client()
    browser = docs("login")
    assert browser.text("#token-state") == "No token yet"
    fill(browser, "login", username=user.username, password=PASSWORD)
    assert send(browser, "login") == "200 OK"
    assert browser.find("#token").get_attribute("value") == body(browser, "login")["access_token"]
    assert browser.text("#token-state").startswith("Logged in until ")
    browser.click("#token-show")
    assert browser.find("#token").get_attribute("type") == "text" and browser.text("#token-show") == "Hide"
    docs.show("me")
    assert send(browser, "me") == "200 OK" and body(browser, "me")["username"] == user.username
    browser.run("scrollTo(0, document.body.scrollHeight)")
    assert browser.run("const at = document.querySelector('#token').getBoundingClientRect(); return at.top >= 0 && at.bottom < 100"), "in sight"
    docs.show("logOutEverywhere")
    assert send(browser, "logOutEverywhere") == "200 OK"
    assert browser.text("#token-state") == "Token has ended: log in again" and browser.find("#token").get_attribute("value") == ""


def test_token_is_typed_in(docs, stack, user):
    browser = docs("me")
    assert browser.shown("#me .lacks")
    key = user.post("/api/keys", json={"name": "reader", "scopes": ["read"]}).json()["key"]
    browser.put("#token", key)
    assert browser.text("#token-state") == "API key in use" and not browser.shown("#me .lacks")
    assert send(browser, "me") == "200 OK"
    browser.put("#token", "mr_" + "x" * 43)
    assert send(browser, "me") == "401 Unauthorized"
    assert browser.text("#token-state") == "Token was refused: log in again"
    browser.click("#token-forget")
    assert browser.find("#token").get_attribute("value") == "" and browser.shown("#me .lacks")


def test_a_file_is_converted(docs, user, media):
    """A form with a file and options; a mistake is said at its field; the response has status, headers and body."""
    browser = docs("createTask")
    browser.put("#token", user.token)
    browser.find("#createTask [data-field=fileName] input").send_keys(str(media.tone("mp3")))
    fill(browser, "createTask", newFormat="wav", options__sample_rate="9")
    assert send(browser, "createTask") == "400 Bad Request"
    assert browser.text('#createTask [data-field="options.sample_rate"] .fault').startswith("options.sample_rate must be")
    fill(browser, "createTask", options__sample_rate="8000")
    curl = browser.text("#createTask .curl")
    assert "-F 'fileName=@" in curl and "--form-string 'options={\"sample_rate\":8000}'" in curl
    assert send(browser, "createTask") == "201 Created"
    assert not browser.shown('#createTask [data-field="options.sample_rate"] .fault')
    headers = browser.text("#createTask .answer .headers")
    assert "content-type\napplication/json" in headers and "location\n/api/tasks/" in headers
    task = user.finish(body(browser, "createTask")["task"])
    docs.show("getFile")
    assert browser.text("#getFile .answer") == ""
    browser.click("#getFile button[type=submit]")
    assert browser.text("#getFile [data-field=file_id] .fault") == "file_id is required"
    fill(browser, "getFile", file_id=task["file_id"])
    assert send(browser, "getFile") == "200 OK"
    browser.wait(lambda: browser.run("return document.querySelector('#getFile audio')?.readyState > 0"), "audio that can be played")
    assert not [fault for fault in browser.faults() if "400 (Bad Request)" not in fault]


def test_json_is_made_of_fields(docs, user):
    browser = docs("createKey")
    browser.put("#token", user.token)
    fill(browser, "createKey", name="mine", expires_in="60")
    browser.click("#createKey [data-field=scopes] [value=write]")
    assert '{\n  "name": "mine",\n  "scopes": [\n    "write"\n  ],\n  "expires_in": 60\n}' in browser.text("#createKey .curl")
    assert send(browser, "createKey") == "201 Created"
    browser.click("#createKey .taken button")
    assert browser.text("#token-state") == "API key in use"
    browser.put("#createKey select[id^=way]", "application/json, as text")
    assert browser.find("#createKey textarea").get_attribute("value").startswith("{")


def test_choices_are_selects(docs):
    """Where the contract lists values, they are chosen."""
    browser = docs()
    browser.run("for (const one of document.querySelectorAll('details.operation')) one.open = true")
    browser.wait(lambda: browser.all("#benchmarkStart form"), "all forms")
    schemas = CONTRACT.document["components"]["schemas"]
    listed = {"newFormat": schemas["Format"]["enum"], "preset": schemas["Preset"]["enum"], "priority": schemas["Priority"]["enum"],
              **{f"options.{name}": one["enum"] for name, one in schemas["TaskOptions"]["properties"].items() if "enum" in one},
              "options.resize.fit": ["pad", "crop", "stretch"], "options.mute": ["true", "false"]}
    for name, values in listed.items():
        shown = browser.run("return [...document.querySelectorAll(arguments[0])].map((one) => one.value)", f'#createTask [data-field="{name}"] > select option')
        assert shown == ["", *values], name
    assert [one.get_attribute("label") for one in browser.all("#createTask [data-field=newFormat] optgroup")] == ["Audio", "Video"]
    for operation in CONTRACT.operations.values():
        for parameter in operation.parameters:
            schema = parameter["schema"]
            if "enum" in schema or "enum" in schema.get("items", {}):
                assert browser.all(f'#{operation.id} [data-field="{parameter["name"]}"] :is(select, [type=checkbox])'), (operation.id, parameter["name"])
    assert browser.run("return [...document.querySelectorAll('input, select, textarea')].filter((one) => !one.labels.length).length") == 0
    ids = browser.run("return [...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))
    assert browser.faults() == []


def test_everything_is_there(docs):
    """All operations; webhooks apart and without a form; the older systems' addresses in one folded group."""
    browser = docs("taskEnded")
    found = browser.run("return [...document.querySelectorAll('details.operation')].map((one) => one.id)")
    assert sorted(found) == sorted([*CONTRACT.operations, *CONTRACT.document["webhooks"], "older-addresses"])
    assert browser.run("return document.querySelector('#taskEnded').parentNode.querySelectorAll('.operation').length") == len(CONTRACT.document["webhooks"])
    assert not browser.all("#taskEnded form") and "go the other way" in browser.run("return document.querySelector('#taskEnded').parentNode.innerText")
    assert not browser.shown("#older-addresses table")
    browser.run("location.hash = 'older-addresses'")
    browser.wait(lambda: browser.shown("#older-addresses table"), "the group to open")
    rows = browser.run("return [...document.querySelectorAll('#older-addresses tbody td:first-child')].map((one) => one.innerText)")
    assert sorted(rows) == sorted(f"{one.method} {alias}" for one in CONTRACT.operations.values() for alias in one.aliases)
    assert browser.weight() < PAGE_BYTES_MAX


def test_docs_in_spanish(docs):
    """All words of the page are Spanish; what is the contract's is marked as English."""
    browser = docs()
    tables = {name: evaluate(browser, f"texts_docs_{name}", "m.default") for name in ("en", "es")}
    assert list(tables["en"]) == list(tables["es"])
    assert not tables["en"].keys() & evaluate(browser, "texts_en", "m.default").keys()
    for key, words in tables["en"].items():
        assert sorted(re.findall(r"\{\w+\}|</?\w+>", words)) == sorted(re.findall(r"\{\w+\}|</?\w+>", tables["es"][key])), key
    named = browser.run(f"return [...document.querySelectorAll('[data-text], [data-label], [data-hint], [data-linked]')].flatMap((one) => {NAMED})")
    assert set(named) <= {*tables["en"], *evaluate(browser, "texts_en", "m.default")}
    browser.language("es-MX,es")
    try:
        docs("createTask")
        assert browser.run("return document.documentElement.lang") == "es" and browser.text("h1").startswith("API de mediarun")
        browser.run("for (const one of document.querySelectorAll('details.operation, #createTask details, #deleteTask details')) one.open = true")
        browser.wait(lambda: browser.all("#benchmarkStart form"), "all forms")
        shown = set(browser.run(PIECES))
        english = {words for key, words in tables["en"].items() if words != tables["es"][key]}
        assert not shown & english and {"Pruébala", "Parámetros", "Respuestas", "Enviar petición"} <= shown
        browser.click("#me button[type=submit]")
        browser.wait(lambda: "Cuerpo, " in browser.text("#me .answer"), "the response")
    finally:
        browser.language("")
    assert len(browser.faults()) == 1  # 401


def test_docs_fit(docs):
    """With everything open, at all widths: nothing is wider than the page, nothing is in small print, the form comes before the prose."""
    browser = docs("createTask")
    browser.run("for (const one of document.querySelectorAll('details.operation, #createTask details')) one.open = true")
    browser.wait(lambda: browser.all("#benchmarkStart form"), "all forms")
    for width in WIDTHS:
        browser.size(width)
        browser.scheme("dark" if width in (375, 1440) else "light")
        assert browser.measure() == {"wide": [], "small": []}, width
        form, about = (browser.run("const at = document.querySelector(arguments[0]).getBoundingClientRect(); return [at.left, at.top]", f"#createTask {part}")
                       for part in (".try", ".about"))
        assert form[1] < about[1] if width < 1280 else form[0] < about[0], width
        assert browser.shown("#token") and browser.shown("#nav") == (width > 960), width
    browser.size(375)
    browser.click("#menu")
    assert browser.shown("#search") and browser.measure() == {"wide": [], "small": []}
    browser.click("#nav a[href='#getTask']")
    browser.wait(lambda: not browser.shown("#nav"), "the menu to close")
    assert browser.faults() == []


def test_keyboard(docs):
    browser = docs("", 375)
    page = browser.find("body")
    page.send_keys("\ue004")  # Tab
    assert browser.run("return document.activeElement.textContent") == "Skip to the operations"
    page.send_keys("/")
    assert browser.run("return document.activeElement.id") == "search"
    browser.find("#search").send_keys("cancel")
    assert browser.text("#found").startswith("2 of ") or browser.text("#found").startswith("3 of ")
    shown = browser.run("return [...document.querySelectorAll('#nav li a')].filter((one) => one.checkVisibility()).map((one) => one.hash)")
    assert "#cancelTask" in shown and "#signup" not in shown
    browser.find("#search").send_keys("\ue00c")  # Escape
    assert not browser.shown("#nav") and browser.run("return document.activeElement.id") == "menu"
    browser.click("#nav a[href='#cancelTask']")
    browser.wait(lambda: browser.all("#cancelTask form"), "the form")
    assert browser.run("return document.activeElement.parentNode.id") == "cancelTask"
    browser.find("#cancelTask summary").send_keys("\ue007")  # Enter
    assert not browser.shown("#cancelTask form")


def test_report_explains_itself(browser, stack):
    browser.size(375)
    browser.open(stack.url + "/report")
    browser.wait(lambda: browser.shown("#off"), "the explanation")
    assert browser.text("#state") == "Turned off" and "ENABLE_BENCHMARK=1" in browser.text("#off")
    assert not browser.shown("#report") and not browser.shown("#empty")
    assert browser.measure() == {"wide": [], "small": []}
    assert not [fault for fault in browser.faults() if "404 (Not Found)" not in fault]


def test_report_draws(browser, make_stack, media):
    stack = make_stack(web_settings={"ENABLE_BENCHMARK": "1"}, settings={"STRESS_TEST": "1"})
    browser.size(1440)
    browser.open(stack.url + "/report")
    browser.wait(lambda: browser.shown("#empty"), "the way to start")
    assert f"curl {stack.url}/benchmark/conversion/start" in browser.text("#command")
    with open(media.tone("mp3"), "rb") as file:
        assert requests.post(stack.url + "/benchmark/conversion/start", files={"fileName": file},
                             data={"newFormat": "wav", "taskNumber": 6}, timeout=60).status_code == 200
    wait_for(lambda: stack.sql("SELECT count(*) FROM tasks WHERE status = 'processed'") == [["6"]], "the conversions", 30, 0.1)
    ids = [row[0] for row in stack.sql("SELECT id FROM tasks ORDER BY id")]
    for task, seconds in zip(ids, (1, 2, 3, 125, 126, 127)):
        stack.sql(f"UPDATE tasks SET processed_at = uploaded_at + interval '{seconds} s' WHERE id = {task}")
    for width in (1440, 320):
        browser.size(width)
        browser.open(stack.url + "/report")
        browser.wait(lambda: browser.all("#chart .bar"), "the chart")
        heights = [float(one.get_attribute("height")) for one in browser.all("#chart .bar")]
        assert len(heights) == 3 and heights[0] == heights[2] > 50 and heights[1] == 0
        assert browser.text("#state") == "Ended" and "ready\n6" in browser.text("#totals")
        cells = browser.run("return [...document.querySelectorAll('#rows tr')].map((one) => [...one.cells].map((cell) => cell.textContent))")
        assert cells == [["1", "3", "3"], ["2", "0", "3"], ["3", "3", "6"]]
        assert browser.measure() == {"wide": [], "small": []}
    assert browser.faults() == [] and browser.weight() < PAGE_BYTES_MAX
    stack.emulator.stop()  # storage and queue
    browser.open(stack.url + "/status")
    browser.wait(lambda: browser.text("#summary") == "Something does not work", "the fault", 40)
    browser.wait(lambda: browser.run("return document.querySelector('[data-part=storage]').dataset.state") == "down", "what is down", 40)
    assert browser.run("return document.querySelector('[data-part=database]').dataset.state") == "up" and browser.measure() == {"wide": [], "small": []}


def test_status(browser, stack):
    """All parts up, with the ping that the page sends."""
    for width in (320, 1440):
        browser.size(width)
        browser.open(stack.url + "/status")
        browser.wait(lambda: browser.text("#summary") == "Everything works", "all parts")
        assert browser.run("return [...document.querySelectorAll('#parts li')].map((one) => one.dataset.part + ' ' + one.dataset.state)") == [
            "web up", "database up", "storage up", "queue up"]
        browser.wait(lambda: browser.run("return document.querySelector('#pings td:last-child')?.innerText.endsWith(' ms')"), "the ping")
        assert browser.measure() == {"wide": [], "small": []}
    assert browser.faults() == [] and browser.weight() < PAGE_BYTES_MAX


@pytest.mark.parametrize("path", ["/api/auth/confirm", "/api/auth/reset/password"])
def test_pages_of_mails(browser, stack, path):
    browser.size(320)
    browser.open(stack.url + path + "?token=x")
    assert browser.measure() == {"wide": [], "small": []} and browser.faults() == []
    assert browser.run("return getComputedStyle(document.querySelector('button')).backgroundColor") != "rgba(0, 0, 0, 0)", "the styles are there"


def test_report_in_spanish(browser, stack):
    browser.language("es-CO,es")
    try:
        browser.size(320)
        browser.open(stack.url + "/report")
        browser.wait(lambda: browser.shown("#off"), "the explanation")
        assert browser.run("return document.documentElement.lang") == "es" and browser.text("h1") == "Archivos por minuto" and browser.text("#state") == "Desactivada"
        assert browser.texts("#off code") == ["ENABLE_BENCHMARK=1", "ENABLE_BENCHMARK", "infra/services/web.yaml"]
        assert browser.measure() == {"wide": [], "small": []}
    finally:
        browser.language("")


def sign_in(browser, stack, client):
    """As the first page does, in another tab."""
    browser.run("const login = {token: arguments[0], id: 1, name: arguments[1]}, key = 'mediarun.login';"
                "localStorage.setItem(key, JSON.stringify(login)); dispatchEvent(new StorageEvent('storage', {key}))", client.token, client.username)


@pytest.fixture
def desk(browser, stack):
    """desk(client): opens /operator, signed in as this client."""
    def open_page(client, width=1440):
        browser.size(width)
        browser.open(stack.url + "/assets/icon.svg")  # of the same origin, where another test may have signed in
        browser.run("localStorage.clear()")
        browser.open(stack.url + "/operator")
        browser.wait(lambda: browser.shown("#apart"), "to be asked to sign in")
        assert browser.text("#apart-why").startswith("Sign in as an operator")
        sign_in(browser, stack, client)
        return browser
    yield open_page
    browser.run("localStorage.clear()")


def make_failed(stack, client, code, count):
    """Tasks of a user that failed with this code."""
    stack.sql("INSERT INTO tasks (file_id, user_id, kind, status, error_code, error_detail, uploaded_at, processed_at) SELECT gen_random_uuid(), u.id, 'probe', 'failed', "
              f"'{code}', 'as the test wants it', now(), now() FROM users u, generate_series(1, {count}) WHERE username = '{client.username}' RETURNING id")


def test_operator_page_is_for_operators(desk, stack, user):
    browser = desk(user, 320)
    refusal = f"The account {user.username} is not an operator's. Only the owner of the database makes operators."
    browser.wait(lambda: browser.text("#apart-why") == refusal, "the refusal")
    assert not browser.shown("#desk") and browser.measure() == {"wide": [], "small": []} and browser.accessibility() == []
    assert not [fault for fault in browser.faults() if "403 (Forbidden)" not in fault]


def test_operator_page(desk, stack, user):
    """Failures by code, their tasks page by page, one that runs again, a dead letter, what a user has; everything fits and is accessible."""
    task = user.wait(user.upload(b"no media" * 100, "wav", name="broken.mp3"))
    stack.sql(f"UPDATE users SET is_operator = true WHERE username = '{user.username}' RETURNING id")
    stack.sql(f"INSERT INTO dead_letters (task_id, generation, times, first_at, last_at) VALUES ({task['id']}, 1, 2, now(), now()) RETURNING task_id")
    make_failed(stack, user, "service_fault", 21)
    browser = desk(user)
    browser.wait(lambda: "service_fault" in browser.text("[data-list=failures] ul"), "the codes")
    assert "conversions and deliveries that run" in browser.text("#leases")
    browser.wait(lambda: f"Task {task['id']}" in browser.text("[data-list=dead] ul"), "the dead letter")
    assert "Failed · " + task["error"]["code"] + " · given up 2 times" in browser.text("[data-list=dead] ul")
    browser.click('[aria-label="Show the tasks that failed with service_fault"]')
    rows = "[data-list=failed] li"
    browser.wait(lambda: len(browser.all(rows)) == 20 and browser.all('[aria-label="More: Failed tasks"]:enabled'), "a page of them")
    assert browser.text("#failed-title") == "Failed tasks: service_fault" and browser.run("return document.activeElement.id") == "failed-title"
    assert "failed · 0 attempts" in browser.text(rows) and "service_fault · as the test wants it" in browser.text(rows)
    browser.click('[aria-label="More: Failed tasks"]')
    browser.wait(lambda: len(browser.all(rows)) == 21 and not browser.shown('[aria-label="More: Failed tasks"]'), "the rest")
    browser.run("const real = window.fetch; window.fetch = async (...all) => { window.fetch = real; throw new TypeError('lost'); }")
    browser.click("#all-codes")
    browser.wait(lambda: browser.shown("[data-list=failed] .fault") and not browser.all(rows), "no rows of another code below the new title")
    browser.click("#all-codes")
    browser.wait(lambda: browser.all(rows) and not browser.shown("[data-list=failed] .fault"), "all codes again")
    browser.wait(lambda: not browser.shown("#all-codes"), "all codes")
    browser.put("#usage-form [name=name]", "nobody at all")
    browser.click("#usage-form [type=submit]")
    browser.wait(lambda: browser.shown("#usage-form p.fault"), "that there is no such user")
    browser.put("#usage-form [name=name]", f" {user.username} ")
    browser.click("#usage-form [type=submit]")
    browser.wait(lambda: "tasks today" in browser.text("#usage"), "the usage")
    assert browser.text("#usage").startswith(f"{user.username} (#") and "operator" in browser.text("#usage") and not browser.shown("#usage-form p.fault")
    for width in WIDTHS:
        browser.size(width)
        assert browser.measure() == {"wide": [], "small": []}, width
    for scheme in ("dark", "light"):
        browser.scheme(scheme)
        assert browser.accessibility() == []
    browser.click('[data-list=dead] [aria-label^="Run task"]')
    browser.wait(lambda: browser.texts("[data-list=dead] .done") == ["Waits again, generation 2."], "what came of it")
    user.wait(task, states=("failed",))
    assert stack.sql(f"SELECT generation FROM tasks WHERE id = {task['id']}") == [["2"]]
    assert browser.weight() < PAGE_BYTES_MAX and not [fault for fault in browser.faults() if "404 (Not Found)" not in fault]
    browser.run("localStorage.clear(); dispatchEvent(new StorageEvent('storage', {key: null}))")
    browser.wait(lambda: browser.shown("#apart") and not browser.shown("#desk"), "the end of the login")
