"""Many logins at once: passwords are hashed (scrypt, 32 MiB each)."""

import concurrent.futures
import statistics
import time

import requests

from harness.client import PASSWORD

TITLE = "Accounts"
AT_ONCE = 50


def login_seconds(stack, client):
    started = time.monotonic()
    answer = requests.post(f"{stack.url}/api/auth/login", json={"username": client.username, "password": PASSWORD}, timeout=60)
    assert answer.status_code == 200, answer.text
    return time.monotonic() - started


def measure(ground):
    with ground.stack() as stack, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        clients = [stack.client() for _ in range(AT_ONCE)]
        alone = statistics.median(login_seconds(stack, client) for client in clients[:9])
        rounds = [list(pool.map(lambda client: login_seconds(stack, client), clients)) for _ in range(ground.few(3, 1))]
        ground.table.add("one login", "ms", [alone * 1000])
        ground.table.add(f"{AT_ONCE} logins at once: mean", "ms", [statistics.mean(times) * 1000 for times in rounds])
        ground.table.add(f"{AT_ONCE} logins at once: the time of one on each core", "ms", [max(times) * 1000 for times in rounds],
                         [alone * 1000 * AT_ONCE / 2], "no waiting between them")
        ground.table.add("peak memory of web", "MiB", [stack.web.peak_rss_mib()])
