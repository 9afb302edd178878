"""Cases of uploads, files and probes."""

import uuid

import requests

from ..contract_environment import DIRECT_UPLOAD_MAX
from .table import case


def begin_upload(env, size):
    answer = env.user.post("/api/uploads", json={"fileName": "tone.mp3", "size": size, "contentType": "audio/mpeg"})
    assert answer.status_code == 201, answer.text
    return answer.json()


@case("createUpload", 201)
def _as_json(env, call):
    return call(who=env.user, json={"fileName": "a.wav", "size": 1}, headers={"Origin": "https://app.example.com"})


@case("createUpload", 201)
def _as_form(env, call):
    return call(who=env.user, data={"fileName": "a.wav", "size": "1000", "contentType": "audio/wav"})


@case("createUpload", 400)
def _without_a_size(env, call):
    return call(who=env.user, json={"fileName": "a.wav"})


@case("createUpload", 413)
def _over_the_limit(env, call):
    return call(who=env.user, json={"fileName": "a.wav", "size": DIRECT_UPLOAD_MAX + 1})


@case("createUpload", 403)
def _with_too_many_bytes(env, call):
    return call(who=env.user_over("stored_bytes"), json={"fileName": "a.wav", "size": 1})


@case("createUpload", 429)
def _with_many_open(env, call):
    return call(who=env.user_over("uploads"), json={"fileName": "a.wav", "size": 1})


@case("probe", 403)
def _probe_with_too_many_bytes(env, call):
    return call(who=env.user_over("stored_bytes"), json={"url": "https://example.com/a.wav"})


@case("probe", 429)
def _probe_with_a_full_queue(env, call):
    return call(who=env.user_over("tasks"), json={"url": "https://example.com/a.wav"})


@case("getFile", 200)
def _whole(env, call):
    answer = call(who=env.user, path={"file_id": env.done["file_id"]}, params={"n": 0})
    assert len(answer.content) == env.done["processed_size"]
    return answer


@case("getFile", 200)
def _by_its_uploaded_name(env, call):
    newest = env.user.finish(env.new_task("ogg"))  # other cases may have left tasks of this name unfinished
    return call(who=env.user, path={"file_id": newest["original_file"]})


@case("getFile", 206)
def _a_range(env, call):
    return call(who=env.user, path={"file_id": env.done["file_id"]}, headers={"Range": "bytes=0-9"})


@case("getFile", 302)
def _by_redirect(env, call):
    """This needs another setting, so web is restarted with it, and then without it."""
    web = env.stack.web
    web.env["DOWNLOAD_MODE"] = "redirect"
    web.restart()
    try:
        answer = call(who=env.user, path={"file_id": env.done["file_id"]})
        assert len(requests.get(answer.headers["Location"], timeout=20).content) == env.done["processed_size"]
        return answer
    finally:
        del web.env["DOWNLOAD_MODE"]
        web.restart()


@case("getFile", 400)
def _of_a_failed_task(env, call):
    task = env.user.wait(env.user.upload(b"this is no media" * 100, "wav", name="b.mp3"))
    return call(who=env.user, path={"file_id": task["file_id"]})


@case("getFile", 404)
def _of_another_user(env, call):
    return call(who=env.other, path={"file_id": env.done["file_id"]})


@case("getFile", 416)
def _beyond_the_end(env, call):
    return call(who=env.user, path={"file_id": env.done["file_id"]}, headers={"Range": "bytes=999999999-"})


@case("probe", 200)
def _of_a_form(env, call):
    with open(env.media.tone("mp3"), "rb") as file:
        answer = call(who=env.user, files={"fileName": file})
    assert answer.json()["probe"]["container"] == "mp3"
    return answer


@case("probe", 200)
def _of_a_finished_upload(env, call):
    data = env.media.tone("mp3").read_bytes()
    upload = begin_upload(env, len(data))
    assert requests.put(upload["upload_url"], data=data, timeout=20).status_code == 200
    return call(who=env.user, data={"upload_id": upload["upload_id"]})


@case("probe", 200)
def _with_previews(env, call):
    data = env.media.tone("mp3").read_bytes()
    answer = call(who=env.user, files={"fileName": ("a.mp3", data)}, data={"options": '{"waveform": {"points": 64}, "filmstrip": {"frames": 2}}'})
    assert len(answer.json()["task"]["outputs"]) == 1
    return answer


