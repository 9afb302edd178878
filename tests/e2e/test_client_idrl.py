"""
The client of idrl (video by URL; Flask, Redis, later Cloud Run with Pub/Sub push): its curl commands, with paths without
/api, password_2, login by email, `token`, max and order, and the double slash of its documentation.
"""

import mimetypes
import uuid

import pytest
import requests

from harness import edit_checks, measure, timecode, video_output
from harness.origin import Origin
from harness.stack import Stack
from harness.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("idrl")]

PASSWORD = "Admin123"
LOGO_SECONDS, PART_SECONDS = 1, 20
CROP = "crop=iw:iw*9/16"  # 16:9 by the width


@pytest.fixture(scope="module")
def origin():
    server = Origin()
    yield server
    server.close()


@pytest.fixture(scope="module")
def idrl(workdir, postgres, origin):
    """A stack that may fetch from the test's web server."""
    directory = workdir / "idrl"
    directory.mkdir()
    stack = Stack(directory, postgres, settings={"FETCH_ALLOW_HOSTS": origin.host})
    try:
        yield stack.start()
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def email():
    return f"admin-{uuid.uuid4().hex[:8]}@example.com"


@pytest.fixture(scope="module")
def signed_up(idrl, email):
    return requests.post(idrl.url + "/auth/signup", timeout=20, json={
        "username": email.partition("@")[0], "email": email, "password": PASSWORD, "password_2": PASSWORD})


@pytest.fixture(scope="module")
def logged_in(idrl, email, signed_up):
    return requests.post(idrl.url + "/auth/login", json={"email": email, "password": PASSWORD}, timeout=20)


@pytest.fixture(scope="module")
def bearer(logged_in):
    return {"Authorization": "Bearer " + logged_in.json()["token"]}


@pytest.fixture(scope="module")
def task_ids(idrl, bearer, media, origin):
    """Six audio tasks by URL."""
    ids = []
    for _ in range(6):
        answer = requests.post(idrl.url + "/tasks", headers=bearer, timeout=20, json={
            "url": published(origin, media.tone("mp3")), "newFormat": "ogg"})
        assert answer.status_code == 201, answer.text
        ids.append(answer.json()["task"]["id"])
    return ids


def published(origin, path):
    """Publishes a file. Returns its URL."""
    return origin.file("/" + path.name, path.read_bytes(), mimetypes.guess_type(path)[0])


def poll(stack, bearer, task_id, seconds=120):
    def processed():
        task = requests.get(f"{stack.url}/tasks/{task_id}", headers=bearer, timeout=20).json()
        assert task["status"] != "failed", task
        return task if task["status"] == "processed" else None
    return wait_for(processed, f"task {task_id} processed", seconds)


def download(stack, bearer, task, n, path):
    answer = requests.get(f"{stack.url}/api/files/{task['file_id']}", params={"n": n}, headers=bearer, timeout=60)
    assert answer.status_code == 200, answer.text
    path.write_bytes(answer.content)
    return path


def test_signup(signed_up):
    assert signed_up.status_code == 201 and signed_up.json()["message"]


@pytest.mark.parametrize("password, repeated", [("Adm123", "Adm123"), ("admin123", "admin123"), ("ADMIN123", "ADMIN123"),
                                                ("Adminabc", "Adminabc"), ("Admin123", "Admin124")])
def test_invalid_passwords(idrl, password, repeated):
    name = f"weak-{uuid.uuid4().hex[:8]}"
    answer = requests.post(idrl.url + "/auth/signup", timeout=20, json={
        "username": name, "email": f"{name}@example.com", "password": password, "password_2": repeated})
    assert answer.status_code == 400 and answer.json()["message"]


def test_login_by_email(logged_in):
    assert logged_in.status_code == 200
    assert logged_in.json()["token"] and logged_in.json()["expires_in"] == 3600


def test_wrong_password(idrl, email, signed_up):
    answer = requests.post(idrl.url + "/auth/login", json={"email": email, "password": "Admin124"}, timeout=20)
    assert answer.status_code == 401 and answer.json()["message"]


def test_task_by_url(idrl, bearer, task_ids, media, origin):
    task = poll(idrl, bearer, task_ids[0])
    assert task["url"] == published(origin, media.tone("mp3"))
    assert task["original_size"] == media.tone("mp3").stat().st_size


def test_list_with_max_and_order(idrl, bearer, task_ids):
    def listed(query):
        answer = requests.get(f"{idrl.url}/tasks?{query}", headers=bearer, timeout=20)
        assert answer.status_code == 200, answer.text
        return [task["id"] for task in answer.json()]

    assert listed("max=4&order=1") == task_ids[::-1][:4]
    assert listed("max=4&order=0") == task_ids[:4]


