"""Tasks with a URL: redirects, and addresses that are refused. No internal address is ever contacted."""

import pytest

from harness.ingest import Ingest
from harness.stack import Stack

pytestmark = [pytest.mark.sequential, pytest.mark.xdist_group("url_addresses")]

FAILED_AT = {"post": 400, "task": 201}


@pytest.fixture(scope="module")
def ingest(tmp_path_factory, postgres):
    """Shared by the tests of this file, with a low limit of size and time."""
    def make(**kwargs):
        return Stack(tmp_path_factory.mktemp("ingest"), postgres, **kwargs).start()

    made = Ingest(make, tmp_path_factory.mktemp("tls"), MAX_FETCH_BYTES=4 << 20, FETCH_TIMEOUT_SECONDS=3)
    yield made
    made.close()
    made.stack.stop()


@pytest.mark.sanitized
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(ingest, media, code):
    ingest.origin.file("/target/tone.wav", media.tone().read_bytes(), "audio/wav")
    ingest.origin.redirect(f"/r{code}/b", "../target/tone.wav", code)
    url = ingest.origin.redirect(f"/r{code}/a", f"{ingest.origin.url}/r{code}/b#x", code)
    ingest.user.finish(ingest.task(url))


@pytest.mark.parametrize("hops,code", [(5, None), (6, "too_many_redirects")])
def test_redirects_are_counted(ingest, media, hops, code):
    for hop in range(hops):
        ingest.origin.redirect(f"/hop{hops}/{hop}", f"/hop{hops}/{hop + 1}")
    ingest.origin.file(f"/hop{hops}/{hops}", media.tone().read_bytes(), "audio/wav")
    url = f"{ingest.origin.url}/hop{hops}/0"
    if code:
        assert ingest.fail(url)["code"] == code
        assert ingest.origin.hits[f"/hop{hops}/{hops}"] == 0
    else:
        ingest.user.finish(ingest.task(url))


def test_redirect_loop(ingest):
    ingest.origin.redirect("/circle/b", "/circle/a")
    assert ingest.fail(ingest.origin.redirect("/circle/a", "b"))["code"] == "redirect_loop"
    assert ingest.origin.hits["/circle/a"] == 1 and ingest.origin.hits["/circle/b"] == 1


# {p}: port of the internal servers; {o}: host and port of the origin, which is allowed.
# (URL, whether POST or the task fails, possible codes)
INTERNAL = [
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
    ("http://LOCALHOST.:{p}/", "task", "address_refused|fetch_failed"),  # not every resolver knows this spelling
    ("http://metadata.google.internal/computeMetadata/v1/", "task", "address_refused|fetch_failed"),
]


@pytest.mark.sanitized
@pytest.mark.parametrize("form,where,codes", INTERNAL, ids=[f"{form[:40]!a}" for form, _, _ in INTERNAL])
def test_internal_addresses_are_refused(ingest, form, where, codes):
    url = form.format(p=ingest.internal.port, o=ingest.origin.host)
    answer = ingest.create(url)
    assert answer.status_code == FAILED_AT[where], answer.text
    if where == "post":
        problem = answer.json()
        assert problem["code"] == codes and problem["detail"].startswith("url: "), problem
        detail = problem["detail"]
    else:
        task = ingest.user.wait(answer.json()["task"])
        assert task["status"] == "failed" and task["error"]["code"] in codes.split("|"), task
        detail = task["error"]["detail"]
    assert "127.0.0.1" not in detail and "::1" not in detail and "169.254" not in detail
    assert ingest.internal_connections() == 0


@pytest.mark.parametrize("chain", [1, 3])
@pytest.mark.parametrize("target,code", [
    ("http://127.0.0.1:{p}/", "address_refused"), ("//127.0.0.1:{p}/", "address_refused"),
    ("http://2130706433:{p}/", "address_refused"), ("http://localhost:{p}/", "address_refused"),
    ("http://[::1]:{p}/", "address_refused"), ("http://[::ffff:7f00:1]:{p}/", "address_refused"),
    ("http://169.254.169.254/", "address_refused"), ("http://u:p@{o}/", "url_credentials"),
    ("file:///etc/passwd", "url_scheme"), ("ftp://{o}/", "url_scheme"), ("gopher://127.0.0.1:{p}/", "url_scheme"),
    ("http://[::1", "url_malformed"),
])
def test_redirects_to_internal_addresses_are_refused(ingest, target, code, chain):
    target = target.format(p=ingest.internal.port, o=ingest.origin.host)
    for link in range(chain, 0, -1):
        target = ingest.origin.redirect(f"/chain{link}", target, 307)
    error = ingest.fail(target)
    assert error["code"] == code and "127.0.0.1" not in error["detail"], error
    assert ingest.internal_connections() == 0


def test_open_and_closed_ports_look_the_same(ingest):
    """Refused addresses are not contacted, so ports cannot be scanned."""
    errors = []
    for port in (ingest.internal.port, 1):
        errors.append(ingest.fail(f"http://localhost:{port}/"))
        errors.append(ingest.fail(ingest.origin.redirect(f"/port{port}", f"http://localhost:{port}/")))
    assert errors[0] == errors[2] and errors[1] == errors[3]
    assert ingest.internal_connections() == 0


def test_exception_is_for_one_port(ingest):
    """The allowed host is refused on another port."""
    answer = ingest.create(f"http://127.0.0.1:{ingest.internal.port}/")
    assert answer.status_code == 400 and answer.json()["code"] == "address_refused"
    answer = ingest.create("http://127.0.0.1/")
    assert answer.status_code == 400 and answer.json()["code"] == "address_refused"


def test_no_secrets_are_sent(ingest, media):
    """The request has no token, cookie or referrer."""
    ingest.origin.file("/plain.wav", media.tone().read_bytes(), "audio/wav")
    ingest.user.finish(ingest.task(ingest.origin.redirect("/from?key=1".split("?", maxsplit=1)[0], "/plain.wav")))
    sent = {name.lower() for name in ingest.origin.headers["/plain.wav"]}
    assert sent <= {"host", "user-agent", "accept", "accept-encoding"}
