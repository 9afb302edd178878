"""The page that converts, GET /, in a real browser: the whole journey, its errors, and what survives a reload or a lost connection."""

import base64
import json
import re
import signal

import pytest

from harness.client import PASSWORD
from harness.contract_environment import CONTRACT
from harness.page import act, add, row_state, sign_in_again, state
from harness.waiting import wait_for

pytestmark = pytest.mark.xdist_group("browser")

PAGE_BYTES_MAX = 150_000
FIRST_PAINT_MS_MAX, FORMS_MAX = 100, 8
PAINT = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
WIDTHS = (320, 375, 768, 1440, 3840)


def test_from_nothing_to_a_file(page, media, stack, tmp_path):
    """A newcomer: a file is dropped, an account is made with a mistake on the way, the file is converted, taken, deleted, kept."""
    browser = page()
    browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    assert browser.shown("#sign-up") and not browser.shown("#tasks")
    add(browser, media.tone("mp3"))
    assert browser.text("#convert") == "Convert 1 file"
    browser.wait(lambda: re.search(r"Audio · \d:\d\d · [\d.]+ kB", browser.text("#outbox-list .row-text")), "what the file is")
    browser.put("#outbox-list select", "flac")
    browser.click("#convert")
    browser.click("#login-form [type=submit]")
    browser.wait(lambda: browser.texts("#login .fault") == ["This is needed."] * 3, "what is missing")
    name = "newcomer" + tmp_path.name[-8:].replace("_", "x")
    for field, value in (("username", name), ("email", f"{name}@example.com"), ("password", "short")):
        browser.put(f"#login [name={field}]", value)
    browser.click("#login-form [type=submit]")
    browser.wait(lambda: browser.all("#login [name=password][aria-invalid]"), "the fault at the password")
    assert "too easy" in browser.text("#login .field:has([name=password]) .fault")
    browser.put("#login [name=password]", PASSWORD)
    browser.click("#login-form [type=submit]")
    browser.wait(lambda: browser.text("#user") == name and not browser.shown("#login"), "the login")
    browser.click("#convert")
    state(browser, "processed")
    assert not browser.shown("#outbox") and "→ FLAC" in browser.text("#tasks-list .row-name")
    assert re.search(r"[\d.]+ kB → [\d.]+ [kM]B \([+−]\d+%\) · [\d.]+ s", browser.text("#tasks-list .figures"))
    browser.wait(lambda: browser.text("#say").endswith("is ready"), "the announcement")
    act(browser, "receipt")
    browser.wait(lambda: browser.all(".receipt"), "the receipt")
    assert re.search(r"Changed\naudio codec mp3 → flac \(.+\)", browser.text(".receipt"))
    act(browser, "download")
    browser.wait(lambda: list(tmp_path.glob("*.flac")), "the file")
    act(browser, "delete")
    act(browser, "undo")
    state(browser, "processed")
    add(browser, media.tone("mp3"))
    browser.click("#convert")
    browser.wait(lambda: len(browser.all("#tasks-list > li[data-state=processed]")) == 2, "the second one")
    act(browser, "delete")
    browser.click("#sign-out")
    assert browser.shown("#sign-in") and not browser.shown("#tasks") and not browser.all("#tasks-list > li")
    browser.click("#sign-in")
    browser.put("#login [name=username]", name)
    browser.put("#login [name=password]", PASSWORD + "x")
    browser.click("#login-form [type=submit]")
    browser.wait(lambda: browser.all("#login [name=password][aria-invalid]"), "the fault at the password")
    browser.put("#login [name=password]", PASSWORD)
    browser.click("#login-form [type=submit]")
    state(browser, "processed")
    assert len(browser.all("#tasks-list > li")) == 1, "the deleted one is gone"
    assert not [fault for fault in browser.faults() if not re.search(r"400 \(Bad Request\)|401 \(Unauthorized\)|/api/auth/guest .*404", fault)]


