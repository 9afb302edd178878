"""The page that converts when something is in its way: no events, no storage, logins that end, many files, many tasks, no mouse."""

import signal

import pytest

from harness.page import NEWEST, act, add, row_state, sign_in_again, state
from harness.waiting import wait_for

pytestmark = pytest.mark.xdist_group("browser")

LIST_MS_MAX = 300  # to draw news of one task among 10,000: a sign of work that grows with the list, not of speed


def block(browser, *patterns):
    browser.driver.execute_cdp_cmd("Network.enable", {})
    browser.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": list(patterns)})


def test_without_events(page, browser, user, media):
    """The list is read again and again instead, and says so; then the events are back."""
    block(browser, "*/api/events*")
    try:
        page(user)
        browser.wait(lambda: browser.shown("#feed"), "the interruption to be said")
        add(browser, media.tone("mp3"))
        browser.click("#convert")
        state(browser, "processed")
    finally:
        block(browser)
    browser.wait(lambda: not browser.shown("#feed"), "the events")


def test_two_tabs(page, user, media):
    """What happens in one is seen in the other: a task, its deletion, the sign-out."""
    browser = page(user)
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    try:
        browser.open(user.url + "/")
        add(browser, media.tone("mp3"))
        browser.click("#convert")
        state(browser, "processed")
        browser.driver.switch_to.window(first)
        state(browser, "processed")
        act(browser, "delete")
        user.delete(f"/api/tasks/{browser.find(NEWEST).get_attribute('data-id')}")
        browser.driver.switch_to.window(browser.driver.window_handles[-1])
        browser.wait(lambda: not browser.all("#tasks-list > li"), "the deletion")
        browser.click("#sign-out")
        browser.driver.close()
    finally:
        browser.driver.switch_to.window(first)
    browser.wait(lambda: browser.shown("#sign-in") and not browser.shown("#user"), "the end of the login here, too")


def test_storage_is_down(page, stack, user, media):
    """A file waits until storage is back, by itself."""
    browser = page(user)
    add(browser, media.tone("mp3"))
    stack.storage_faults(("storage.objects.insert", "return-503", -1))
    try:
        browser.click("#convert")
        browser.wait(lambda: row_state(browser) == "lost", "the failure", 40)
        assert "nothing is lost" in browser.text("#outbox-list .moving")
    finally:
        stack.storage_faults()
    act(browser, "try_now", "#outbox-list")
    state(browser, "processed")
    assert len(user.tasks()) == 1


def test_a_login_ends_during_an_upload(page, stack, media):
    """The upload goes on; its task is made after the next login. The player gets another token when its own has ended."""
    user = stack.client()
    browser = page(user)
    add(browser, media.noise(110))
    browser.put("#outbox-list select", "mp3")
    browser.network(8_000_000)
    try:
        browser.click("#convert")
        browser.wait(lambda: browser.run("return document.querySelector('#outbox-list progress').value") > 100, "a part of it")
        stack.sql(f"UPDATE users SET token_version = token_version + 1 WHERE username = '{user.username}' RETURNING id")
        browser.wait(lambda: browser.shown("#login"), "the end of the login", 30)
    finally:
        browser.network()
    browser.wait(lambda: browser.text("#outbox-list .moving") == "Sign in again to go on." or row_state(browser) == "lost", "the upload to wait", 30)
    sign_in_again(browser)
    state(browser, "processed", 40)
    assert browser.all("#tasks-list > li") and len(browser.all("#tasks-list > li")) == 1 and not browser.shown("#outbox")
    act(browser, "play")
    player = "document.querySelector('.player')"
    browser.wait(lambda: browser.run(f"return {player}?.readyState > 0"), "the audio")
    before = browser.run(f"const late = Date.now() + 3600000; Date.now = () => late; {player}.src += 'x'; return {player}.src")
    browser.wait(lambda: browser.run(f"return {player}.src !== arguments[0] && {player}.readyState > 0", before), "another token")
    act(browser, "before", f"{NEWEST} .comparison")
    browser.wait(lambda: browser.run(f"return {player}.src.startsWith('blob:') && {player}.readyState > 0"), "the file before")
    act(browser, "after", f"{NEWEST} .comparison")
    browser.wait(lambda: browser.run(f"return !{player}.src.startsWith('blob:') && {player}.readyState > 0"), "the file after")


def test_a_hundred_files(page, stack, media, tmp_path):
    """All become tasks, none twice; what a person may have at once is no end of it."""
    user = stack.client()
    browser = page(user)
    content = media.tone("mp3").read_bytes()
    paths = [tmp_path / f"{n:03}.mp3" for n in range(100)]
    for path in paths:
        path.write_bytes(content)
    stack.worker.signal(signal.SIGSTOP)
    try:
        add(browser, *paths)
        assert browser.text("#convert") == "Convert 100 files"
        browser.click("#convert")
        browser.wait(lambda: not browser.shown("#outbox"), "all of them to be sent", 60)
        names = [row[0] for row in stack.sql(f"SELECT t.original_file FROM tasks t JOIN users u ON u.id = t.user_id WHERE u.username = '{user.username}' ORDER BY 1")]
        assert names == [path.name for path in paths]
        assert browser.all("#tasks-list > li[data-state=uploaded]")
        assert user.delete("/api/tasks?status=uploaded").json()["deleted"] == 100
    finally:
        stack.worker.signal(signal.SIGCONT)
    browser.wait(lambda: not browser.all("#tasks-list > li"), "the news of their end", 30)


