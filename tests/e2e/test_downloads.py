"""Downloads by signed URL, by a link without login, and by the uploaded name."""

import base64
import datetime
import hashlib
import json
import secrets
import urllib.parse

import pytest
import requests

from harness.stack import ACCOUNT, BUCKET, Stack
from test_files import NAMES, disposition

pytestmark = [pytest.mark.sanitized, pytest.mark.xdist_group("downloads"), pytest.mark.sequential]


@pytest.fixture(scope="module")
def redirecting(workdir, postgres):
    """A stack whose web redirects downloads to storage."""
    directory = workdir / "redirecting"
    directory.mkdir()
    stack = Stack(directory, postgres, web_settings={"DOWNLOAD_MODE": "redirect"})
    try:
        yield stack.start()
    finally:
        stack.stop()


def result_of(stack, media, name="tone.wav"):
    user = stack.client()
    return user, user.finish(user.upload(media.tone("wav", seconds=2), "mp3", name=name))


@pytest.fixture(scope="module")
def result(redirecting, media):
    """(user, task) on the redirecting stack."""
    return result_of(redirecting, media)


def path_of(task):
    return f"/api/files/{task['file_id']}"


def signed_url(result, method="GET"):
    user, task = result
    answer = user.request(method, path_of(task), allow_redirects=False)
    assert answer.status_code == 302, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.headers["Location"]


def test_redirect(redirecting, result):
    user, task = result
    url = signed_url(result)
    assert url.startswith(f"{redirecting.emulator.url}/{BUCKET}/")
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
    assert query["X-Goog-Expires"] == ["900"] and query["X-Goog-Algorithm"] == ["GOOG4-RSA-SHA256"]
    assert "@" in query["X-Goog-Credential"][0]
    followed = user.get(path_of(task))
    assert followed.history[0].status_code == 302 and followed.status_code == 200
    assert followed.headers["Content-Type"] == "audio/mpeg"
    assert len(followed.content) == task["processed_size"]
    assert "X-Goog-Signature" not in redirecting.web.whole_log()


def test_redirect_of_head(result):
    user, task = result
    head = user.request("HEAD", path_of(task), allow_redirects=True)
    assert head.history[0].status_code == 302 and head.status_code == 200 and head.content == b""
    assert int(head.headers["Content-Length"]) == task["processed_size"]
    assert disposition(head)[1] == "tone.mp3"


