"""
Every screen of the pages, in its states: axe-core objects to nothing, light and dark. With --screenshots (make screenshots) the
screens are also kept in build/screenshots, at three widths, light and dark, in both languages.
"""

import signal

import pytest

from harness.page import NEWEST, add, open_page
from harness.paths import ROOT

pytestmark = pytest.mark.xdist_group("browser")

SCREENSHOTS = ROOT / "build" / "screenshots"
WIDTHS = (1440, 768, 375)


class Screens:
    """Looks at the screen as it is: what is wrong with it goes into `faults`."""

    def __init__(self, browser, language, keeps):
        self.browser, self.language, self.keeps, self.faults = browser, language, keeps, []

    def look(self, name):
        for scheme in ("dark", "light"):
            self.browser.scheme(scheme)
            self.faults += [(name, self.language, scheme, *fault) for fault in self.browser.accessibility()]
            for width in WIDTHS if self.keeps else ():
                self._keep(f"{name}-{width}-{scheme}-{self.language}.png", width)
        self.browser.size(1440)

    def _keep(self, name, width):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.browser.size(width)
        self.browser.screenshot(SCREENSHOTS / name)


def walk_start(screens, stack):
    browser = open_page(screens.browser, stack)
    screens.look("start")
    browser.click("#sign-up")
    browser.click("#login-form [type=submit]")
    screens.look("sign-up-faults")
    browser.click("#login-other")
    screens.look("sign-in")


def walk_uploads(screens, media):
    browser = screens.browser
    add(browser, media.tone("mp3"), media.video(3), media.noise(110))
    browser.wait(lambda: "640×480" in browser.text("#outbox-list li:nth-child(2)"), "what the files are")
    browser.put("#outbox-list li:nth-child(3) select", "mp3")
    browser.click("#outbox-list li:nth-child(2) summary")
    screens.look("probing")
    browser.network(150_000)
    try:
        browser.click("#convert")
        browser.wait(lambda: browser.run("return Math.max(...[...document.querySelectorAll('#outbox-list progress')].map((one) => one.value))") > 20, "some progress")
        screens.look("uploading")
    finally:
        browser.network()
        browser.click("#outbox-list li:last-child [data-action=cancel]")
    browser.wait(lambda: len(browser.all("#tasks-list > li[data-state=processed]")) >= 2, "the results", 40)


def walk_converting(screens, stack, media):
    browser = screens.browser
    stack.worker.signal(signal.SIGSTOP)
    try:
        add(browser, media.tone("wav"))
        browser.click("#convert")
        browser.wait(lambda: browser.all(f"{NEWEST}[data-state=uploaded]"), "the task that waits")
        number = browser.find(NEWEST).get_attribute("data-id")
        stack.sql("UPDATE tasks SET status = 'processing', progress = 420, fence = fence + 1, lease_expires_at = now() + interval '1 h' "
                  f"WHERE id = {number} RETURNING id")
        browser.wait(lambda: browser.all(f"{NEWEST}[data-state=processing]"), "the task that runs")
        screens.look("converting")
        browser.click(f"{NEWEST} [data-action=cancel]")
        browser.wait(lambda: browser.all(f"{NEWEST}[data-state=canceled]"), "the task that is canceled")
    finally:
        stack.worker.signal(signal.SIGCONT)


def walk_results(screens, tmp_path):
    browser = screens.browser
    screens.look("finished")
    done = "#tasks-list > li[data-state=processed]"
    browser.click(f"{done} [data-action=receipt]")
    browser.click(f"{done} [data-action=again]")
    browser.wait(lambda: browser.all(f"{done} .receipt"), "the receipt")
    screens.look("receipt")
    notes = tmp_path / "notes.txt"
    notes.write_text("hello")
    add(browser, notes)
    browser.put("#link-form [name=url]", "nothing there")
    browser.click("#link-form button")
    browser.click("#convert")
    browser.wait(lambda: browser.all(f"{NEWEST}[data-state=failed]"), "the failure")
    screens.look("failure")
    browser.click("#user")
    browser.wait(lambda: browser.shown("#settings"), "the settings")
    browser.put("#key-form [name=name]", "laptop")
    browser.click("#key-form [type=submit]")
    browser.wait(lambda: browser.all("#keys li") and browser.all("#new-key code"), "the key")
    screens.look("settings")


def walk_others(screens, stack):
    browser = screens.browser
    browser.open(stack.url + "/docs#createTask")
    browser.wait(lambda: browser.all("#createTask .about"), "the operation")
    screens.look("docs")
    browser.open(stack.url + "/report")
    browser.wait(lambda: browser.shown("#off"), "the explanation")
    screens.look("report")
    browser.open(stack.url + "/status")
    browser.wait(lambda: browser.run("return document.querySelector('#summary').dataset.state") == "up", "all parts")
    screens.look("status")
    for name in ("reset/password", "confirm"):
        browser.open(f"{stack.url}/api/auth/{name}?token=x")
        screens.look(name.replace("/", "-"))


def walk(browser, stack, media, directory, screens):
    browser.size(1440)
    browser.language({"en": "", "es": "es-CO,es"}[screens.language])
    try:
        walk_start(screens, stack)
        open_page(browser, stack, stack.client())
        browser.wait(lambda: browser.shown("#tasks-empty"), "the empty list")
        screens.look("empty")
        walk_uploads(screens, media)
        walk_converting(screens, stack, media)
        walk_results(screens, directory)
        walk_others(screens, stack)
    finally:
        browser.language("")
        browser.scheme("light")


def test_every_screen(browser, stack, media, tmp_path, request):
    keeps, faults = request.config.getoption("--screenshots"), []
    for language in ("en", "es") if keeps else ("en",):
        screens = Screens(browser, language, keeps)
        walk(browser, stack, media, tmp_path, screens)
        faults += screens.faults
    assert faults == [], "\n".join(str(fault) for fault in faults)
