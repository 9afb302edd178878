"""
The client of proyecto_cloud (audio; Flask, App Engine, Pub/Sub): its Postman collection and its locust file, with `token`,
form-urlencoded PUT, and downloads by the uploaded name.
"""

import concurrent.futures
import time
import urllib.parse
import uuid

import pytest
import requests

from harness import measure
from harness.webhook import Certificate
from harness.smtp import PASSWORD as RELAY_PASSWORD, USER as RELAY_USER, Relay
from harness.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("stack"), pytest.mark.xdist_group("proyecto_cloud")]

PASSWORD = "Clave$123"


@pytest.fixture(scope="module")
def api(shared_stack):
    return shared_stack.url + "/api"


@pytest.fixture(scope="module")
def name():
    return f"cliente-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def signed_up(api, name):
    return requests.post(api + "/auth/signup", timeout=20, json={
        "username": name, "email": f"{name}@example.com", "password1": PASSWORD, "password2": PASSWORD})


@pytest.fixture(scope="module")
def logged_in(api, name, signed_up):
    return requests.post(api + "/auth/login", json={"username": name, "password": PASSWORD}, timeout=20)


@pytest.fixture(scope="module")
def bearer(logged_in):
    return {"Authorization": "Bearer " + logged_in.json()["token"]}


def create(api, bearer, path, new_format, file_name=None):
    with open(path, "rb") as file:
        return requests.post(api + "/tasks", headers=bearer, files={"fileName": (file_name or path.name, file)},
                             data={"newFormat": new_format}, timeout=60)


def poll(api, bearer, task_id, seconds=60):
    def processed():
        task = requests.get(f"{api}/tasks/{task_id}", headers=bearer, timeout=20).json()
        assert task["status"] != "failed", task
        return task if task["status"] == "processed" else None
    return wait_for(processed, f"task {task_id} processed", seconds)


@pytest.fixture(scope="module")
def task_ids(api, bearer, media):
    """Three tasks, in order of creation."""
    return [create(api, bearer, media.tone("mp3", frequency=300 + 100 * n), "ogg", f"canción {n}.mp3").json()["task"]["id"]
            for n in range(3)]


def test_signup_and_login(signed_up, logged_in):
    assert signed_up.status_code == 201 and signed_up.json()["message"]
    assert logged_in.status_code == 200 and logged_in.json()["token"]


def test_list_by_order_and_max(api, bearer, task_ids):
    def listed(**params):
        answer = requests.get(api + "/tasks", headers=bearer, params=params, timeout=20)
        assert answer.status_code == 200, answer.text
        return [task["id"] for task in answer.json()]

    assert listed(order=1, max=1) == [task_ids[-1]]
    assert listed(order=0, max=1) == [task_ids[0]]
    assert listed(order=1) == task_ids[::-1]
    assert listed() == task_ids


def test_put_form_urlencoded(api, bearer, task_ids, tmp_path):
    poll(api, bearer, task_ids[0])
    answer = requests.put(f"{api}/tasks/{task_ids[0]}", headers=bearer, data={"newFormat": "acc"}, timeout=20)
    assert answer.request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] and answer.json()["task"]["status"] == "uploaded"
    task = poll(api, bearer, task_ids[0])
    assert task["processed_format"] == "aac" and task["processed_file"].endswith(".aac")
    path = tmp_path / "result.aac"
    path.write_bytes(requests.get(f"{api}/files/{task['file_id']}", headers=bearer, timeout=20).content)
    info = measure.probe(path)
    assert info["format"]["format_name"] == "aac" and measure.audio_stream(info)["codec_name"] == "aac"


def test_put_of_an_unknown_format(api, bearer, task_ids):
    answer = requests.put(f"{api}/tasks/{task_ids[1]}", headers=bearer, data={"newFormat": "docx"}, timeout=20)
    assert answer.status_code == 400 and answer.json()["message"]