def evaluate(browser, module, expression, *arguments):
    """What an expression with a module of the page (m) and arguments (a) gives."""
    script = "const a = [...arguments], done = a.pop(); import(a.shift()).then((m) => done(" + expression + "), (fault) => done(String(fault)))"
    return browser.driver.execute_async_script(script, f"/assets/{module}.mjs", *arguments)


def texts(browser, module):
    """The tables of a module's texts, which have the same keys and placeholders."""
    tables = {name: evaluate(browser, f"{module}_{name}", "m.default") for name in ("en", "es")}
    assert list(tables["en"]) == list(tables["es"])
    for key, words in tables["en"].items():
        assert sorted(re.findall(r"\{\w+\}|`[^`]*`", words)) == sorted(re.findall(r"\{\w+\}|`[^`]*`", tables["es"][key])), key
    return tables


def test_texts_and_tables(page):
    """English and Spanish have the same keys and placeholders; formats are those of the contract; what markup names is there."""
    browser = page()
    tables = texts(browser, "texts")
    assert not tables["en"].keys() & texts(browser, "texts_service")["en"].keys()
    named = browser.run("return [...document.querySelectorAll('[data-text], [data-label], [data-hint]')].flatMap((one) =>"
                        " [one.dataset.text, one.dataset.label, one.dataset.hint].filter(Boolean))")
    assert set(named) <= set(tables["en"])
    assert evaluate(browser, "kinds", "[...m.AUDIO, ...m.VIDEO]") == CONTRACT.document["components"]["schemas"]["Format"]["enum"]
    assert evaluate(browser, "kinds", "m.PRESETS") == CONTRACT.document["components"]["schemas"]["Preset"]["enum"]
    options = CONTRACT.document["components"]["schemas"]["TaskOptions"]
    for name in CONTRACT.document["components"]["schemas"]["Format"]["enum"]:
        made = evaluate(browser, "kinds", "m.optionsOf(...a)", name, {"quality": "best", "loudness": "-14", "height": "720", "start": 1, "end": 2.5})
        assert CONTRACT.errors(options, made) == [] and made["trim"] == {"start": 1, "duration": 1.5}


def test_figures(page):
    browser = page()
    for expression, expected in (
            ("[0, 999, 1000, 33100, 999600, 5e9, null].map((one) => m.size(one))", ["0 B", "999 B", "1 kB", "33.1 kB", "1 MB", "5 GB", ""]),
            ("[4.2, 59.6, 3725].map(m.clock)", ["0:04", "1:00", "1:02:05"]),
            ("['', '90', '1:30', '1:02:05,5', 'x', '1:'].map(m.seconds).map(String)", ["null", "90", "90", "3725.5", "NaN", "NaN"]),
            ("[[100, 38], [100, 200], [100, 100], [0, 5], [5, null]].map(([a, b]) => m.change(a, b))", ["−62%", "+100%", "", "", ""]),
            ("(() => { const r = m.makeRate(); return [r.add(0, 0), r.add(500, 500), r.add(1500, 1000)]; })()", [None, 1000, 1500])):
        assert evaluate(browser, "figures", expression) == expected
    assert evaluate(browser, "kinds", "['a.MP3', 'b.mkv', 'c', 'd.txt'].map((one) => m.kindOf(one))") == ["audio", "video", None, None]


