"""
The client of uni_cloud_convert (audio; Flask, Celery, Pub/Sub): its Postman collection, its mail with a link and its capacity
test, with its paths, field names and spellings. The tests run in the order of the collection, as one user.
"""

import concurrent.futures
import datetime
import re
import uuid

import pytest
import requests

from harness import measure
from harness.webhook import Certificate
from harness.smtp import PASSWORD as RELAY_PASSWORD, USER as RELAY_USER, Relay, text_of
from harness.waiting import wait_for

TASK_FIELDS = ("id", "timestamp", "status", "user_id", "new_format", "uploaded_filename", "original_file", "original_format",
               "original_size", "processed_file", "processed_format", "processed_size", "uploaded_at", "processed_at")
PASSWORD = "Us3r$1"

pytestmark = [pytest.mark.usefixtures("stack"), pytest.mark.xdist_group("uni_cloud_convert")]  # checks that no test kills a program


@pytest.fixture(scope="module")
def api(shared_stack):
    return shared_stack.url


@pytest.fixture(scope="module")
def name():
    return f"user1-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def signed_up(api, name):
    return requests.post(api + "/api/auth/signup", timeout=20, json={
        "username": name, "password1": PASSWORD, "password2": PASSWORD, "email": f"{name}@example.com"})


@pytest.fixture(scope="module")
def bearer(api, name, signed_up):
    answer = requests.post(api + "/api/auth/login", json={"username": name, "password": PASSWORD}, timeout=20)
    assert answer.status_code == 200, answer.text
    return {"Authorization": "Bearer " + answer.json()["access_token"]}


def create(api, bearer, path, new_format):
    with open(path, "rb") as file:
        return requests.post(api + "/api/tasks", headers=bearer, files={"fileName": file}, data={"newFormat": new_format},
                             timeout=60)


def poll(api, bearer, task_id, seconds=60):
    """GET until the status is `processed`, as the collection does."""
    def processed():
        task = requests.get(f"{api}/api/tasks/{task_id}", headers=bearer, timeout=20).json()
        assert task["status"] != "failed", task
        return task if task["status"] == "processed" else None
    return wait_for(processed, f"task {task_id} processed", seconds)


@pytest.fixture(scope="module")
def first_task(api, bearer, media):
    answer = create(api, bearer, media.tone("mp3", seconds=3, frequency=880), "WAV")
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def test_signup(signed_up):
    assert signed_up.status_code == 201
    assert signed_up.json()["message"] and signed_up.json()["access_token"]


