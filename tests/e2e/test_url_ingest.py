"""Tasks that name a URL: what is fetched, what is refused, and that nobody inside is ever asked."""

import pytest

from harness.webhook import Certificate
from harness.origin import Origin
from harness.stack import Stack
from harness.waiting import wait_for
from harness import measure

FAILED_AT = {"post": 400, "task": 201}


class World:
    """An origin that the operator names (also by https), inside servers that nobody names, and a stack between them."""

    def __init__(self, make, directory, **worker_settings):
        self.certificate = Certificate(directory)
        self.origin, self.secure = Origin(), Origin(certificate=self.certificate)
        self.inside, self.inside6 = inside_servers()
        proxy = {name: self.inside.url for name in ("http_proxy", "https_proxy", "ALL_PROXY")}
        self.stack = make(settings={"FETCH_ALLOW_HOSTS": f"{self.origin.host},{self.secure.host}",
                                    "TLS_CA_FILE": self.certificate.file},
                          worker_settings={"MAX_ATTEMPTS": 1, **proxy, **worker_settings})
        self.user = self.stack.client()

    def close(self):
        for server in (self.origin, self.secure, self.inside, self.inside6):
            server.close()

    def order(self, url, new_format="mp3", **fields):
        return self.user.post("/api/tasks", json={"url": url, "newFormat": new_format, **fields})

    def task(self, url, new_format="mp3", **fields):
        answer = self.order(url, new_format, **fields)
        assert answer.status_code == 201, answer.text
        return answer.json()["task"]

    def fail(self, url, seconds=60):
        """The error of a task that has to fail, and leaves nothing behind."""
        task = self.user.wait(self.task(url), seconds)
        assert task["status"] == "failed", task
        assert objects_of(self.stack, task) == []
        return task["error"]

    def inside_connections(self):
        return self.inside.connections + self.inside6.connections


def inside_servers():
    """Two servers on one port: of 127.0.0.1 and of ::1."""
    for _ in range(20):
        inside = Origin()
        try:
            return inside, Origin("::1", inside.port)
        except OSError:
            inside.close()
    raise AssertionError("no port is free for both families")


def objects_of(stack, task, prefix=""):
    return [name for name in stack.objects() if task["file_id"] in name and name.startswith(prefix)]


@pytest.fixture(scope="module")
def world(tmp_path_factory, postgres):
    """Shared by the tests of this file; large files are refused early, slow ones soon."""
    def make(**kwargs):
        return Stack(tmp_path_factory.mktemp("ingest"), postgres, **kwargs).start()

    made = World(make, tmp_path_factory.mktemp("tls"), MAX_FETCH_BYTES=4 << 20, FETCH_TIMEOUT_SECONDS=3)
    yield made
    made.close()
    made.stack.stop()


