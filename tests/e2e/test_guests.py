"""Guests: users without an account, their limits, how they become one, and their end."""

import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.client import PASSWORD
from harness.page import add, open_page
from harness.stack import Stack
from harness.waiting import wait_for

GUESTS = {"GUESTS": 1, "MAX_UPLOAD_BYTES": 100000, "GUESTS_PER_ADDRESS": 6, "MAX_GUESTS": 8, "TRUSTED_PROXIES": 1, "GUEST_QUOTA_STORED_BYTES": 40000000,
          "GUEST_QUOTA_TASKS_QUEUED": 3, "GUEST_QUOTA_EVENT_STREAMS": 2}  # small, so that they are reached

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def guests(workdir, postgres):
    """A stack that takes guests."""
    directory = workdir / "guests"
    directory.mkdir()
    stack = Stack(directory, postgres, web_settings=GUESTS)
    try:
        yield stack.start()
    finally:
        stack.stop()


def guest_of(stack, address):
    client = stack.anonymous()
    client.http.headers["X-Forwarded-For"] = address
    answer = client.post("/api/auth/guest")
    return client.use_token(answer.json()["token"]) if answer.status_code == 201 else answer


def account():
    name = f"kept-{uuid.uuid4().hex[:8]}"
    return {"username": name, "email": f"{name}@example.com", "password1": PASSWORD, "password2": PASSWORD}


def sweep(stack):
    answer = stack.anonymous().use_token(stack.token_of_platform(stack.url)).post("/internal/sweep")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.sanitized
def test_a_guest_becomes_an_account(guests, media):
    """It keeps its tasks; its own token ends; nobody could log in before."""
    guest = guest_of(guests, "192.0.2.1")
    me = guest.get("/api/auth/me").json()
    assert me["is_guest"] and 86000 < me["expires_in"] <= 86400 and "webhook_secret" not in me
    assert guests.anonymous().post("/api/auth/login", json={"username": me["username"], "password": "x"}).status_code == 401
    task = guest.finish(guest.upload(media.tone("mp3"), "ogg"))
    body = account()
    answer = guest.post("/api/auth/guest/account", json=body)
    assert answer.status_code == 200 and answer.json()["id"] == me["id"]
    wait_for(lambda: guest.get("/api/tasks").status_code == 401, "the guest's token to end", 2)
    login = guests.anonymous().post("/api/auth/login", json={"username": body["username"], "password": PASSWORD})
    kept = guests.anonymous().use_token(login.json()["token"])
    assert [one["id"] for one in kept.get("/api/tasks").json()] == [task["id"]]
    me = kept.get("/api/auth/me").json()
    assert not me["is_guest"] and "expires_in" not in me and "webhook_secret" in me
    assert kept.post("/api/keys", json={"name": "x", "scopes": ["read"]}).status_code == 201


@pytest.mark.sanitized
def test_what_a_guest_may_not(guests, media):
    guest = guest_of(guests, "192.0.2.2")
    task = guest.finish(guest.upload(media.tone("mp3"), "ogg"))
    for method, path, body in (
            ("post", "/api/keys", {"name": "x", "scopes": ["read"]}), ("get", "/api/keys", None), ("put", "/api/auth/me", {"username": "x"}),
            ("post", "/api/auth/logout", None), ("post", "/api/auth/confirmation", None),
            ("post", "/api/auth/password", {"password": "", "password1": PASSWORD, "password2": PASSWORD}),
            ("post", f"/api/tasks/{task['id']}/links", {}), ("put", f"/api/tasks/{task['id']}", {"callback_url": "https://example.com/"}),
            ("put", f"/api/tasks/{task['id']}", {"priority": "high"}),
            ("post", "/api/tasks", {"kind": "insert_records", "callback_url": "https://example.com/"})):
        answer = guest.request(method.upper(), path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "needs_account"), (path, answer.text)
    for field, value in (("priority", "high"), ("callback_url", "https://example.com/")):
        answer = guest.post("/api/tasks", files={"fileName": ("a.mp3", b"x")}, data={"newFormat": "wav", field: value})
        assert (answer.status_code, answer.json()["code"]) == (403, "needs_account")
    assert guest.get("/api/tasks/all").status_code == 403
    # Its quotas are its own, and are named in the text.
    answer = guest.post("/api/uploads", json={"fileName": "a.wav", "size": 40000000})
    assert answer.status_code == 403 and "at most 40000000 bytes for one guest" in answer.json()["detail"]
    answer = guest.post("/api/tasks", json={"kind": "insert_records", "records": 1001})
    assert answer.status_code == 403 and answer.json()["code"] == "quota_records_per_task" and "1000 records for one guest" in answer.json()["detail"]
    with guest.get("/api/events", stream=True), guest.get("/api/events", stream=True):
        token = guest.post("/api/tokens/stream", json={"purpose": "events"}).json()["token"]
        for answer in (guest.get("/api/events"), guests.anonymous().get(f"/api/events?token={token}")):
            assert answer.status_code == 429 and "2 streams for one guest" in answer.json()["detail"]