@pytest.mark.parametrize("change, what", [
    ({}, "taken"), ({"password2": "Us3r$2"}, "unequal"), ({"password1": "Us3r", "password2": "Us3r"}, "weak: too short"),
    ({"password1": "us3r$1", "password2": "us3r$1"}, "weak: no upper case"),
    ({"password1": "US3R$1", "password2": "US3R$1"}, "weak: no lower case"),
    ({"password1": "User$$", "password2": "User$$"}, "weak: no digit"),
    ({"password1": "Us3r11", "password2": "Us3r11"}, "weak: none of $#@, and short"),
    ({"password1": "Us3r $1", "password2": "Us3r $1"}, "weak: white space"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_invalid_signup(api, name, signed_up, change, what):
    username = f"x{uuid.uuid4().hex[:8]}" if change else name
    answer = requests.post(api + "/api/auth/signup", timeout=20, json={
        "username": username, "password1": PASSWORD, "password2": PASSWORD, "email": f"{username}@example.com", **change})
    assert answer.status_code == 400, what
    assert answer.json()["message"]


def test_login_with_a_wrong_password(api, name, signed_up):
    answer = requests.post(api + "/api/auth/login", json={"username": name, "password": "Wr0ng$1"}, timeout=20)
    assert answer.status_code == 401 and answer.json()["message"]


def test_create_task(first_task):
    assert first_task["message"]
    task = first_task["task"]
    assert task["status"] == "uploaded"
    assert [field for field in TASK_FIELDS if field not in task] == []
    assert task["new_format"] == "wav" and task["original_format"] == "mp3" and task["original_size"] > 0
    assert uuid.UUID(task["file_id"])


def test_list_tasks(api, bearer, first_task):
    answer = requests.get(api + "/api/tasks", headers=bearer, timeout=20)
    assert answer.status_code == 200
    assert isinstance(answer.json(), list)
    assert first_task["task"]["id"] in [task["id"] for task in answer.json()]


def test_get_task_until_processed(api, bearer, first_task, media):
    task = poll(api, bearer, first_task["task"]["id"])
    assert [field for field in TASK_FIELDS if field not in task] == []
    assert task["processed_format"] == "wav" and task["processed_size"] > 0
    assert task["processed_file"].endswith(".wav") and task["original_file"] == task["uploaded_filename"]
    for field in ("timestamp", "uploaded_at", "processed_at"):
        assert datetime.datetime.fromisoformat(task[field].replace("Z", "+00:00")).utcoffset() == datetime.timedelta(0)


def test_a_wav_contains_wav(api, bearer, first_task, tmp_path):
    """The `.wav` files of uni_cloud_convert contained MP3."""
    poll(api, bearer, first_task["task"]["id"])
    answer = requests.get(f"{api}/api/files/{first_task['task']['file_id']}", headers=bearer, timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment")
    path = tmp_path / "result.wav"
    path.write_bytes(answer.content)
    info = measure.probe(path)
    assert info["format"]["format_name"] == "wav" and measure.audio_stream(info)["codec_name"].startswith("pcm_")
    samples = measure.samples(path)
    assert measure.duration(samples) == pytest.approx(3, abs=0.1)
    assert measure.frequency(measure.middle(samples)) == pytest.approx(880, rel=0.01)


@pytest.mark.parametrize("new_format, stored, codec", [
    ("mp3", "mp3", "mp3"), ("acc", "aac", "aac"), ("OGG", "ogg", "vorbis"), ("Wav", "wav", "pcm_s16le"), ("WMA", "wma", "wmav2"),
])
def test_every_format_in_any_case(api, bearer, media, tmp_path, new_format, stored, codec):
    answer = create(api, bearer, media.tone("flac"), new_format)
    assert answer.status_code in (200, 201), answer.text
    task = poll(api, bearer, answer.json()["task"]["id"])
    assert task["new_format"] == stored
    path = tmp_path / f"result.{stored}"
    path.write_bytes(requests.get(f"{api}/api/files/{task['file_id']}", headers=bearer, timeout=20).content)
    assert measure.audio_stream(measure.probe(path))["codec_name"] == codec


def test_put_converts_again(api, bearer, shared_stack, first_task):
    task_id, file_id = first_task["task"]["id"], first_task["task"]["file_id"]
    poll(api, bearer, task_id)
    old = [name for name in shared_stack.objects() if file_id in name and name.startswith("results/")]
    assert old
    answer = requests.put(f"{api}/api/tasks/{task_id}", headers=bearer, json={"newFormat": "OGG"}, timeout=20)
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] and answer.json()["task"]["status"] == "uploaded"
    assert answer.json()["task"]["new_format"] == "ogg"
    task = poll(api, bearer, task_id)
    assert task["processed_format"] == "ogg" and task["processed_file"].endswith(".ogg")
    wait_for(lambda: not set(old) & set(shared_stack.objects()), "removal of the old result")


def test_file_that_is_not_ready(api, bearer, media):
    task = create(api, bearer, media.noise(240), "mp3").json()["task"]
    answer = requests.get(f"{api}/api/files/{task['file_id']}", headers=bearer, timeout=20)
    assert answer.status_code == 400 and answer.json()["message"]
    assert requests.delete(f"{api}/api/tasks/{task['id']}", headers=bearer, timeout=20).status_code == 200


def test_not_found(api, bearer):
    for path in ("/api/tasks/999999999", f"/api/files/{uuid.uuid4()}"):
        answer = requests.get(api + path, headers=bearer, timeout=20)
        assert answer.status_code == 404 and answer.json()["message"]


def test_without_a_token(api):
    for method, path in (("GET", "/api/tasks"), ("POST", "/api/tasks"), ("GET", "/api/tasks/1"), ("PUT", "/api/tasks/1"),
                         ("DELETE", "/api/tasks/1"), ("GET", f"/api/files/{uuid.uuid4()}")):
        assert requests.request(method, api + path, timeout=20).status_code == 401, (method, path)


def test_delete_task(api, bearer, first_task):
    task = first_task["task"]
    answer = requests.delete(f"{api}/api/tasks/{task['id']}", headers=bearer, timeout=20)
    assert answer.status_code == 200 and answer.json()["message"]
    assert requests.get(f"{api}/api/tasks/{task['id']}", headers=bearer, timeout=20).status_code == 404
    assert requests.get(f"{api}/api/files/{task['file_id']}", headers=bearer, timeout=20).status_code == 404


@pytest.mark.parametrize("path", ["/api-health", "/alive", "/ping", "/converter-health"])
def test_health(api, path):
    answer = requests.get(api + path, timeout=20)
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("application/json")
    assert isinstance(answer.json(), dict)


@pytest.fixture
def mail_stack(make_stack, tmp_path):
    """A stack, and the relay that receives its mails."""
    certificate = Certificate(tmp_path)
    relay = Relay(certificate).start()
    try:
        yield make_stack(settings={
            "SMTP_URL": relay.url, "SMTP_USER": RELAY_USER, "SMTP_PASSWORD": RELAY_PASSWORD,
            "MAIL_FROM": "no-reply@example.com", "TLS_CA_FILE": certificate.file}), relay
    finally:
        relay.close()


def test_mail_with_a_link_without_login(mail_stack, media):
    stack, relay = mail_stack
    user = relay.confirm(stack.client())
    bearer = {"Authorization": f"Bearer {user.token}"}
    task = create(stack.url, bearer, media.tone("mp3"), "wav").json()["task"]
    poll(stack.url, bearer, task["id"])
    mail = relay.wait()[0]
    assert mail.recipients == [f"{user.username}@example.com"] and mail["Subject"]
    link = re.search(rf"{re.escape(stack.url)}/api/files/{task['file_id']}\?token=\S+", text_of(mail)).group(0)
    answer = requests.get(link, timeout=20)
    assert answer.status_code == 200 and answer.content[:4] == b"RIFF"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert requests.get(link[:-4] + "AAAA", timeout=20).status_code in (401, 404)
    assert requests.get(link.partition("?")[0], timeout=20).status_code == 401


@pytest.fixture
def benchmark_stack(make_stack):
    return make_stack(settings={"STRESS_TEST": "1"}, web_settings={"ENABLE_BENCHMARK": "1"})


def test_capacity_test_of_conversions(benchmark_stack, media):
    api, count = benchmark_stack.url, 12
    with open(media.tone("mp3", seconds=3), "rb") as file:
        answer = requests.post(api + "/benchmark/conversion/start", files={"fileName": file},
                               data={"newFormat": "WAV", "taskNumber": str(count)}, timeout=60)
    assert answer.status_code in (200, 201, 202), answer.text

    def all_done():
        rows = requests.get(api + "/benchmark/conversion/result", timeout=20).json()
        return rows if len(rows) == count and all(row["processed_at"] for row in rows) else None
    rows = wait_for(all_done, f"{count} conversions", 120)
    for row in rows:
        assert row["id"] and row["uploaded_at"] <= row["processed_at"]

    answer = requests.get(api + "/benchmark/conversion/data", headers={"Origin": "https://charts.example.com"}, timeout=20)
    assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == "*"
    assert sum(bar["count"] for bar in answer.json()) == count
    assert all(bar["min"] >= 1 for bar in answer.json())

    page = requests.get(api + "/report", timeout=20)
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")


def test_capacity_test_of_uploads(benchmark_stack, media):
    """Its first load test, smaller: several users upload at once. No upload fails, and the mean time is short."""
    api = benchmark_stack.url
    users = [benchmark_stack.client() for _ in range(8)]
    path = media.tone("mp3", seconds=5)

    def one_user(user):
        return [create(api, {"Authorization": f"Bearer {user.token}"}, path, "wav") for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(len(users)) as pool:
        answers = [answer for answers in pool.map(one_user, users) for answer in answers]
    assert {answer.status_code for answer in answers} == {201}
    mean = sum(answer.elapsed.total_seconds() for answer in answers) / len(answers)
    assert mean < 1.5, f"mean {mean:.2f} s with {len(users)} users"