@pytest.fixture
def make_world(make_stack, tmp_path):
    made = []

    def make(**worker_settings):
        made.append(World(make_stack, tmp_path, **worker_settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


# ---- files --------------------------------------------------------------------------------

@pytest.mark.sanitized
@pytest.mark.parametrize("source,target,content_type", [
    ("wav", "mp3", "audio/wav"), ("mp3", "wav", "audio/mpeg"), ("ogg", "flac", "application/ogg"),
    ("m4a", "mp3", "application/octet-stream"), ("flac", "wav", None), ("opus", "mp3", "binary/octet-stream")])
def test_a_url_becomes_a_result(world, media, tmp_path, source, target, content_type):
    path = media.tone(source, seconds=2)
    url = world.origin.file(f"/songs/a tone.{source}".replace(" ", "%20"), path.read_bytes(), content_type)
    task = world.task(url + "?token=secret", target)
    assert task["url"] == url + "?token=secret"
    done = world.user.finish(task)
    assert done["original_file"] == f"a tone.{source}" and done["original_format"] == source
    assert done["original_size"] == path.stat().st_size and done["progress"] == 100
    assert done["processed_file"] == f"a tone.{target}"
    world.user.download(done, tmp_path / f"out.{target}")
    samples = measure.samples(tmp_path / f"out.{target}")
    assert abs(measure.duration(samples) - 2) < 0.2 and abs(measure.frequency(measure.middle(samples)) - 440) < 2
    assert len(objects_of(world.stack, done, "inputs/")) == 1
    assert world.stack.sql(f"SELECT count(*) FROM stray_objects WHERE name LIKE '%{done['file_id']}%'") == [["0"]]


@pytest.mark.parametrize("path,headers,name", [
    ("/get", [("Content-Disposition", 'attachment; filename="The song.wav"')], "The song.wav"),
    ("/get2", [("Content-Disposition", "attachment; filename=x.wav; filename*=UTF-8''na%C3%AFve.wav")], "naïve.wav"),
    ("/get3", [("Content-Disposition", 'attachment; filename="../../etc/evil.wav"')], "evil.wav"),
    ("/stream", [], "stream.wav"),
    ("/watch", [("Content-Disposition", "inline")], "watch.wav"),
    ("/named.WAV", [("Content-Disposition", "attachment; filename=other.wav")], "named.WAV"),
])
def test_how_a_file_is_named(world, media, path, headers, name):
    url = world.origin.file(path, media.tone().read_bytes(), "audio/wav", headers)
    done = world.user.finish(world.task(url))
    assert done["original_file"] == name and done["original_format"] == "wav"
    assert done["processed_file"] == name.rsplit(".", 1)[0] + ".mp3"


def test_a_new_generation_does_not_fetch_again(world, media):
    url = world.origin.file("/once.wav", media.tone().read_bytes(), "audio/wav")
    done = world.user.finish(world.task(url))
    answer = world.user.request("PUT", f"/api/tasks/{done['id']}", json={"newFormat": "flac"})
    assert answer.status_code == 200, answer.text
    again = world.user.finish(done)
    assert again["processed_format"] == "flac" and world.origin.hits["/once.wav"] == 1
    assert len(objects_of(world.stack, again, "inputs/")) == 1


def test_a_new_generation_may_fetch_what_was_missing(world, media):
    found = world.origin.file("/found.wav", media.tone().read_bytes(), "audio/wav").removeprefix(world.origin.url)
    task = world.task(world.origin.status("/missing.wav", 404, then=world.origin.routes[found]))
    assert world.user.wait(task)["error"]["code"] == "fetch_failed"
    answer = world.user.request("PUT", f"/api/tasks/{task['id']}", json={"newFormat": "flac"})
    assert answer.status_code == 200, answer.text
    assert world.user.finish(task)["original_size"] > 0


def test_memory_does_not_grow_with_the_file(make_world):
    world = make_world()
    body = b"RIFF\xff\xff\xff\x7fWAVEjunk" + bytes(96 << 20)
    before = world.stack.worker.peak_rss_mib()
    task = world.user.wait(world.task(world.origin.file("/big.wav", body, "audio/wav")), 120)
    assert task["status"] == "failed" and task["error"]["code"] not in ("too_large", "fetch_failed"), task
    assert task["original_size"] == len(body)
    assert world.stack.worker.peak_rss_mib() - before < 40


@pytest.mark.sanitized
def test_https_is_verified(world, make_world, media):
    """By the authorities of TLS_CA_FILE beside the system's; and a redirect may lead from https to http."""
    body = media.tone().read_bytes()
    url = world.secure.file("/secure.wav", body, "audio/wav")
    world.user.finish(world.task(url))
    world.origin.file("/from-https.wav", body, "audio/wav")
    world.user.finish(world.task(world.secure.redirect("/down", world.origin.url + "/from-https.wav")))
    strict = make_world(TLS_CA_FILE="")
    error = strict.fail(strict.secure.file("/secure.wav", body, "audio/wav"))
    assert error["code"] == "fetch_failed" and "certificate" in error["detail"], error
    assert strict.secure.hits["/secure.wav"] == 0


# ---- redirects -----------------------------------------------------------------------------

@pytest.mark.sanitized
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(world, media, code):
    world.origin.file("/target/tone.wav", media.tone().read_bytes(), "audio/wav")
    world.origin.redirect(f"/r{code}/b", "../target/tone.wav", code)
    url = world.origin.redirect(f"/r{code}/a", f"{world.origin.url}/r{code}/b#x", code)
    world.user.finish(world.task(url))


@pytest.mark.parametrize("hops,code", [(5, None), (6, "too_many_redirects")])
def test_redirects_are_counted(world, media, hops, code):
    for hop in range(hops):
        world.origin.redirect(f"/hop{hops}/{hop}", f"/hop{hops}/{hop + 1}")
    world.origin.file(f"/hop{hops}/{hops}", media.tone().read_bytes(), "audio/wav")
    url = f"{world.origin.url}/hop{hops}/0"
    if code:
        assert world.fail(url)["code"] == code
        assert world.origin.hits[f"/hop{hops}/{hops}"] == 0
    else:
        world.user.finish(world.task(url))


def test_circles_are_seen(world):
    world.origin.redirect("/circle/b", "/circle/a")
    assert world.fail(world.origin.redirect("/circle/a", "b"))["code"] == "redirect_loop"
    assert world.origin.hits["/circle/a"] == 1 and world.origin.hits["/circle/b"] == 1


# ---- the inside ------------------------------------------------------------------------------

# {p}: the port of the inside servers, {o}: host and port of the origin, which is allowed.
INSIDE = [
    ("http://127.0.0.1:{p}/", "post", "address_refused"),
    ("https://127.0.0.1:{p}/", "post", "address_refused"),
    ("http://127.0.0.1.:{p}/", "post", "address_refused"),
    ("http://127.1:{p}/", "post", "address_refused"),
    ("http://127.0.1:{p}/", "post", "address_refused"),
    ("http://2130706433:{p}/", "post", "address_refused"),
    ("http://017700000001:{p}/", "post", "address_refused"),
    ("http://0177.0.0.1:{p}/", "post", "address_refused"),
    ("http://0x7f.1:{p}/", "post", "address_refused"),
    ("http://0x7f000001:{p}/", "post", "address_refused"),
    ("http://%31%32%37.0.0.1:{p}/", "post", "address_refused"),
    ("http://１２７.0.0.1:{p}/", "post", "url_malformed"),
    ("http://127.0.0.1%00.example.com:{p}/", "post", "url_malformed"),
    ("http://0:{p}/", "post", "address_refused"),
    ("http://0.0.0.0:{p}/", "post", "address_refused"),
    ("http://[::]:{p}/", "post", "address_refused"),
    ("http://[::1]:{p}/", "post", "address_refused"),
    ("http://[0:0:0:0:0:0:0:1]:{p}/", "post", "address_refused"),
    ("http://[::1%25lo]:{p}/", "post", "address_refused"),
    ("http://[::ffff:127.0.0.1]:{p}/", "post", "address_refused"),
    ("http://[::ffff:7f00:1]:{p}/", "post", "address_refused"),
    ("http://[::127.0.0.1]:{p}/", "post", "address_refused"),
    ("http://[64:ff9b::7f00:1]:{p}/", "post", "address_refused"),
    ("http://[2002:7f00:1::]:{p}/", "post", "address_refused"),
    ("http://[fe80::1]:{p}/", "post", "address_refused"),
    ("http://[fc00::1]:{p}/", "post", "address_refused"),
    ("http://[ff02::1]:{p}/", "post", "address_refused"),
    ("http://169.254.169.254/computeMetadata/v1/", "post", "address_refused"),
    ("http://2852039166/latest/meta-data/", "post", "address_refused"),
    ("http://[fd00:ec2::254]/latest/", "post", "address_refused"),
    ("http://10.0.0.1/", "post", "address_refused"),
    ("http://172.16.0.1/", "post", "address_refused"),
    ("http://192.168.0.1/", "post", "address_refused"),
    ("http://100.64.0.1/", "post", "address_refused"),
    ("http://198.18.0.1/", "post", "address_refused"),
    ("http://203.0.113.1/", "post", "address_refused"),
    ("http://224.0.0.1/", "post", "address_refused"),
    ("http://255.255.255.255/", "post", "address_refused"),
    ("http://user:pass@127.0.0.1:{p}/", "post", "url_credentials"),
    ("http://{o}@127.0.0.1:{p}/", "post", "url_credentials"),
    ("http://allowed@{o}/", "post", "url_credentials"),
    ("http://{o}\\@127.0.0.1:{p}/", "post", "url_credentials"),
    ("ftp://127.0.0.1:{p}/", "post", "url_scheme"),
    ("file:///etc/passwd", "post", "url_scheme"),
    ("gopher://127.0.0.1:{p}/_GET", "post", "url_scheme"),
    ("dict://127.0.0.1:{p}/x", "post", "url_scheme"),
    ("javascript:alert(1)", "post", "url_scheme"),
    ("data:audio/wav;base64,UklGRg==", "post", "url_scheme"),
    ("//127.0.0.1:{p}/", "post", "url_scheme"),
    ("http://exa\r\nmple.com/", "post", "url_malformed"),
    ("http://" + "a" * 3000, "post", "url_malformed"),
    ("http://localhost:{p}/", "task", "address_refused"),
    ("http://LOCALHOST:{p}/", "task", "address_refused"),
    ("http://LOCALHOST.:{p}/", "task", "address_refused|fetch_failed"),  # not every resolver takes it for the name
    ("http://metadata.google.internal/computeMetadata/v1/", "task", "address_refused|fetch_failed"),
]


@pytest.mark.sanitized
@pytest.mark.parametrize("form,where,codes", INSIDE, ids=[f"{form[:40]!a}" for form, _, _ in INSIDE])
def test_the_inside_is_out_of_reach(world, form, where, codes):
    url = form.format(p=world.inside.port, o=world.origin.host)
    answer = world.order(url)
    assert answer.status_code == FAILED_AT[where], answer.text
    if where == "post":
        problem = answer.json()
        assert problem["code"] == codes and problem["detail"].startswith("url: "), problem
        said = problem["detail"]
    else:
        task = world.user.wait(answer.json()["task"])
        assert task["status"] == "failed" and task["error"]["code"] in codes.split("|"), task
        said = task["error"]["detail"]
    assert "127.0.0.1" not in said and "::1" not in said and "169.254" not in said
    assert world.inside_connections() == 0


@pytest.mark.parametrize("chain", [1, 3])
@pytest.mark.parametrize("target,code", [
    ("http://127.0.0.1:{p}/", "address_refused"), ("//127.0.0.1:{p}/", "address_refused"),
    ("http://2130706433:{p}/", "address_refused"), ("http://localhost:{p}/", "address_refused"),
    ("http://[::1]:{p}/", "address_refused"), ("http://[::ffff:7f00:1]:{p}/", "address_refused"),
    ("http://169.254.169.254/", "address_refused"), ("http://u:p@{o}/", "url_credentials"),
    ("file:///etc/passwd", "url_scheme"), ("ftp://{o}/", "url_scheme"), ("gopher://127.0.0.1:{p}/", "url_scheme"),
    ("http://[::1", "url_malformed"),
])
def test_redirects_do_not_lead_inside(world, target, code, chain):
    target = target.format(p=world.inside.port, o=world.origin.host)
    for link in range(chain, 0, -1):
        target = world.origin.redirect(f"/chain{link}", target, 307)
    error = world.fail(target)
    assert error["code"] == code and "127.0.0.1" not in error["detail"], error
    assert world.inside_connections() == 0


def test_open_and_closed_ports_look_the_same(world):
    """What is refused is not tried, so that nobody scans by us."""
    errors = []
    for port in (world.inside.port, 1):
        errors.append(world.fail(f"http://localhost:{port}/"))
        errors.append(world.fail(world.origin.redirect(f"/port{port}", f"http://localhost:{port}/")))
    assert errors[0] == errors[2] and errors[1] == errors[3]
    assert world.inside_connections() == 0


def test_the_operators_exception_is_for_one_port(world):
    """The allowed host on another port is as closed as any."""
    answer = world.order(f"http://127.0.0.1:{world.inside.port}/")
    assert answer.status_code == 400 and answer.json()["code"] == "address_refused"
    answer = world.order("http://127.0.0.1/")
    assert answer.status_code == 400 and answer.json()["code"] == "address_refused"


def test_no_secrets_travel(world, media):
    """No token, no cookie, no referrer to a stranger."""
    world.origin.file("/plain.wav", media.tone().read_bytes(), "audio/wav")
    world.user.finish(world.task(world.origin.redirect("/from?key=1".split("?", maxsplit=1)[0], "/plain.wav")))
    sent = {name.lower() for name in world.origin.headers["/plain.wav"]}
    assert sent <= {"host", "user-agent", "accept", "accept-encoding"}


# ---- not media -----------------------------------------------------------------------------

@pytest.mark.parametrize("content_type,body", [
    ("text/html; charset=utf-8", b"<!doctype html><html></html>"), ("text/plain", None), ("application/json", b"{}"),
    ("application/xhtml+xml", None), ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(100)), ("application/pdf", b"%PDF-1.7"),
    ("application/octet-stream", b"<html>" * 500), ("audio/mpeg", b"PK\x03\x04" + bytes(1000)), ("audio/wav", b"R"),
    ("audio/wav", b""), (None, b"#!/bin/sh\n"), ("video/mp4", bytes(5000))])
def test_what_is_no_medium(world, media, content_type, body):
    body = media.tone().read_bytes() if body is None else body
    error = world.fail(world.origin.file("/thing", body, content_type))
    assert error["code"] == "not_media" and len(error["detail"]) > 20, error


# ---- servers that fail -----------------------------------------------------------------------

@pytest.mark.sanitized
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 304])
def test_refusals_are_final(world, status):
    error = world.fail(world.origin.status(f"/status{status}", status))
    assert error["code"] == "fetch_failed" and str(status) in error["detail"], error
    assert world.origin.hits[f"/status{status}"] == 1