def test_redirect_keeps_ranges(result):
    user, task = result
    whole = user.download(task)
    part = user.get(path_of(task), headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == whole[10:20]


@pytest.mark.parametrize("name", [name for name in NAMES if '"' not in name])
def test_redirect_names(redirecting, media, name):
    user, task = result_of(redirecting, media, name)
    stem = task["original_file"].rpartition(".")[0] or task["original_file"]
    answer = user.get(path_of(task))
    assert answer.status_code == 200 and disposition(answer)[1] == f"{stem}.mp3"


def test_redirect_after_all_checks(redirecting, result):
    user, task = result
    for client, path, status in [
            (redirecting.anonymous(), path_of(task), 401), (redirecting.client(), path_of(task), 404),
            (user, path_of(task) + "?n=9", 404), (user, "/api/files/nothing.wav", 404)]:
        assert client.get(path, allow_redirects=False).status_code == status


def test_redirect_allows_other_origins(result):
    url = signed_url(result)
    answer = requests.get(url, headers={"Origin": "https://app.example"}, timeout=10)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Disposition" in answer.headers["Access-Control-Expose-Headers"]


def flip(text):
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def test_forged(result):
    url = signed_url(result)
    path = urllib.parse.urlsplit(url).path
    forgeries = [
        flip(url), url.replace(path, path + "x"), url.replace("X-Goog-Expires=900", "X-Goog-Expires=604800"),
        url.replace("attachment", "inline"), url.replace("audio%2Fmpeg", "text%2Fhtml"), url + "&response-cache-control=public",
        url.partition("&X-Goog-Signature=")[0] + "&X-Goog-Signature=",
    ]
    for forged in forgeries:
        assert forged != url
        assert requests.get(forged, timeout=10).status_code in (400, 403), forged
    assert requests.delete(url, timeout=10).status_code == 403
    assert requests.put(url, data=b"x", timeout=10).status_code == 403
    assert requests.head(url, timeout=10).status_code == 403
    assert requests.get(url, timeout=10).status_code == 200


def test_expired(redirecting, result):
    """Valid signature, but the time is over."""
    url = urllib.parse.urlsplit(signed_url(result))
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=16)
    stamp, day = past.strftime("%Y%m%dT%H%M%SZ"), past.strftime("%Y%m%d")
    query = dict(urllib.parse.parse_qsl(url.query))
    del query["X-Goog-Signature"]
    query["X-Goog-Date"] = stamp
    account = query["X-Goog-Credential"].partition("/")[0]
    scope = f"{day}/auto/storage/goog4_request"
    query["X-Goog-Credential"] = f"{account}/{scope}"
    canonical_query = urllib.parse.urlencode(sorted(query.items()), quote_via=urllib.parse.quote, safe="-._~")
    canonical = f"GET\n{url.path}\n{canonical_query}\nhost:{url.hostname}\n\nhost\nUNSIGNED-PAYLOAD"
    to_sign = f"GOOG4-RSA-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    blob = requests.post(f"{redirecting.emulator.url}/v1/projects/-/serviceAccounts/{account}:signBlob", timeout=10,
                         json={"payload": base64.b64encode(to_sign.encode()).decode()}).json()["signedBlob"]
    signature = base64.b64decode(blob).hex()

    def get(changed):
        return requests.get(f"{url.scheme}://{url.netloc}{url.path}?{changed}&X-Goog-Signature={signature}", timeout=10)

    answer = get(canonical_query)
    assert answer.status_code == 400 and "expired" in answer.text
    # With a newer date it has not expired, but the signature no longer matches.
    assert get(canonical_query.replace(stamp, datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ"))) \
        .status_code == 403


def test_signed_by_a_key_file(make_stack, media, tmp_path):
    stack = make_stack(start=False, web_settings={"DOWNLOAD_MODE": "redirect", "IAM_CREDENTIALS_URL": "http://127.0.0.1:1"})
    stack.emulator.start()
    stack.emulator.stop()
    key = tmp_path / "key.json"
    key.write_text(json.dumps({
        "type": "service_account", "client_email": ACCOUNT, "private_key_id": "k", "project_id": "p", "token_uri": "http://127.0.0.1:1",
        "private_key": (stack.emulator.data / "identity" / "key.pem").read_text()}))
    stack.web.env["GOOGLE_APPLICATION_CREDENTIALS"] = str(key)
    stack.start()
    user, task = result_of(stack, media)
    answer = user.get(path_of(task))
    assert answer.status_code == 200 and len(answer.content) == task["processed_size"]
    assert urllib.parse.quote(ACCOUNT, safe="") in answer.history[0].headers["Location"]


def test_signing_fails(make_stack, media):
    stack = make_stack(web_settings={"DOWNLOAD_MODE": "redirect", "IAM_CREDENTIALS_URL": "http://127.0.0.1:1"})
    user, task = result_of(stack, media)
    assert user.get(path_of(task)).status_code == 503
    assert user.get("/api-health").status_code == 200


def make_link(stack, task, seconds=3600):
    token = secrets.token_urlsafe(32)
    stack.sql(f"INSERT INTO download_links VALUES ('{hashlib.sha256(token.encode()).hexdigest()}', {task['id']},"
              f" now() + interval '{seconds} seconds')")
    return token


@pytest.fixture(params=["stream", "redirect"])
def linked(request, media):
    """(stack, user, task) in both modes."""
    stack = request.getfixturevalue("stack" if request.param == "stream" else "redirecting")
    return (stack, *result_of(stack, media))


def test_link(linked):
    stack, user, task = linked
    token = make_link(stack, task)
    anonymous, url = stack.anonymous(), f"{path_of(task)}?token={token}"
    answer = anonymous.get(url)
    assert answer.status_code == 200 and answer.content == user.download(task)
    assert disposition(answer)[1] == "tone.mp3"
    assert anonymous.request("HEAD", url, allow_redirects=True).status_code == 200
    assert anonymous.get(url, headers={"Range": "bytes=0-9"}).status_code == 206
    assert anonymous.get(url + "&n=0").status_code == 200
    assert anonymous.get(url + "&n=1").status_code == 404
    assert stack.client().get(url).status_code == 200  # also with the token of another user
    assert token not in stack.web.whole_log()


def test_invalid_links(stack, media):
    user, task = result_of(stack, media)
    _, other = result_of(stack, media)
    token, expired = make_link(stack, task), make_link(stack, task, 0)
    anonymous = stack.anonymous()
    refused = [
        (task["file_id"], "wrong"), (task["file_id"], ""), (task["file_id"], token[:-1]), (task["file_id"], expired),
        (other["file_id"], token), (task["id"], token), (task["original_file"], token),
        (task["file_id"], "x" * 3000), (task["file_id"], hashlib.sha256(token.encode()).hexdigest()),
    ]
    for key, given in refused:
        answer = anonymous.get(f"/api/files/{urllib.parse.quote(str(key))}", params={"token": given})
        assert answer.status_code == 401, (key, given, answer.text)
        assert answer.json()["code"] == "bad_link" and "expired" in answer.json()["message"]
    assert anonymous.get(path_of(task)).status_code == 401
    assert anonymous.get(f"/api/tasks/{task['id']}?token={token}").status_code == 400  # the route has no such parameter
    assert anonymous.delete(f"/api/tasks/{task['id']}?token={token}").status_code == 400
    assert anonymous.get(f"{path_of(task)}?token={token}").status_code == 200
    user.delete(f"/api/tasks/{task['id']}")
    assert anonymous.get(f"{path_of(task)}?token={token}").status_code == 401


def test_expired_links_are_swept(stack, media):
    _, task = result_of(stack, media)
    token = make_link(stack, task)
    make_link(stack, task, 0)
    stack.sweep_whole()
    assert stack.sql(f"SELECT token_hash FROM download_links WHERE task_id = {task['id']}") == \
        [[hashlib.sha256(token.encode()).hexdigest()]]


@pytest.mark.parametrize("name", ["plain.wav", "with blank.wav", "Ünïcödé 音楽 🎵.wav", "percent%41.wav", "semi;colon?.wav", "no extension",
                                  "12", "a&b=c#d.wav", "apostrophe's.wav"])
def test_by_name(stack, media, name):
    user, task = result_of(stack, media, name)
    answer = user.get(f"/api/files/{urllib.parse.quote(name, safe='')}")
    assert answer.status_code == 200 and len(answer.content) == task["processed_size"]
    assert stack.client().get(f"/api/files/{urllib.parse.quote(name, safe='')}").status_code == 404


def test_newest_file_of_a_name(stack, media):
    user = stack.client()
    older = user.finish(user.upload(media.tone("wav", seconds=2), "mp3", name="same.wav"))
    newer = user.finish(user.upload(media.tone("wav", seconds=2), "ogg", name="same.wav"))
    assert disposition(user.get("/api/files/same.wav"))[1] == "same.ogg"
    assert len(user.get("/api/files/same.wav").content) == newer["processed_size"]
    assert disposition(user.get(path_of(older)))[1] == "same.mp3"
    assert user.get("/api/files/Same.wav").status_code == 404
    user.delete(f"/api/tasks/{newer['id']}")
    assert disposition(user.get("/api/files/same.wav"))[1] == "same.mp3"
