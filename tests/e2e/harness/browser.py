"""A headless Chromium, driven through Debian's python3-selenium."""

import base64
import contextlib
import json
import os
import pathlib
import shutil
import tempfile

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from . import node
from .waiting import wait_for

# What the page must not have at any width: [what is too wide, what is too small].
MEASURE = """
const width = document.documentElement.clientWidth;
const seen = (node) => node.checkVisibility({checkOpacity: true, checkVisibilityCSS: true});
const name = (node) => `${node.tagName} ${node.id || node.className} "${(node.textContent || '').trim().slice(0, 40)}"`;
const hidden = (node) => node.closest('.visually-hidden, .skip, pre');
const all = [...document.body.querySelectorAll('*')].filter((node) => seen(node) && !hidden(node));
const wide = document.documentElement.scrollWidth > width ? ['the page'] : [];
const small = all.filter((node) => [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim()) &&
  parseFloat(getComputedStyle(node).fontSize) * (node.ownerSVGElement ? node.getScreenCTM().a : 1) < 11.99);
return [[...wide, ...all.filter((node) => node.getBoundingClientRect().right > width + 1 && !node.ownerSVGElement).map(name)], small.map(name)];
"""


class Browser:
    def __init__(self):
        # Under /tmp: the sockets of its processes have short names there.
        self.profile = tempfile.mkdtemp(prefix="mediarun-chromium.", dir="/tmp")
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("--headless=new", "--disable-dev-shm-usage", "--disable-gpu", "--disable-extensions", "--no-first-run",
                         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                         "--autoplay-policy=user-gesture-required", "--force-prefers-reduced-motion", f"--user-data-dir={self.profile}"):
            options.add_argument(argument)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")  # Chromium's own sandbox does not work for root
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_page_load_timeout(20)
        self.driver.set_script_timeout(20)

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def size(self, width, height=900):
        """The size of the page itself; windows cannot be narrower than 500 px."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})

    def scheme(self, name):
        """dark or light."""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}]})

    def open(self, url):
        self.driver.get("about:blank")  # a new page, even if only the part after # differs
        self.driver.get_log("browser")
        self.driver.get(url)
        return self

    def find(self, selector):
        """The first element of a CSS selector."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def evaluate(self, script):
        """The value of an expression, a promise's too, as if a person had asked for it: media may be played."""
        done = self.driver.execute_cdp_cmd("Runtime.evaluate", {
            "expression": script, "awaitPromise": True, "returnByValue": True, "userGesture": True})
        if "exceptionDetails" in done:
            raise AssertionError(json.dumps(done["exceptionDetails"])[:1000])
        return done["result"]["value"]

    def shown(self, selector):
        """True if the first element of a selector can be seen; Selenium's own is_displayed takes what is folded for visible."""
        return self.run("return document.querySelector(arguments[0]).checkVisibility()", selector)

    def text(self, selector):
        """What is shown of an element."""
        while True:
            with contextlib.suppress(StaleElementReferenceException):  # it was drawn again at this moment
                return self.find(selector).text

    def texts(self, selector):
        """What is shown of each element that shows anything, read at one moment."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map((node) => node.innerText.trim()).filter(Boolean)", selector)

    def wait(self, condition, what, seconds=20):
        return wait_for(condition, what, seconds, 0.02)

    def click(self, selector):
        """By script, in one step: what is sticky, moves, or is drawn again at this moment cannot get in the way. Waits for a button
        that is disabled, where a click would be lost."""
        script = "const node = document.querySelector(arguments[0]); if (node?.disabled) return ''; node?.click(); return node ? 'clicked' : 'nothing'"
        if self.wait(lambda: self.run(script, selector), f"{selector} to be enabled") == "nothing":
            raise AssertionError(f"there is no {selector}")

    def put(self, selector, value):
        """Fills a field as a person does: with the events."""
        if not self.run("const node = document.querySelector(arguments[0]); if (!node) return false; node.value = arguments[1];"
                        " for (const name of ['input', 'change']) node.dispatchEvent(new Event(name, {bubbles: true})); return true", selector, value):
            raise AssertionError(f"there is no {selector}")

    def key(self, key):
        """Presses a key, wherever the focus is."""
        webdriver.ActionChains(self.driver).send_keys(key).perform()

    def faults(self):
        """What the console says: failed requests, violations of the policy, errors of scripts."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def measure(self):
        """What is wider than the page, and what is in letters of less than 12 px."""
        return dict(zip(("wide", "small"), self.run(MEASURE)))

    def screenshot(self, path):
        """The whole page, also what lies below the window."""
        width, height = self.run("const at = document.documentElement; return [at.clientWidth, at.scrollHeight]")
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", {
            "captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": width, "height": min(height, 8000), "scale": 1}})
        pathlib.Path(path).write_bytes(base64.b64decode(picture["data"]))

    def accessibility(self):
        """What axe-core objects to, of all its rules: [rule, the first nodes]."""
        if not self.run("return Boolean(window.axe)"):
            self.run((node.install("axe") / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
        return self.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(({violations}) => done(violations.map(({id, nodes}) =>"
            " [id, nodes.slice(0, 3).map((one) => one.html.slice(0, 160) + ' ' + one.any.map((why) => why.message).join('; ').slice(0, 200))])))")

    def language(self, words):
        """The languages that pages loaded from now on are asked for in; empty: the usual one."""
        self.driver.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": "test" if words else "", "acceptLanguage": words})

    def network(self, bytes_per_second=-1, offline=False):
        """How fast uploads are; -1: as they are."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {
            "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second})

    def weight(self):
        """Bytes that the page took from the network, with everything that it loaded."""
        return sum(entry["transferSize"] for entry in json.loads(self.run(
            "return JSON.stringify([...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')])")))