def test_an_upload_goes_on(page, stack, user, media):
    """In Spanish: a large file goes straight to storage; it is paused, goes on after a reload and after a lost connection."""
    browser = page(user)
    browser.language("es-CO,es")
    try:
        page(user)
        assert browser.text("h1") == "Convierte audio y vídeo" and browser.run("return document.documentElement.lang") == "es"
        file = media.noise(110)  # 19 MB
        add(browser, file)
        browser.network(12_000_000)
        browser.click("#convert")
        browser.wait(lambda: browser.run("return document.querySelector('#outbox-list progress').value") > 480, "half of it")
        assert " MB/s · faltan 0:0" in browser.text("#outbox-list .moving")
        act(browser, "pause", "#outbox-list")
        assert row_state(browser) == "paused" and browser.text("#outbox-list .moving").startswith("En pausa · ")
        browser.open(stack.url + "/")
        browser.wait(lambda: row_state(browser) == "missing", "the row")
        assert "seguirá donde estaba" in browser.text("#outbox-list p.fault")
        browser.network(2_000_000)
        add(browser, file)
        browser.wait(lambda: row_state(browser) == "sending", "the upload")
        browser.wait(lambda: browser.run("return document.querySelector('#outbox-list progress').value") > 400, "it to go on from there", 4)
        browser.network(offline=True)
        browser.wait(lambda: row_state(browser) == "lost", "the connection to be lost")
        browser.network()  # it notices by itself
        state(browser, "processed")
    finally:
        browser.network()
        browser.language("")
    assert stack.sql(f"SELECT count(*) FROM uploads WHERE user_id = {user.get('/api/auth/me').json()['id']}") == [["0"]]


def test_what_goes_wrong(page, user, tmp_path):
    """Each is a sentence at the file that it concerns; a login that has ended is renewed without losing anything."""
    browser = page(user)
    empty, text, odd = tmp_path / "empty.wav", tmp_path / "notes.txt", tmp_path / ("n" * 240 + "\u202e.mp3")
    empty.write_bytes(b"")
    text.write_text("hello")
    odd.write_bytes(b"no sound")
    add(browser, empty, text, odd)
    browser.put("#link-form [name=url]", "nothing there")
    browser.click("#link-form button")
    assert browser.text("#link-form .fault") == "This is not the address of a file on the web."
    browser.put("#link-form [name=url]", "http://127.0.0.1:1/song.mp3")
    browser.click("#link-form button")
    assert browser.text("#convert") == "Convert 3 files" and browser.text("#outbox-list li:first-child .fault") == "The file is empty: 0 bytes."
    browser.run("localStorage.setItem('mediarun.login', localStorage.getItem('mediarun.login').replace(/\"token\":\"[^\"]*/, '$&x'))")
    browser.open(browser.driver.current_url)
    browser.wait(lambda: browser.shown("#login"), "to be asked again")
    assert "nothing is lost" in browser.text("#login-note") and len(browser.all("#outbox-list li")) == 4
    sign_in_again(browser)
    for one in (text, odd):
        add(browser, one)
    browser.click("#convert")
    browser.wait(lambda: len(browser.all("#tasks-list li[data-state=failed]")) == 2, "the failures")
    assert "not audio or video of a known format" in browser.text("#tasks-list .fault")
    browser.wait(lambda: browser.all("#outbox-list li:last-child[data-state=failed]"), "the address to be refused")
    assert "url" in browser.text("#outbox-list li:last-child p.fault")
    assert browser.measure() == {"wide": [], "small": []}
    for _ in range(2):
        browser.click("#outbox-list li [data-action=remove]")
    assert not browser.shown("#outbox")
    add(browser, text)
    text.write_text("hello again")
    browser.click("#convert")
    browser.wait(lambda: row_state(browser) == "missing", "the changed file")
    assert "it has changed or moved" in browser.text("#outbox-list p.fault")
    add(browser, text)
    browser.wait(lambda: len(browser.all("#tasks-list li[data-state=failed]")) == 3, "the failure of the new one")


