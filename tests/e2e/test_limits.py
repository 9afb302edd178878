"""Limits: body, headers, time, memory."""

import concurrent.futures
import selectors
import socket
import time

import pytest

from harness import measure
from harness.client import Client
from harness.paths import SANITIZED
from harness.waiting import wait_for

MIB = 1 << 20


def stream(total, head=b""):
    """A form with one file of `total` bytes, generated while it is sent."""
    yield (b'--b\r\nContent-Disposition: form-data; name="newFormat"\r\n\r\nmp3\r\n'
           b'--b\r\nContent-Disposition: form-data; name="fileName"; filename="big.wav"\r\n\r\n' + head)
    left = total - len(head)
    block = b"\x11" * 65536
    while left > 0:
        yield block[:left]
        left -= min(left, len(block))
    yield b"\r\n--b--\r\n"


FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.sanitized
def test_body_over_the_limit(make_stack, media):
    stack = make_stack(web_settings={"MAX_UPLOAD_BYTES": MIB})
    user = stack.client()
    user.convert(media.tone(), "mp3")
    before = len(stack.objects())
    for body in (b"".join(stream(2 * MIB)), stream(2 * MIB)):
        try:
            answer = user.post("/api/tasks", data=body, headers=FORM)
            assert answer.status_code == 413, answer.text
        except OSError:
            pass  # the server closed the connection while the body was being sent
    wait_for(lambda: len(stack.objects()) == before, "removal of what was stored")
    assert len(user.tasks()) == 1
    json_body = stack.anonymous().post("/api/auth/login", data=b" " * MIB, headers={"Content-Type": "application/json"})
    assert json_body.status_code == 413


@pytest.mark.sanitized
def test_nothing_is_kept_of_a_request_over_a_quota(make_stack, media):
    stack = make_stack(web_settings={"QUOTA_STORED_BYTES": MIB})
    user = stack.client()
    user.convert(media.tone("mp3"), "ogg")
    before = len(stack.objects())
    owner = f"(SELECT id FROM users WHERE username = '{user.username}')"

    def refused(size, status, code):
        answer = user.try_upload(bytes(size), "mp3")
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert len(stack.objects()) == before and stack.sql("SELECT count(*) FROM stray_objects") == [["0"]]

    refused(MIB, 403, "quota_stored_bytes")
    stack.sql(f"UPDATE user_usage SET tasks = 1000000 WHERE user_id = {owner} RETURNING tasks")
    refused(1000, 429, "quota_tasks")
    stack.sql(f"UPDATE users SET is_operator = true WHERE id = {owner} RETURNING id")
    assert user.try_upload(bytes(MIB), "mp3").status_code == 201


@pytest.mark.sanitized
def test_headers_over_the_limit(stack):
    answer = stack.anonymous().get("/alive", headers={"X-Long": "x" * 40000})
    assert answer.status_code in (400, 413, 431)
    assert stack.anonymous().get("/alive?" + "q" * 40000).status_code in (400, 413, 414, 431)