@pytest.mark.parametrize("path", ["/tasks/{}", "/tasks//{}", "/tasks/{}/", "//tasks//{}//"])
def test_slashes(idrl, bearer, task_ids, path):
    answer = requests.get(idrl.url + path.format(task_ids[1]), headers=bearer, timeout=20)
    assert answer.status_code == 200 and answer.json()["id"] == task_ids[1]


@pytest.mark.parametrize("url", ["https://example.com/video.avi", "video.mp4", "ftp://example.com/video.mp4", "", 5,
                                 "http://169.254.169.254/latest/video.mp4"])
def test_invalid_urls(idrl, bearer, url):
    answer = requests.post(idrl.url + "/tasks", headers=bearer, json={"url": url}, timeout=20)
    assert answer.status_code == 400 and answer.json()["message"]


def test_delete_with_a_double_slash(idrl, bearer, task_ids):
    poll(idrl, bearer, task_ids[2])
    answer = requests.delete(f"{idrl.url}/tasks//{task_ids[2]}", headers=bearer, timeout=20)
    assert answer.status_code == 200 and answer.json()["message"]
    assert requests.get(f"{idrl.url}/tasks/{task_ids[2]}", headers=bearer, timeout=20).status_code == 404


def test_delete_aborts_a_running_task(idrl, bearer, media, origin):
    source = media.noise(240)
    task_id = requests.post(idrl.url + "/tasks", headers=bearer, timeout=20, json={
        "url": published(origin, source), "newFormat": "mp3"}).json()["task"]["id"]
    zygote = set(idrl.worker.descendants()[:1])

    def running():
        task = requests.get(f"{idrl.url}/tasks/{task_id}", headers=bearer, timeout=20).json()
        return task["status"] == "processing" and set(idrl.worker.descendants()) - zygote
    wait_for(running, "a child at work", 30, 0.01)
    assert requests.delete(f"{idrl.url}/tasks/{task_id}", headers=bearer, timeout=20).status_code == 200
    wait_for(lambda: not set(idrl.worker.descendants()) - zygote, "end of the child", 2)


@pytest.fixture
def edited(idrl, bearer, media, origin):
    """edited(seconds): makes a video of that length and a task for it. Returns the processed task and the video."""
    def edit(seconds):
        video = media.video(seconds, "320x240")
        answer = requests.post(idrl.url + "/tasks", headers=bearer, json={"url": published(origin, video)}, timeout=20)
        assert answer.status_code == 201, answer.text
        return poll(idrl, bearer, answer.json()["task"]["id"]), video
    return edit


def assert_part(path, video, clip_starts, clip_seconds):
    """A second of logo, the clip, a second of logo; cropped to 16:9, 24 frames per second, H.264."""
    assert video_output.video_stream(measure.probe(path))["codec_name"] == "h264"
    edit_checks.assert_part_of(path, timecode.timeline(video), clip_starts, clip_seconds, edit_checks.Form("320x180", 24, logo=LOGO_SECONDS))
    at = clip_seconds / 2
    shown = video_output.picture(path, LOGO_SECONDS + at)
    assert video_output.difference(shown, video_output.picture(video, clip_starts + at, CROP)) < 2, "the clip is from the video"


def test_short_video_is_one_part(idrl, bearer, edited, tmp_path):
    task, video = edited(8)
    assert task["status"] == "processed" and len(task["outputs"]) == 1
    assert_part(download(idrl, bearer, task, 0, tmp_path / "part.mp4"), video, 0, 8)


def test_exactly_twenty_seconds_are_one_part(idrl, bearer, edited, tmp_path):
    task, video = edited(20)
    assert len(task["outputs"]) == 1
    assert_part(download(idrl, bearer, task, 0, tmp_path / "part.mp4"), video, 0, 20)


def test_long_video_is_split_into_parts_of_twenty_seconds(idrl, bearer, edited, tmp_path):
    task, video = edited(45)
    assert [(output["n"], output["file_name"]) for output in task["outputs"]] == [(n, f"{video.stem}-{n + 1}.mp4") for n in range(3)]
    for n, seconds in enumerate((PART_SECONDS, PART_SECONDS, 5)):
        part = download(idrl, bearer, task, n, tmp_path / f"part{n}.mp4")
        assert part.stat().st_size == task["outputs"][n]["size"]
        assert_part(part, video, n * PART_SECONDS, seconds)


def test_delete_removes_all_parts(idrl, bearer, edited):
    task, _ = edited(21)
    names = [name for name in idrl.objects() if task["file_id"] in name]
    assert len(names) >= 2
    assert requests.delete(f"{idrl.url}/tasks//{task['id']}", headers=bearer, timeout=20).status_code == 200
    wait_for(lambda: not set(names) & set(idrl.objects()), "removal of the parts")