def test_part_on_a_strip(page, user, media, tmp_path):
    """A part is chosen on a waveform or on frames, by handles or by typed times, which follow each other; of what the browser cannot read they are typed."""
    browser = page(user)
    torn = tmp_path / "torn.wav"
    torn.write_bytes(b"RIFF" + bytes(range(256)) * 400)
    add(browser, media.tone("wav"), media.video(3), torn)
    browser.wait(lambda: "640×480" in browser.text("#outbox-list li:nth-child(2) .row-text") and "0:02" in browser.text("#outbox-list li:nth-child(1) .row-text"), "what the files are")
    for number in (1, 2, 3):
        browser.click(f"#outbox-list li:nth-child({number}) summary")
    browser.wait(lambda: browser.all("#outbox-list li:nth-child(1) .strip path"), "the waveform")
    heights = browser.run("return document.querySelector('.strip path').getAttribute('d').split('L').map((one) => Number(one.split(' ')[1]))")
    assert len(heights) == 960 and 0.3 < min(heights[:480]) < 0.7 and max(heights[:480]) < 0.9, "a steady tone of half the height"
    browser.wait(lambda: browser.all("#outbox-list li:nth-child(2) .strip canvas"), "the frames", 30)
    sums = browser.run("const at = document.querySelector('.strip canvas').getContext('2d');"
                       "return [...Array(8).keys()].map((i) => at.getImageData(i * 160, 0, 160, 90).data.reduce((sum, one) => sum + one, 0))")
    assert len(set(sums)) > 4 and min(sums) > 160 * 90 * 255, "different pictures, none of them empty"
    row = "#outbox-list li:nth-child(1)"
    browser.put(f"{row} [data-side=start]", "0.5")
    browser.put(f"{row} [data-side=end]", "0.2")
    times = lambda: browser.run("return [...document.querySelectorAll(arguments[0] + ' .field input')].map((one) => one.value)", row)
    assert times() == ["0:00.5", "0:00.6"], "the handles do not pass each other"
    browser.put(f"{row} .field:nth-of-type(3) input", "soon")
    assert browser.shown(f"{row} .fields .fault")
    browser.put(f"{row} [data-side=end]", "1.5")
    assert not browser.shown(f"{row} .fields .fault") and times() == ["0:00.5", "0:01.5"], "a handle replaces a wrong time"
    assert browser.run("return document.querySelector(arguments[0] + ' .shade').style.width", row) == "25%"
    browser.put("#outbox-list li:nth-child(2) .field:nth-of-type(4) input", "0:01")
    assert browser.find("#outbox-list li:nth-child(2) [data-side=start]").get_attribute("value") == "1"
    for width in WIDTHS:
        browser.size(width)
        assert browser.measure() == {"wide": [], "small": []}, width
    assert len(browser.all("#outbox-list .strip")) == 2 and browser.accessibility() == []
    assert not [fault for fault in browser.faults() if "willReadFrequently" not in fault], "of this test's own look"
    browser.size(1440)
    browser.click("#outbox-list li:nth-child(3) [data-action=remove]")
    browser.click("#convert")
    browser.wait(lambda: len(browser.all("#tasks-list > li[data-state=processed]")) == 2, "the results", 40)
    assert sorted(json.dumps(task["options"]) for task in user.tasks()) == ['{"trim": {"start": 0.5, "duration": 1}}', '{"trim": {"start": 1}}']
    pictures = lambda: browser.run("return [...document.querySelectorAll('#tasks-list .thumb')].map((one) => one.firstElementChild?.tagName)")
    browser.wait(lambda: sorted(map(str, pictures())) == ["CANVAS", "svg"], "pictures in the list")
    browser.driver.refresh()
    browser.wait(lambda: sorted(map(str, pictures())) == ["CANVAS", "svg"], "the pictures after a reload")
    browser.wait(lambda: browser.run("const one = document.querySelector('.thumb canvas'), data = one.getContext('2d').getImageData(0, 0, 96, 54).data;"
                                     "return new Set(data.filter((_, i) => i % 4 === 0)).size") > 10, "a frame in it")
    browser.click("#sign-out")
    assert browser.run("return localStorage.getItem('mediarun.thumbs')") is None
    draw = ("(async () => { const file = new File([Uint8Array.from(atob(a[0]), (one) => one.charCodeAt(0))], 'a.wav'); const drawing = m.draw(7, file);"
            " if (a[1]) m.forget(); return [await drawing, Boolean(localStorage.getItem('mediarun.thumbs'))]; })()")
    tone = base64.b64encode(media.tone("wav").read_bytes()).decode()
    assert [evaluate(browser, "thumbs", draw, tone, leaves) for leaves in (True, False)] == [[False, False], [True, True]], "nothing of who has left"


