"""What a person does on the page that converts, and what can be seen there."""

from .client import PASSWORD

NEWEST = "#tasks-list > li:first-child"


def open_page(browser, stack, client=None, width=1440):
    """Opens the page, signed in as this client."""
    browser.size(width)
    browser.open(stack.url + "/assets/icon.svg")  # of the same origin, and light
    browser.run("localStorage.clear(); sessionStorage.clear()")
    if client:
        browser.run("localStorage.setItem('mediarun.login', JSON.stringify({token: arguments[0], id: arguments[1], name: arguments[2]}))",
                    client.token, client.get("/api/auth/me").json()["id"], client.username)
    browser.open(stack.url + "/")
    return browser


def add(browser, *paths):
    browser.find("#files").send_keys("\n".join(str(path) for path in paths))


def state(browser, state_name, seconds=20):
    """Waits until the newest task is in this state."""
    browser.wait(lambda: browser.all(f"{NEWEST}[data-state={state_name}]"), f"a task that is {state_name}", seconds)


def act(browser, action, where=NEWEST):
    browser.click(f"{where} [data-action={action}]")


def row_state(browser):
    """The state of the first file that is not a task yet."""
    return browser.run("return document.querySelector('#outbox-list li')?.dataset.state")


def sign_in_again(browser, password=PASSWORD):
    browser.wait(lambda: browser.shown("#login"), "to be asked again")
    browser.put("#login [name=password]", password)
    browser.click("#login-form [type=submit]")
    browser.wait(lambda: not browser.shown("#login"), "the login")