def raw(stack, data, wait=5):
    """Sends bytes. Returns all that comes back until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", int(stack.url.rpartition(":")[2])), timeout=wait) as sock:
        sock.sendall(data)
        answer = b""
        try:
            while block := sock.recv(65536):
                answer += block
        except (TimeoutError, ConnectionResetError):
            pass
        return answer


@pytest.mark.sanitized
@pytest.mark.parametrize("data", [
    b"GARBAGE\r\n\r\n", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", b"\0\0\0\0\r\n\r\n", b"GET /alive\r\n\r\n",
    b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
], ids=repr)
def test_malformed_requests(stack, data):
    answer = raw(stack, data, 2)
    assert answer == b"" or b" 4" in answer.split(b"\r\n")[0] or b" 5" in answer.split(b"\r\n")[0], answer[:200]
    assert stack.anonymous().get("/alive").status_code == 200


@pytest.mark.sanitized
def test_slow_clients_are_disconnected(make_stack):
    stack = make_stack(web_settings={"CLIENT_TIMEOUT_MS": 500, "WEB_THREADS": 8})
    user = stack.client()
    idle = [socket.create_connection(("127.0.0.1", int(stack.url.rpartition(":")[2])), timeout=20) for _ in range(4)]
    for sock in idle:
        sock.sendall(b"GET /alive HTTP/1.1\r\nHost: a\r\n")
    began = time.monotonic()
    answer = raw(stack, b"POST /api/tasks HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + user.token.encode() +
                 b"\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n--b\r\n", 20)
    assert time.monotonic() - began < 15
    assert not answer or b" 408 " in answer.split(b"\r\n")[0] or b" 400 " in answer.split(b"\r\n")[0], answer
    for sock in idle:
        sock.recv(1000)
        sock.close()
    wait_for(lambda: user.get("/alive").status_code == 200, "a response to other clients")
    assert user.tasks() == []


CONNECTIONS, ROUNDS = 500, 20


def answers_on_all(connections, seconds):
    """Reads one answer without a body from each; all must come within the time."""
    with selectors.DefaultSelector() as waiting:
        heads = {}
        for sock in connections:
            waiting.register(sock, selectors.EVENT_READ)
        deadline = time.monotonic() + seconds
        while waiting.get_map() and time.monotonic() < deadline:
            for key, _ in waiting.select(0.1):
                part = key.fileobj.recv(4096)
                assert part, "the server closed a connection"
                heads[key.fileobj] = heads.get(key.fileobj, b"") + part
                if b"\r\n\r\n" in heads[key.fileobj]:
                    waiting.unregister(key.fileobj)
        assert len(heads) == len(connections)
    return heads.values()


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED, reason="sanitizers change how much memory a program needs")
def test_500_connections_are_kept_alive(make_stack):
    """Busy ones for 20 requests each, all at the same time; and idle ones for longer than the server once kept them."""
    stack = make_stack(connections=None)
    idle_mib = stack.web.peak_rss_mib()
    address = ("127.0.0.1", int(stack.url.rpartition(":")[2]))
    connections = [socket.create_connection(address, timeout=10) for _ in range(CONNECTIONS)]
    request = b"HEAD /alive HTTP/1.1\r\nHost: a\r\n\r\n"
    for _ in range(ROUNDS):
        for sock in connections:
            sock.sendall(request)
        for head in answers_on_all(connections, 20):
            assert head.startswith(b"HTTP/1.1 200 ") and b"\r\nConnection: keep-alive\r\n" in head, head
    with selectors.DefaultSelector() as waiting:
        for sock in connections:
            waiting.register(sock, selectors.EVENT_READ)
        assert not waiting.select(5.5), "the server closed an idle connection"
    for sock in connections:
        sock.sendall(request)
    assert len(answers_on_all(connections, 20)) == CONNECTIONS
    assert stack.anonymous().get("/alive").status_code == 200
    used_mib = stack.web.peak_rss_mib() - idle_mib
    print(f"memory of web: idle {idle_mib:.0f} MiB, {used_mib:.1f} MiB more with {CONNECTIONS} connections")
    assert used_mib < 50
    for sock in connections:
        sock.close()


@pytest.mark.sanitized
def test_upload_that_breaks_off(stack, user):
    """It leaves no task and no object."""
    before = len([name for name in stack.objects() if name.startswith("inputs/")])
    port = int(stack.url.rpartition(":")[2])
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"POST /api/tasks HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + user.token.encode() +
                         b"\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000000\r\n\r\n" +
                         b"".join(stream(5 * MIB))[:4 * MIB])
    wait_for(lambda: len([name for name in stack.objects() if name.startswith("inputs/")]) <= before,
             "removal of what was stored", 15)
    assert user.tasks() == []


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED, reason="sanitizers change how much memory a program needs")
def test_memory_of_web_while_long_lists_are_read(make_stack):
    """12 clients at once read lists of 160 tasks with 32 KB of options and a receipt each: page by page."""
    stack = make_stack()
    user = stack.client()
    stack.sql("INSERT INTO tasks (file_id, user_id, new_format, status, options, receipt) SELECT gen_random_uuid(), id, 'mp3',"
              " 'processed', jsonb_build_object('long', repeat('x', 32000)), jsonb_build_object('kept', repeat('y', 48000))"
              " FROM users, generate_series(1, 160)")
    idle = stack.web.peak_rss_mib()

    def read(_):
        client, path, ids, longest = Client(stack.url).use_token(user.token), "/api/tasks?max=1000", [], 0
        while path:
            answer = client.get(path)
            assert answer.status_code == 200, answer.text[:500]
            ids += [task["id"] for task in answer.json() if "receipt" not in task]
            longest = max(longest, len(answer.content))
            path = answer.links.get("next", {}).get("url")
        return len(ids), len(set(ids)), longest

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        for count, distinct, longest in pool.map(read, range(12)):
            assert count == distinct == 160 and longest <= MIB + 2
    peak = stack.web.peak_rss_mib()
    print(f"memory of web: idle {idle:.0f} MiB, peak {peak:.0f} MiB")
    assert peak - idle < 100


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED, reason="sanitizers change how much memory a program needs")
def test_memory_of_web_while_32_clients_upload(make_stack):
    stack = make_stack()
    stack.worker.stop()
    user = stack.client()

    def upload(_):
        return Client(stack.url).use_token(user.token).post("/api/tasks", data=stream(25 * MIB), headers=FORM).status_code

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert set(pool.map(upload, range(32))) == {201}
    peak = stack.web.peak_rss_mib()
    print(f"peak memory: web {peak:.0f} MiB")
    assert peak < 150
    stack.worker.start()


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED, reason="sanitizers change how much memory a program needs")
@pytest.mark.parametrize("target", ["flac", "m4a"])
def test_memory_of_the_worker_with_a_big_file(make_stack, media, tmp_path, target):
    stack, seconds = make_stack(), 400
    big = media.tone("wav", seconds=seconds, rate=48000)
    assert big.stat().st_size > 190_000 * seconds
    user = stack.client()
    result = tmp_path / "result"
    task = user.finish(user.upload(big, target), 300)
    peak = stack.worker.peak_rss_mib()
    print(f"peak memory: worker {peak:.0f} MiB, web {stack.web.peak_rss_mib():.0f} MiB")
    assert peak < 100
    assert stack.web.peak_rss_mib() < 150
    with user.get(f"/api/files/{task['file_id']}", stream=True) as answer, open(result, "wb") as file:
        for block in answer.iter_content(MIB):
            file.write(block)
    assert float(measure.probe(result)["format"]["duration"]) == pytest.approx(seconds, abs=0.1)
