"""The benchmark: N conversions of one file, and files per minute. test_pages.py looks at the page that draws them."""

import json

import pytest
import requests

from harness.waiting import wait_for

START = "/benchmark/conversion/start"
PATHS = {START: "POST", "/benchmark/conversion/data": "GET", "/benchmark/conversion/result": "GET"}


@pytest.fixture(scope="module")
def song(media):
    return media.tone("mp3", seconds=2)


@pytest.fixture
def bench(make_stack):
    return make_stack(web_settings={"ENABLE_BENCHMARK": "1"}, settings={"STRESS_TEST": "1"})


def start(stack, song, new_format="wav", number=10, **fields):
    data = {"newFormat": new_format, "taskNumber": str(number), **fields}
    with open(song, "rb") as file:
        return requests.post(stack.url + START, files={"fileName": ("Canción.mp3", file)},
                             data={key: value for key, value in data.items() if value is not None}, timeout=60)


def data(stack):
    answer = requests.get(stack.url + "/benchmark/conversion/data", timeout=10)
    assert answer.status_code == 200
    return answer.json(), json.loads(answer.headers["Benchmark-Totals"])


def results(stack):
    answer = requests.get(stack.url + "/benchmark/conversion/result", timeout=30)
    assert answer.status_code == 200
    return answer.json()


def finish(stack, seconds=60):
    return wait_for(lambda: data(stack)[1]["unfinished"] == 0, "end of the benchmark", seconds, 0.1)


@pytest.mark.sanitized
@pytest.mark.parametrize("path", PATHS)
def test_off_by_default(stack, path):
    answer = requests.request(PATHS[path], stack.url + path, timeout=10)
    unknown = requests.get(stack.url + "/no/such/path", timeout=10)
    assert answer.status_code == unknown.status_code == 404
    assert answer.json()["title"] == unknown.json()["title"]


@pytest.mark.sanitized
def test_before_the_first_benchmark(bench):
    assert data(bench) == ([], {"total": 0, "processed": 0, "failed": 0, "unfinished": 0})
    assert results(bench) == []


@pytest.mark.sanitized
def test_from_start_to_chart(bench, song):
    answer = start(bench, song, "WAV", 30)
    assert answer.status_code == 200 and answer.json()["count"] == 30 and answer.json()["message"]
    finish(bench)
    minutes, totals = data(bench)
    assert totals == {"total": 30, "processed": 30, "failed": 0, "unfinished": 0}
    assert sum(row["count"] for row in minutes) == 30
    assert [row["min"] for row in minutes] == list(range(1, len(minutes) + 1))
    rows = results(bench)
    assert len(rows) == 30 and len({row["id"] for row in rows}) == 30
    for row in rows:
        assert row["status"] == "processed" and row["uploaded_at"] <= row["processed_at"]
        assert row["original_file"] == "Canción.mp3" and row["new_format"] == "wav"
    assert bench.sql("SELECT count(DISTINCT input_object), count(*) FROM tasks") == [["1", "30"]]
    assert bench.sql("SELECT count(*) FROM deliveries") == [["0"]], "no mail"
    assert bench.sql("SELECT count(*) FROM stray_objects") == [["0"]]
    assert len([name for name in bench.objects() if name.startswith("inputs/")]) == 1


def test_minutes_are_counted_from_the_upload(bench, song):
    """Minutes without files are listed, failed tasks are not counted, and only the newest benchmark counts."""
    assert start(bench, song, number=3).status_code == 200
    finish(bench)
    assert start(bench, song, number=7).status_code == 200
    finish(bench)
    ids = [row[0] for row in bench.sql("SELECT id FROM tasks ORDER BY id DESC LIMIT 7")]
    for task, seconds in zip(ids, (0, 59.9, 60, 125, 299, 300)):
        bench.sql(f"UPDATE tasks SET processed_at = uploaded_at + interval '{seconds} s' WHERE id = {task}")
    bench.sql(f"UPDATE tasks SET status = 'uploaded', generation = 2, processed_at = NULL, published_at = now() WHERE id = {ids[6]}")
    bench.sql(f"UPDATE tasks SET status = 'failed', error_code = 'x', processed_at = now() WHERE id = {ids[6]}")
    minutes, totals = data(bench)
    assert [(row["min"], row["count"]) for row in minutes] == [(1, 2), (2, 1), (3, 1), (4, 0), (5, 1), (6, 1)]
    assert totals == {"total": 7, "processed": 6, "failed": 1, "unfinished": 0}
    assert len(results(bench)) == 10, "results lists all benchmarks"