def test_many_guests(guests):
    """Bounded for each address and altogether, also when all come at once; one that is deleted counts until it is gone."""
    sweep(guests)
    guests.sql("UPDATE users SET guest_until = now() WHERE guest_until IS NOT NULL RETURNING id")
    sweep(guests)
    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(lambda n: guest_of(guests, "192.0.2.3"), range(12)))
    refused = [one for one in made if hasattr(one, "status_code")]
    assert len(refused) == 6 and all(one.status_code == 429 and one.json()["code"] == "too_many_guests" for one in refused)
    assert all(int(one.headers["Retry-After"]) > 0 for one in refused)
    others = [guest_of(guests, f"2001:db8:0:{n}::1") for n in range(3)]
    assert [hasattr(one, "status_code") for one in others] == [False, False, True], "8 altogether"
    assert others[2].json()["code"] == "too_many_guests"
    assert "192.0.2" not in str(guests.sql("SELECT guest_from FROM users WHERE guest_until IS NOT NULL"))
    assert others[0].delete("/api/auth/me").status_code == 202
    wait_for(lambda: others[0].get("/api/auth/me").status_code == 401, "its end", 2)
    assert guest_of(guests, "192.0.2.4").status_code == 429
    sweep(guests)
    assert not hasattr(guest_of(guests, "192.0.2.4"), "status_code")


@pytest.mark.sanitized
def test_a_guest_ends(guests, media):
    """Its token at once, and with the sweeps all that it has."""
    guests.sql("UPDATE users SET guest_until = now() WHERE guest_until IS NOT NULL RETURNING id")
    sweep(guests)
    guest = guest_of(guests, "192.0.2.5")
    number = guest.get("/api/auth/me").json()["id"]
    before = guests.objects()
    guest.finish(guest.upload(media.tone("mp3"), "ogg"))
    assert guest.post("/api/uploads", json={"fileName": "a.wav", "size": 1000}).status_code == 201
    guests.sql(f"UPDATE users SET guest_until = now() WHERE id = {number} RETURNING id")
    wait_for(lambda: guest.get("/api/tasks").status_code == 401, "the end of the token", 2)
    assert guest.post("/api/auth/guest/account", json=account()).status_code == 401
    assert sweep(guests)["guests_expired"] == 1

    def gone():
        sweep(guests)
        return guests.sql(f"SELECT id FROM users WHERE id = {number}") == [] and guests.objects() == before
    wait_for(gone, "everything to be deleted", 10)


def test_the_page_needs_no_account(guests, browser, media):
    """Dropped, converted, ready: then the guest becomes an account, in two tabs. Another guest's end loses no file that waits."""
    guests.sql("UPDATE users SET guest_until = now() WHERE guest_until IS NOT NULL RETURNING id")
    sweep(guests)
    open_page(browser, guests)
    paths = [str(media.tone(one)) for one in ("mp3", "wav", "flac", "ogg", "m4a")]
    add(browser, *paths)
    browser.click("#convert")
    browser.wait(lambda: len(browser.all("#tasks-list > li[data-state=processed]")) == 5, "more files than a guest may have at once", 40)
    assert browser.shown("#guest") and "are deleted on" in browser.text("#guest-until") and browser.shown("#sign-up") and not browser.shown("#user")
    assert browser.measure() == {"wide": [], "small": []} and browser.accessibility() == []
    refused = [fault for fault in browser.faults() if "413" in fault]
    assert refused, "a file that is too large for a request goes to storage by itself"
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    try:
        browser.open(guests.url + "/")
        browser.wait(lambda: len(browser.all("#tasks-list > li")) == 5, "the list of the same guest")
        browser.click("#guest-keep")
        assert "Your conversions stay" in browser.text("#login-note") and browser.accessibility() == []
        body = account()
        for name, value in (("username", body["username"]), ("email", body["email"]), ("password", PASSWORD)):
            browser.put(f"#login [name={name}]", value)
        browser.click("#login-form [type=submit]")
        browser.wait(lambda: browser.text("#user") == body["username"], "the account")
        assert len(browser.all("#tasks-list > li")) == 5 and not browser.shown("#guest")
        browser.driver.close()
    finally:
        browser.driver.switch_to.window(first)
    browser.wait(lambda: browser.text("#user") == body["username"] and len(browser.all("#tasks-list > li")) == 5, "the account in the first tab")
    browser.click("#sign-out")
    add(browser, paths[0])
    browser.click("#convert")
    browser.wait(lambda: browser.all("#tasks-list > li[data-state=processed]"), "the task of another guest")
    add(browser, paths[1])
    guests.sql("UPDATE users SET guest_until = now() WHERE guest_until IS NOT NULL RETURNING id")
    browser.wait(lambda: guests.anonymous().use_token(browser.run("return JSON.parse(localStorage.getItem('mediarun.login')).token")).get("/api/tasks").status_code == 401, "its end")
    browser.click("#convert")
    browser.wait(lambda: browser.shown("#login") and "is over" in browser.text("#login-note"), "the news of its end")
    assert not browser.all("#tasks-list > li") and len(browser.all("#outbox-list > li")) == 1
    assert not [fault for fault in browser.faults() if not re.search(r"401|429", fault)]
