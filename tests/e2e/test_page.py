"""The page that converts, GET /, in a real browser: the whole journey, its errors, and what survives a reload or a lost connection."""

import re

import pytest

from harness.browser import Browser
from harness.client import PASSWORD
from harness.contract_environment import CONTRACT

pytestmark = pytest.mark.xdist_group("browser")

PAGE_BYTES_MAX = 150_000
WIDTHS = (320, 375, 768, 1440, 3840)


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def page(browser, stack):
    """page(client, width): opens the page, signed in as this client."""
    def open_page(client=None, width=1440):
        browser.size(width)
        browser.open(stack.url + "/")
        browser.run("localStorage.clear(); sessionStorage.clear()")
        if client:
            browser.run("localStorage.setItem('mediarun.login', JSON.stringify({token: arguments[0], id: arguments[1], name: arguments[2]}))",
                        client.token, client.get("/api/auth/me").json()["id"], client.username)
        browser.open(stack.url + "/")
        return browser
    return open_page


def add(browser, *paths):
    browser.find("#files").send_keys("\n".join(str(path) for path in paths))


def state(browser, state_name, seconds=20):
    """Waits until the newest task is in this state."""
    browser.wait(lambda: browser.all(f"#tasks-list > li:first-child[data-state={state_name}]"), f"a task that is {state_name}", seconds)


def act(browser, action, where="#tasks-list > li:first-child"):
    browser.click(f"{where} [data-action={action}]")


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
    assert [one.text for one in browser.all("#login .fault") if one.text] == ["This is needed."] * 3
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
    assert not [fault for fault in browser.faults() if not re.search(r"400 \(Bad Request\)|401 \(Unauthorized\)", fault)]