def test_ten_thousand_tasks(page, stack):
    """All can be reached; news of one is drawn as fast as in a short list."""
    user = stack.client()
    number = user.get("/api/auth/me").json()["id"]
    stack.sql("INSERT INTO tasks (file_id, user_id, kind, status, new_format, options, original_file, original_size, uploaded_at, processed_at) SELECT gen_random_uuid(), "
              f"{number}, 'convert', 'canceled', 'mp3', '{{}}', 'song ' || n || '.wav', 1000, now(), now() FROM generate_series(1, 10000) n RETURNING id")
    browser = page(user)
    browser.wait(lambda: browser.run("return document.querySelectorAll('#tasks-list > li').length") >= 50, "the first page")
    assert browser.shown("#more")
    browser.run("const more = document.querySelector('#more'); window.pages = setInterval(() => more.click(), 5)")
    browser.wait(lambda: browser.run("return document.querySelectorAll('#tasks-list > li').length") == 10000, "all", 90)
    browser.run("clearInterval(window.pages)")
    ids = browser.run("return [...document.querySelectorAll('#tasks-list > li')].map((one) => Number(one.dataset.id))")
    assert ids == sorted(ids, reverse=True) and not browser.shown("#more")
    drawn = browser.driver.execute_async_script("""const done = arguments[0], row = document.querySelector('#tasks-list > li:nth-child(5000)');
        row.scrollIntoView();
        requestAnimationFrame(() => setTimeout(() => {
          const since = performance.now();
          row.querySelector('[data-action=delete]').click();
          document.body.offsetHeight;
          const took = performance.now() - since;
          row.querySelector('[data-action=undo]').click();
          done(took);
        }));""")
    print("10,000 tasks: a row is drawn again in", round(drawn), "ms")
    assert drawn < LIST_MS_MAX


def press(browser, key, until, what, most=60):
    """Presses a key, Tab, until the element that has the focus fits, as people without a mouse do."""
    for _ in range(most):
        browser.key(key)
        if browser.run(f"return document.activeElement.matches({until!r})"):
            outline = browser.run("const at = document.activeElement; return getComputedStyle(at.closest('.pick') ?? at).outlineStyle")
            assert outline != "none", f"the focus on {what} cannot be seen"
            return
    raise AssertionError(f"{what} is not reached by keyboard")


def test_keyboard_on_a_small_screen(page, user, media):
    """The whole journey at 320 px, in the dark, by keyboard alone."""
    tab, enter = "\ue004", "\ue007"
    browser = page(user, 320)
    browser.scheme("dark")
    try:
        press(browser, tab, "#files", "the files")
        add(browser, media.tone("mp3"))
        press(browser, tab, "#convert", "the button")
        browser.key(enter)
        state(browser, "processed")
        press(browser, tab, f"{NEWEST} [data-action=receipt]", "the receipt")
        browser.key(enter)
        browser.wait(lambda: browser.all(".receipt"), "the receipt")
        assert browser.run("return document.activeElement.dataset.action") == "receipt", "the focus stays"
        press(browser, tab, f"{NEWEST} [data-action=delete]", "the deletion")
        browser.key(enter)
        assert browser.run("return document.activeElement.dataset.action") == "undo"
        browser.key(enter)
        state(browser, "processed")
        press(browser, tab, "footer a[href='/status']", "the footer")
        assert browser.measure() == {"wide": [], "small": []} and browser.faults() == []
    finally:
        browser.scheme("light")


def test_download_all(page, user, media, tmp_path):
    for name in ("mp3", "wav"):
        user.finish(user.upload(media.tone(name), "ogg"))
    browser = page(user)
    browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    browser.wait(lambda: browser.shown("#download-all"), "the button")
    browser.click("#download-all")
    wait_for(lambda: len(list(tmp_path.glob("*.ogg"))) == 2, "both files", 20, 0.1)


def test_presets(page, user, media):
    """A preset takes the place of the options."""
    browser = page(user)
    add(browser, media.video(3))
    browser.click("#outbox-list summary")
    browser.put("#outbox-list .field:nth-of-type(6) select", "fpv")
    assert browser.run("return [...document.querySelectorAll('#outbox-list .field')].filter((one) => one.checkVisibility()).length") == 1
    browser.click("#convert")
    state(browser, "processed", 40)
    task = user.tasks()[0]
    assert (task["kind"], task["preset"], task["new_format"]) == ("edit", "fpv", "mp4")