def test_other_origins_can_read_the_data(bench):
    answer = requests.get(bench.url + "/benchmark/conversion/data", headers={"Origin": "https://charts.example.com"}, timeout=10)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Benchmark-Totals" in answer.headers["Access-Control-Expose-Headers"]


def test_more_than_a_page_of_tasks(make_stack, song):
    """The response comes after all tasks are created and published."""
    stack = make_stack(web_settings={"ENABLE_BENCHMARK": "1"})
    stack.worker.stop()
    answer = start(stack, song, number=2345)
    assert answer.status_code == 200 and answer.json()["count"] == 2345
    rows = results(stack)
    assert len(rows) == 2345 and [row["id"] for row in rows] == sorted({row["id"] for row in rows})
    assert {row["status"] for row in rows} == {"uploaded"} and {row["processed_at"] for row in rows} == {None}
    assert stack.sql("SELECT count(*) FROM tasks WHERE published_at IS NULL") == [["0"]]
    assert data(stack) == ([], {"total": 2345, "processed": 0, "failed": 0, "unfinished": 2345})


BAD = [
    ({"number": 0}, "taskNumber"), ({"number": -1}, "taskNumber"), ({"number": 5001}, "taskNumber"), ({"number": "ten"}, "taskNumber"),
    ({"number": "1.5"}, "taskNumber"), ({"number": "9" * 30}, "taskNumber"), ({"number": None}, "taskNumber"), ({"number": ""}, "taskNumber"),
    ({"new_format": "exe"}, "newFormat"), ({"new_format": None}, "newFormat"), ({"new_format": "wav" * 100}, "newFormat"),
    ({"surprise": "1"}, "surprise"),
]


def test_invalid_requests(bench, song):
    for fields, name in BAD:
        answer = start(bench, song, **fields)
        assert answer.status_code in (400, 413) and answer.json()["detail"].startswith(name), (fields, answer.text)
    without_file = requests.post(bench.url + START, files={"newFormat": (None, "wav"), "taskNumber": (None, "3")}, timeout=10)
    assert without_file.status_code == 400 and "fileName" in without_file.json()["detail"]
    empty = requests.post(bench.url + START, files={"fileName": ("a.mp3", b"")}, data={"newFormat": "wav", "taskNumber": "3"}, timeout=10)
    assert empty.status_code == 400 and empty.json()["code"] == "empty_file"
    assert requests.post(bench.url + START, json={"newFormat": "wav"}, timeout=10).status_code == 415
    assert bench.sql("SELECT count(*) FROM tasks") == [["0"]]
    bench.sql("UPDATE stray_objects SET delete_after = now()")
    bench.sweep()
    wait_for(lambda: bench.objects() == [], "nothing left in storage")


def test_nobody_can_log_in_as_its_user(bench, song):
    assert start(bench, song, number=1).status_code == 200
    name, email = bench.sql("SELECT username, email FROM users")[0]
    for login in ({"username": name}, {"email": email}, {"username": email}):
        for password in ("", "x", "benchmark", "Secret123"):
            answer = requests.post(bench.url + "/api/auth/login", json={**login, "password": password}, timeout=10)
            assert answer.status_code in (400, 401)
    for taken in (name, email):
        answer = requests.post(bench.url + "/api/auth/signup", timeout=10, json={
            "username": taken, "email": f"{taken}@example.com", "password1": "Secret123", "password2": "Secret123"})
        assert answer.status_code == 400
    other = bench.client(username="benchmark")
    assert other.tasks() == [], "a user of that name does not see the tasks"