@case("probe", 202)
def _while_the_worker_is_stopped(env, call):
    with env.worker_stopped():
        answer = call(who=env.user, files={"file": ("a.mp3", env.media.tone("mp3").read_bytes())})
    task = env.user.finish(answer.json()["task"])
    assert task["kind"] == "probe" and task["result"]["input"]["container"] == "mp3"
    return answer


@case("probe", 400)
def _not_media(env, call):
    return call(who=env.user, files={"fileName": ("a.mp3", b"this is no media" * 100)})


@case("probe", 400)
def _without_source(env, call):
    return call(who=env.user, json={})


@case("probe", 404)
def _of_an_unknown_upload(env, call):
    return call(who=env.user, json={"upload_id": str(uuid.uuid4())})


@case("probe", 409)
def _of_an_unfinished_upload(env, call):
    return call(who=env.user, json={"upload_id": begin_upload(env, 5)["upload_id"]})


@case("getFile", 304)
def _already_there(env, call):
    etag = call(who=env.user, path={"file_id": env.done["file_id"]}).headers["ETag"]
    assert call(who=env.user, path={"file_id": env.done["file_id"]}, headers={"If-None-Match": '"other"'}).status_code == 200
    head = env.user.request("HEAD", f"/api/files/{env.done['file_id']}", headers={"Range": "bytes=0-1", "If-Match": etag})
    assert head.status_code == 200 and int(head.headers["Content-Length"]) == env.done["processed_size"]
    return call(who=env.user, path={"file_id": env.done["file_id"]}, headers={"If-None-Match": f'"x", W/{etag}'})


@case("getFile", 412)
def _of_another_state(env, call):
    return call(who=env.user, path={"file_id": env.done["file_id"]}, headers={"If-Match": '"other"'})


@case("createLink", 201)
def _a_link_for_a_day(env, call):
    answer = call(who=env.user, path={"id": env.done["id"]}, json={"expires_in": 86400})
    link = answer.json()["url"]
    assert requests.get(link, timeout=20).content == env.user.download(env.done)
    assert link.partition("token=")[2] not in env.stack.web.whole_log()
    return answer


@case("createLink", 201)
def _a_link_without_a_body(env, call):
    return call(who=env.user, path={"id": env.done["file_id"]}, check_request=False)


@case("createLink", 400)
def _a_link_for_too_long(env, call):
    assert call(who=env.user, path={"id": env.done["id"]}, json={"until": 1}).json()["code"] == "unknown_field"
    return call(who=env.user, path={"id": env.done["id"]}, json={"expires_in": 31 * 86400})


@case("createLink", 404)
def _a_link_to_the_task_of_another_user(env, call):
    return call(who=env.other, path={"id": env.done["id"]})


@case("createLink", 409)
def _too_many_links(env, call):
    task = env.records_task()["id"]
    env.stack.sql("INSERT INTO download_links (token_hash, task_id, expires_at) "
                  f"SELECT {task} || '-' || n, {task}, now() + interval '1 h' FROM generate_series(1, 100) n RETURNING id")
    return call(who=env.user, path={"id": task})


@case("listLinks", 200)
def _links(env, call):
    made = env.user.post(f"/api/tasks/{env.done['id']}/links", json={"expires_in": 60}).json()
    answer = call(who=env.user, path={"id": env.done["id"]})
    assert made["id"] in [one["id"] for one in answer.json()] and made["url"].partition("token=")[2] not in answer.text
    return answer


@case("listLinks", 404)
def _links_of_another_user(env, call):
    return call(who=env.other, path={"id": env.done["id"]})


@case("deleteLink", 200)
def _a_revoked_link(env, call):
    made = env.user.post(f"/api/tasks/{env.done['id']}/links").json()
    answer = call(who=env.user, path={"id": env.done["id"], "link_id": made["id"]})
    assert requests.get(made["url"], timeout=20).json()["code"] == "bad_link"
    return answer


@case("deleteLink", 404)
def _a_link_of_another_task(env, call):
    made = env.user.post(f"/api/tasks/{env.done['id']}/links").json()
    assert call(who=env.other, path={"id": env.done["id"], "link_id": made["id"]}).status_code == 404
    return call(who=env.user, path={"id": env.records_task()["id"], "link_id": made["id"]})