def test_options_play_and_again(page, user, media, stack):
    browser = page(user)
    add(browser, media.video(3))
    browser.wait(lambda: "640×480" in browser.text("#outbox-list .row-text"), "what the file is")
    browser.click("#outbox-list summary")
    browser.put("#outbox-list .field:nth-of-type(1) select", "small")
    browser.put("#outbox-list .field:nth-of-type(2) select", "360")
    browser.put("#outbox-list .field:nth-of-type(4) input", "0:05")
    assert browser.shown("#outbox-list .fields .fault")
    browser.put("#outbox-list .field:nth-of-type(4) input", "0:01")
    browser.click("#convert")
    state(browser, "processed")
    task = user.tasks()[0]
    assert task["options"] == {"crf": 28, "resize": {"height": 360}, "trim": {"start": 1}}
    act(browser, "play")
    browser.wait(lambda: browser.run("return document.querySelector('.player')?.readyState > 0 && document.querySelector('.player').duration < 2.5"), "the video")
    # The answer comes after the news of the end of the task, which it must not take back.
    browser.run("const real = window.fetch; window.fetch = async (...all) => { const answer = await real(...all);"
                " if (all[1]?.method === 'PUT') { await new Promise((go) => setTimeout(go, 1500)); setTimeout(() => { window.answered = true; }, 200); }"
                " return answer; }")
    act(browser, "again")
    browser.put("#tasks-list .again select", "mp3")
    browser.click("#tasks-list .again [type=submit]")
    browser.wait(lambda: "→ MP3" in browser.text("#tasks-list .row-name"), "the other format")
    state(browser, "processed")
    browser.wait(lambda: browser.run("return window.answered"), "the answer")
    state(browser, "processed", 0)
    assert user.tasks()[0]["options"] == {"trim": {"start": 1}}
    add(browser, media.video(3))
    assert browser.run("return document.querySelector('#outbox-list select').value") == "mp4"
    browser.click("#outbox-list summary")
    assert browser.run("return document.querySelector('#outbox-list .field:nth-of-type(2) select').value") == "360", "remembered"
    stack.worker.signal(signal.SIGSTOP)
    try:
        browser.click("#convert")
        state(browser, "uploaded")
        act(browser, "cancel")
        state(browser, "canceled")
    finally:
        stack.worker.signal(signal.SIGCONT)


def test_a_late_list_brings_nothing_back(page, user, media):
    """A list that was asked for before a deletion, or before the sign-out, and comes after it."""
    gone, kept = (user.convert(media.tone("wav"), "mp3")[0]["id"] for _ in range(2))
    browser = page(user)
    browser.wait(lambda: len(browser.all("#tasks-list > li")) == 2, "the list")
    browser.run("const real = window.fetch; window.held = []; window.fetch = async (...all) => { const answer = await real(...all);"
                " if (String(all[0]).startsWith('/api/tasks?')) await new Promise((go) => window.held.push(go)); return answer; }")

    def ask():
        browser.run("for (const name of ['pagehide', 'pageshow']) dispatchEvent(new PageTransitionEvent(name, {persisted: true}))")
        browser.wait(lambda: browser.run("return window.held.length") == 2, "two lists, of now and of the open stream")

    def let_come():
        browser.run("window.held.splice(0).forEach((go) => go()); return new Promise((go) => setTimeout(go, 200))")
    ask()
    user.delete(f"/api/tasks/{gone}")
    browser.wait(lambda: len(browser.all("#tasks-list > li")) == 1, "the news of the deletion")
    let_come()
    assert len(browser.all("#tasks-list > li")) == 1
    ask()
    browser.click("#sign-out")
    browser.wait(lambda: not browser.all("#tasks-list > li"), "the empty list")
    let_come()
    assert not browser.all("#tasks-list > li")
    assert user.task(kept)["status"] == "processed"