def test_file_by_its_uploaded_name(api, bearer, task_ids):
    task = poll(api, bearer, task_ids[1])
    answer = requests.get(f"{api}/files/{urllib.parse.quote('canción 1.mp3')}", headers=bearer, timeout=20)
    assert answer.status_code == 200, answer.text
    assert answer.content[:4] == b"OggS" and len(answer.content) == task["processed_size"]
    assert urllib.parse.quote("canción 1.ogg") in answer.headers["Content-Disposition"]


def test_the_newest_file_of_a_name(api, bearer, media):
    for new_format in ("wav", "wma"):
        poll(api, bearer, create(api, bearer, media.tone("mp3"), new_format, "twice.mp3").json()["task"]["id"])
    answer = requests.get(f"{api}/files/twice.mp3", headers=bearer, timeout=20)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "audio/x-ms-wma"


def test_file_of_another_user_is_not_found(api, shared_stack, task_ids):
    other = {"Authorization": f"Bearer {shared_stack.client().token}"}
    assert requests.get(f"{api}/files/{urllib.parse.quote('canción 1.mp3')}", headers=other, timeout=20).status_code == 404
    assert requests.get(f"{api}/files/{urllib.parse.quote('canción 1.mp3')}", timeout=20).status_code == 401


def test_delete(api, bearer, task_ids):
    answer = requests.delete(f"{api}/tasks/{task_ids[2]}", headers=bearer, timeout=20)
    assert answer.status_code == 200 and answer.json()["message"]
    assert requests.get(f"{api}/tasks/{task_ids[2]}", headers=bearer, timeout=20).status_code == 404


@pytest.mark.parametrize("new_format", ["mp3", "aac", "ogg", "wav", "wma"])
def test_formats(api, bearer, media, new_format):
    task = poll(api, bearer, create(api, bearer, media.tone("flac"), new_format).json()["task"]["id"])
    assert task["processed_format"] == new_format


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_mail_can_be_turned_off(make_stack, media, tmp_path, enabled):
    certificate = Certificate(tmp_path)
    relay = Relay(certificate).start()
    try:
        stack = make_stack(settings={
            "SMTP_URL": relay.url, "SMTP_USER": RELAY_USER, "SMTP_PASSWORD": RELAY_PASSWORD,
            "MAIL_FROM": "no-reply@example.com", "TLS_CA_FILE": certificate.file, "ENABLED_EMAIL": enabled})
        user = stack.client()
        if enabled == "true":
            relay.confirm(user)
        user.convert(media.tone("mp3"), "wav")
        if enabled == "true":
            relay.wait()
        else:
            stack.sweep_whole()
            assert stack.sql("SELECT count(*) FROM deliveries WHERE status NOT IN ('skipped', 'failed')") == [["0"]]
        assert len(relay.mails) == (enabled == "true")
        assert set(relay.logins) == ({(True, True)} if enabled == "true" else set())
    finally:
        relay.close()


def test_small_locust_load(stack, media):
    """Each user logs in and uploads a file several times, without waiting for the conversions."""
    users, rounds = 8, 5
    path = media.tone("mp3", seconds=3)
    names = [stack.client().username for _ in range(users)]

    def one_user(name):
        times, tasks = [], []
        for _ in range(rounds):
            login = requests.post(stack.url + "/api/auth/login", timeout=20,
                                  json={"username": name, "password": "Correct-Horse-9"})
            assert login.status_code == 200, login.text
            bearer = {"Authorization": "Bearer " + login.json()["token"]}
            began = time.monotonic()
            answer = create(stack.url + "/api", bearer, path, "ogg")
            times.append(time.monotonic() - began)
            assert answer.status_code == 201, answer.text
            tasks.append((bearer, answer.json()["task"]["id"]))
        return times, tasks
    with concurrent.futures.ThreadPoolExecutor(users) as pool:
        results = list(pool.map(one_user, names))
    times = [one for times, _ in results for one in times]
    assert sum(times) / len(times) < 1.5, f"mean {sum(times) / len(times):.2f} s"
    for _, tasks in results:
        for bearer, task_id in tasks:
            poll(stack.url + "/api", bearer, task_id, 120)