@pytest.mark.sanitized
def test_hiccups_are_overcome(world, media):
    body = media.tone().read_bytes()
    world.origin.file("/whole.wav", body, "audio/wav")
    world.origin.file("/cut-part", body[:-100], "audio/wav", announced=len(body))
    good, cut = world.origin.routes["/whole.wav"], world.origin.routes["/cut-part"]
    turns = iter((cut, cut, good))
    for url in (world.origin.status("/hiccup.wav", 500, 503, then=good),
                world.origin.add("/cut-twice.wav", lambda handler: next(turns)(handler))):
        done = world.user.finish(world.task(url))
        assert done["attempts"] == 1 and done["original_size"] == len(body)
        assert len(objects_of(world.stack, done, "inputs/")) == 1


def test_a_body_that_is_always_cut_is_never_a_file(world, media):
    body = media.tone(seconds=20).read_bytes()
    assert 2 << 20 < len(body) < 4 << 20  # more than a chunk: some of it is in storage when it breaks off
    error = world.fail(world.origin.file("/cut.wav", body[:-100], "audio/wav", announced=len(body)))
    assert error["code"] == "fetch_failed" and world.origin.hits["/cut.wav"] == 3


def test_a_server_that_is_down_is_asked_again_later(make_world, media):
    """Deferred tasks are published by the sweep; the last attempt tells the last reason."""
    world = make_world(MAX_ATTEMPTS=2)
    good = world.origin.file("/good.wav", media.tone().read_bytes(), "audio/wav")
    down = world.task(world.origin.status("/down", 503))
    back = world.task(world.origin.status("/back.wav", 503, 503, 503, then=world.origin.routes["/good.wav"]))
    deferred = lambda: [record for record in world.stack.worker.records() if record.get("end") == "deferred"]
    wait_for(lambda: len(deferred()) == 2, "deferral of both", 30)
    assert all(world.user.task(task["id"])["status"] == "uploaded" for task in (down, back))
    world.user.finish(world.task(good))  # nobody else waits for them

    def both_done():
        world.stack.sweep()
        return all(world.user.task(task["id"])["status"] in ("failed", "processed") for task in (down, back))

    wait_for(both_done, "second attempts", 60, interval=1)
    failed, done = world.user.task(down["id"]), world.user.finish(back)
    assert failed["status"] == "failed" and failed["attempts"] == 2 and done["attempts"] == 2
    assert failed["error"]["code"] == "fetch_failed" and "503" in failed["error"]["detail"]