def test_the_account(page, stack):
    user = stack.client()
    browser = page(user, 375)
    browser.click("#user")
    assert browser.shown("#settings") and browser.measure() == {"wide": [], "small": []}
    browser.put("#key-form [name=name]", "laptop")
    browser.click("#key-form [type=submit]")
    browser.wait(lambda: browser.all("#keys li") and browser.all("#new-key code"), "the key")
    key = stack.anonymous().use_token(browser.text("#new-key code"))
    assert key.get("/api/tasks").status_code == 200
    browser.click("#keys button")
    browser.wait(lambda: not browser.all("#keys li"), "the end of the key")
    assert key.get("/api/tasks").status_code == 401
    for present, new, where in (("wrong", "Another-Horse-9", "password"), (PASSWORD, "short", "password1")):
        browser.put("#password-form [name=password]", present)
        browser.put("#password-form [name=password1]", new)
        browser.click("#password-form [type=submit]")
        browser.wait(lambda: browser.all(f"#password-form [name={where}][aria-invalid]"), where)
    browser.put("#password-form [name=password1]", "Another-Horse-9")
    browser.click("#password-form [type=submit]")
    browser.wait(lambda: browser.text("#password-form .done").startswith("Changed"), "the change")
    browser.put("#delete-form [name=password]", "Another-Horse-9")
    browser.click("#delete-form [type=submit]")
    browser.wait(lambda: browser.shown("#sign-in") and not browser.shown("#settings"), "the end")


def test_looks_and_weight(page, stack, user):
    """All widths, both languages' longest texts by the first test; keyboard; what it weighs, when it paints, what moves."""
    browser = page(user)
    browser.wait(lambda: browser.shown("#tasks-empty"), "the empty list")
    shift = browser.run("""return new Promise((resolve) => {
        let sum = 0;
        new PerformanceObserver((list) => { for (const one of list.getEntries()) sum += one.value; }).observe({type: 'layout-shift', buffered: true});
        setTimeout(() => resolve(sum), 100);
    })""")
    assert browser.weight() < PAGE_BYTES_MAX and shift < 0.01
    paints, others = [], []

    def paint(path):
        browser.open(stack.url + path)
        browser.wait(lambda: browser.run(PAINT), "the first paint")
        return browser.run(PAINT)

    def is_soon():
        """The best of some. Other tests have the processors, too: so a page of nothing but a form says what a paint takes at this moment."""
        paints.append(paint("/"))
        others.append(paint("/api/auth/confirm?token=x"))
        return min(paints) < max(FIRST_PAINT_MS_MAX, FORMS_MAX * min(others))
    try:
        wait_for(is_soon, "a first paint soon enough", 20)
    finally:
        print(browser.weight(), "bytes; first paint", [round(one) for one in paints], "ms, of a form", [round(one) for one in others], "ms; shift", shift)
    browser.open(stack.url + "/")
    for width in WIDTHS:
        browser.size(width)
        browser.scheme("dark" if width in (375, 1440) else "light")
        assert browser.measure() == {"wide": [], "small": []}, width
    browser.size(1440)
    body, order = browser.find("body"), []
    for _ in range(5):
        body.send_keys("\ue004")  # Tab
        order.append(browser.run("return document.activeElement.id || document.activeElement.className || document.activeElement.name"))
    assert order == ["skip", "brand", "user", "sign-out", "files"], order
    assert browser.run("return [...document.querySelectorAll('input, select')].filter((one) => !one.labels.length && !one.ariaLabel).length") == 0
    assert browser.faults() == []
