"""Cases of health, pages, the benchmark, and the platform's own calls."""

import base64
import concurrent.futures
import json

from ..contract_environment import CONTRACT, NOWHERE
from ..waiting import wait_for
from .table import case


@case("index", 200)
@case("alive", 200)
@case("apiHealth", 200)
@case("ping", 200)
@case("converterHealth", 200)
@case("openapi", 200)
@case("openapi30", 200)
@case("docs", 200)
@case("report", 200)
@case("status", 200)
@case("operatorPage", 200)
@case("statusPage", 200)
@case("benchmarkData", 200)
@case("benchmarkResult", 200)
def _without_a_token(env, call):
    return call()


@case("asset", 200)
def _a_stylesheet(env, call):
    return call(path={"name": "base.css"})


@case("asset", 404)
def _no_such_asset(env, call):
    return call(path={"name": "none.css"})


@case("converterHealth", 200)
def _with_the_pong(env, call):
    answer = call(params={"wait": "1"})
    assert answer.json()["pong"] is True
    return answer


@case("converterHealth", 429)
def _too_many_waiting(env, call):
    """Without a worker, requests wait until all places are taken. The next worker answers them, unless it starts too late for that."""
    recent = "SELECT count(*) FROM pings WHERE sent_at > clock_timestamp() - interval '1 s'"
    env.stack.worker.stop()
    try:
        wait_for(lambda: env.stack.sql(recent) == [["0"]], "a second without a ping, because pings are shared", 5)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(call, params={"wait": "1"}) for _ in range(8)]
            concurrent.futures.wait(asked, timeout=10, return_when=concurrent.futures.FIRST_COMPLETED)
            env.stack.worker.start()
    finally:
        if not env.stack.worker.alive():
            env.stack.worker.start()
    answers = [one.result() for one in asked]
    assert {answer.status_code for answer in answers} <= {200, 429, 503}
    return next(answer for answer in answers if answer.status_code == 429)


def benchmark_form(env, **change):
    return {"files": {"fileName": ("tone.mp3", env.media.tone("mp3").read_bytes())},
            "data": {"newFormat": "wav", "taskNumber": "3", **change}}


@case("benchmarkStart", 200)
def _a_small_benchmark(env, call):
    answer = call(**benchmark_form(env))
    assert answer.json()["count"] == 3
    for path in ("data", "result"):
        env.call(CONTRACT.operations[f"benchmark{path.title()}"])
    return answer


@case("benchmarkStart", 400)
def _without_tasks(env, call):
    return call(**benchmark_form(env, taskNumber="0"))


@case("benchmarkStart", 429)
def _with_a_full_queue(env, call):
    call(**benchmark_form(env))
    mine = "WHERE user_id = (SELECT id FROM users WHERE username = 'capacity test')"
    env.stack.sql(f"UPDATE user_usage SET tasks = tasks + 1000000 {mine}")
    try:
        return call(**benchmark_form(env))
    finally:
        env.stack.sql(f"UPDATE user_usage SET tasks = tasks - 1000000 {mine}")


@case("benchmarkStart", 404)
def _start_where_it_is_off(env, call):
    return call(stack=env.plain, **benchmark_form(env))


@case("benchmarkData", 404)
@case("benchmarkResult", 404)
def _where_it_is_off(env, call):
    return call(stack=env.plain)


@case("report", 200)
def _report_where_it_is_off(env, call):
    return call(stack=env.plain)


def envelope(message):
    data = base64.b64encode(json.dumps(message).encode()).decode()
    return {"message": {"data": data, "messageId": "1", "attributes": {}}, "subscription": "projects/p/subscriptions/s"}


@case("sweep", 200)
def _by_the_scheduler(env, call):
    return call(who=env.platform, json={})


@case("sweep", 403)
@case("deadLetters", 403)
def _token_for_another_audience(env, call):
    other = env.stack.anonymous().use_token(env.stack.token_of_platform("https://elsewhere.example.com"))
    return call(who=other, json={})


@case("deadLetters", 204)
def _of_an_unknown_task(env, call):
    return call(who=env.platform, json=envelope({"v": 1, "kind": "convert", "task_id": int(NOWHERE), "generation": 1}))


@case("deadLetters", 400)
def _no_envelope(env, call):
    return call(who=env.platform, json={"message": 5})