# ---- limits ----------------------------------------------------------------------------------

def test_sizes_are_limited(world, media):
    start = media.tone("mp3").read_bytes()
    for url in (world.origin.file("/huge.mp3", start, "audio/mpeg", announced=10 << 30),
                world.origin.file("/over.mp3", start + bytes((4 << 20) - len(start) + 1), "audio/mpeg"),
                world.origin.endless("/endless.mp3", start)):
        error = world.fail(url)
        assert error["code"] == "too_large" and str(4 << 20) in error["detail"], error
    assert all(world.origin.hits[path] == 1 for path in ("/huge.mp3", "/over.mp3", "/endless.mp3"))


def test_time_is_limited(world, media):
    error = world.fail(world.origin.drip("/drip.wav", media.tone().read_bytes()[:5000]))
    assert error["code"] == "fetch_failed" and world.origin.hits["/drip.wav"] == 1


# ---- the end in the middle -----------------------------------------------------------------------

@pytest.mark.sanitized
def test_deleting_stops_the_fetch(make_world, media):
    world = make_world()
    body = media.tone(seconds=30).read_bytes()
    task = world.task(world.origin.gated("/gated.wav", body, first=len(body) // 2 * 2 - 4096))
    world.origin.wait_for_hit("/gated.wav")
    wait_for(lambda: world.user.task(task["id"])["progress"] > 0, "progress of the fetch")
    answer = world.user.delete(f"/api/tasks/{task['id']}")
    assert answer.status_code == 200, answer.text
    wait_for(lambda: [record for record in world.stack.worker.records() if record.get("end") == "lost"],
             "end of the job", 4)
    assert objects_of(world.stack, task) == []


def test_a_stopped_worker_gives_the_task_back(make_world, media):
    """At once, and the attempt does not count."""
    world = make_world()
    body = media.tone(seconds=30).read_bytes()
    task = world.task(world.origin.gated("/stopped.wav", body))
    world.origin.wait_for_hit("/stopped.wav")
    wait_for(lambda: world.user.task(task["id"])["status"] == "processing", "the claim")
    world.stack.worker.stop(8)
    assert world.user.task(task["id"])["status"] == "uploaded"
    world.origin.gate.set()
    world.stack.worker.start()
    done = world.user.finish(task)
    assert done["attempts"] == 1 and len(objects_of(world.stack, done, "inputs/")) == 1


def test_a_killed_worker_leaves_one_input(make_world, media):
    world = make_world(MAX_ATTEMPTS=3, LEASE_SECONDS=5)
    body = media.tone(seconds=30).read_bytes()
    task = world.task(world.origin.gated("/killed.wav", body, first=len(body) - 4096))
    world.origin.wait_for_hit("/killed.wav")
    wait_for(lambda: world.user.task(task["id"])["progress"] > 0, "progress of the fetch")
    world.stack.worker.kill()
    world.origin.gate.set()
    world.stack.worker.start()

    def again():
        world.stack.sweep()
        return world.user.task(task["id"])["status"] == "processed"

    wait_for(again, "the second attempt", 60, interval=1)
    done = world.user.finish(task)
    assert done["attempts"] == 2 and world.origin.hits["/killed.wav"] == 2 and done["original_size"] == len(body)
    assert len(objects_of(world.stack, done, "inputs/")) == 1
