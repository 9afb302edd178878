"""
The client of Proyecto-SW-Nube (video; FastAPI, Cloud Run, Pub/Sub push): its collection, with trailing slashes, login by
email, `jwt`, an upload as `file` without a format, the list of all tasks, and /docs.
"""

import uuid

import pytest
import requests

from harness import edit_checks, measure, timecode, video_output
from harness.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("stack"), pytest.mark.xdist_group("proyecto_sw_nube")]

PASSWORD = "Contraseña1"
VIDEO_SECONDS, LOGO_SECONDS = 18, 1
# Scaled to fit 640×360 and padded; a 4:3 video is 480 pixels wide with bars on both sides.
FRAMED = "scale=640:360:force_original_aspect_ratio=decrease,pad=640:360:-1:-1"


@pytest.fixture(scope="module")
def api(shared_stack):
    return shared_stack.url + "/api"


@pytest.fixture(scope="module")
def name():
    return f"JoseLuis-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def signed_up(api, name):
    return requests.post(api + "/auth/signup", timeout=20, json={
        "username": name, "password1": PASSWORD, "password2": PASSWORD, "email": f"{name}@example.com"})


@pytest.fixture(scope="module")
def logged_in(api, name, signed_up):
    return requests.post(api + "/auth/login", json={"email": f"{name}@example.com", "password": PASSWORD}, timeout=20)


@pytest.fixture(scope="module")
def bearer(logged_in):
    return {"Authorization": "Bearer " + logged_in.json()["jwt"]}


@pytest.fixture(scope="module")
def task_ids(api, bearer, media):
    """Three audio tasks, uploaded as `file` with a format."""
    ids = []
    for _ in range(3):
        with open(media.tone("mp3"), "rb") as file:
            answer = requests.post(api + "/tasks/", headers=bearer, files={"file": file}, data={"newFormat": "ogg"}, timeout=60)
        assert answer.status_code == 201, answer.text
        ids.append(answer.json()["task"]["id"])
    return ids


def poll(api, bearer, task_id, seconds=120):
    def processed():
        task = requests.get(f"{api}/tasks/{task_id}", headers=bearer, timeout=20).json()
        assert task["status"] != "failed", task
        return task if task["status"] == "processed" else None
    return wait_for(processed, f"task {task_id} processed", seconds)


def test_signup(signed_up):
    assert signed_up.status_code == 201 and signed_up.json()["message"]


@pytest.mark.parametrize("email", ["", "joseluis", "jose luis@example.com", "@example.com", "joseluis@", "joseluis@example"])
def test_email_is_checked(api, email):
    answer = requests.post(api + "/auth/signup", timeout=20, json={
        "username": f"mail-{uuid.uuid4().hex[:8]}", "password1": PASSWORD, "password2": PASSWORD, "email": email})
    assert answer.status_code == 400 and "email" in answer.json()["message"]


def test_login_by_email(logged_in):
    assert logged_in.status_code == 200 and logged_in.json()["jwt"]


@pytest.mark.parametrize("path", ["/tasks/?max=2&order=1", "/tasks?max=2&order=1"])
def test_list(api, bearer, task_ids, path):
    answer = requests.get(api + path, headers=bearer, timeout=20)
    assert answer.status_code == 200
    assert [task["id"] for task in answer.json()] == task_ids[:-3:-1]


def test_all_tasks_are_for_operators(api, bearer, shared_stack, task_ids):
    operator = shared_stack.client()
    path = "/tasks/all?max=5&order=1"
    assert requests.get(api + path, headers=bearer, timeout=20).status_code == 403
    assert requests.get(api + path, timeout=20).status_code == 401
    shared_stack.sql(f"UPDATE users SET is_operator = true WHERE username = '{operator.username}'")
    answer = operator.get("/api" + path)
    assert answer.status_code == 200, answer.text
    newest = [task["id"] for task in answer.json()]
    assert newest == sorted(newest, reverse=True) and len(newest) <= 5 and newest[0] >= task_ids[-1]
    all_tasks = operator.get("/api/tasks/all", params={"max": 1000, "order": 1}).json()
    assert {task["id"] for task in all_tasks} >= set(task_ids)


def test_get_and_delete(api, bearer, task_ids):
    poll(api, bearer, task_ids[0])
    task = requests.get(f"{api}/tasks/{task_ids[0]}/", headers=bearer, timeout=20)
    assert task.status_code == 200 and task.json()["id"] == task_ids[0]
    answer = requests.delete(f"{api}/tasks/{task_ids[0]}", headers=bearer, timeout=20)
    assert answer.status_code == 200 and answer.json()["message"]
    assert requests.get(f"{api}/tasks/{task_ids[0]}", headers=bearer, timeout=20).status_code == 404


def test_docs(shared_stack):
    for path in ("/docs", "/docs/"):
        answer = requests.get(shared_stack.url + path, timeout=20)
        assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html")
    assert requests.get(shared_stack.url + "/openapi.json", timeout=20).json()["openapi"].startswith("3.1")


@pytest.fixture
def edited(api, bearer, media, tmp_path):
    """edited(seconds): makes and uploads a video of that length. Returns (video, path of the result, task)."""
    def edit(seconds):
        video = media.video(seconds, "320x240")
        with open(video, "rb") as file:
            answer = requests.post(api + "/tasks/", headers=bearer, files={"file": file}, timeout=60)
        assert answer.status_code == 201, answer.text
        task = poll(api, bearer, answer.json()["task"]["id"])
        result = requests.get(f"{api}/files/{task['file_id']}", headers=bearer, timeout=60)
        assert result.status_code == 200
        path = tmp_path / "result.mp4"
        path.write_bytes(result.content)
        return video, path, task
    return edit


def assert_edited(video, path, clip_seconds):
    assert video_output.video_stream(measure.probe(path))["codec_name"] == "h264"
    edit_checks.assert_part_of(path, timecode.timeline(video), 0, clip_seconds, edit_checks.Form("640x360", 30, 80 / 640, 560 / 640, LOGO_SECONDS))
    middle = clip_seconds / 2
    shown = video_output.picture(path, LOGO_SECONDS + middle)
    assert video_output.difference(shown, video_output.picture(video, middle, FRAMED)) < 2, "the clip is from the video, padded"


def test_first_eighteen_seconds_between_two_logos(edited):
    video, path, task = edited(30)
    assert task["kind"] == "edit" and len(task["outputs"]) == 1
    assert_edited(video, path, VIDEO_SECONDS)


def test_shorter_video_is_not_trimmed(edited):
    video, path, _ = edited(6)
    assert_edited(video, path, 6)


def test_not_a_video(api, bearer):
    answer = requests.post(api + "/tasks/", headers=bearer, files={"file": ("video.mp4", b"this is no video" * 100)}, timeout=60)
    assert answer.status_code == 201, answer.text
    task_id = answer.json()["task"]["id"]

    def failed():
        task = requests.get(f"{api}/tasks/{task_id}", headers=bearer, timeout=20).json()
        return task if task["status"] == "failed" else None
    assert wait_for(failed, "failure of the task", 60)["error"]["code"] == "invalid_media"
