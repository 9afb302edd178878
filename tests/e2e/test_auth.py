"""Signup, login, valid and forged tokens, and that users cannot see each other's tasks."""

import base64
import hashlib
import hmac
import json
import time
import uuid

import pytest

from harness.client import PASSWORD, Client

pytestmark = [pytest.mark.sanitized, pytest.mark.sequential]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def make_token(claims, key, algorithm="HS256", head=None):
    """Builds a JWT by hand, so that any part of it can be wrong."""
    head = b64(json.dumps(head or {"alg": algorithm, "typ": "JWT"}).encode())
    body = b64(json.dumps(claims).encode())
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(algorithm)
    signature = b64(hmac.new(key.encode(), f"{head}.{body}".encode(), digest).digest()) if digest else ""
    return f"{head}.{body}.{signature}"


@pytest.fixture
def claims(user):
    return json.loads(unb64(user.token.split(".")[1]))


def test_signup_returns_a_token(stack):
    name = f"ana-{uuid.uuid4().hex[:8]}"
    answer = stack.anonymous().post("/api/auth/signup", json={
        "username": name, "email": f"{name}@example.com", "password1": PASSWORD, "password2": PASSWORD})
    assert answer.status_code == 201
    token = answer.json()["access_token"]
    assert Client(stack.url).use_token(token).get("/api/tasks").status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"


def test_login_by_name_or_email(stack):
    user = stack.client()
    for login in ({"username": user.username}, {"email": f"{user.username}@example.com"},
                  {"username": user.username.upper()}):
        answer = stack.anonymous().post("/api/auth/login", json={**login, "password": PASSWORD})
        assert answer.status_code == 200, (login, answer.text)
        body = answer.json()
        assert body["access_token"] == body["token"] == body["jwt"] and body["expires_in"] == 3600
        assert body["token_type"].lower() == "bearer"


@pytest.mark.parametrize("how", ["json", "data", "multipart"])
@pytest.mark.parametrize("prefix", ["/api/auth", "/auth"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_body_types_and_aliases(stack, how, prefix, slash):
    name = f"bob-{uuid.uuid4().hex[:8]}"
    fields = {"username": name, "email": f"{name}@example.com", "password": PASSWORD, "password_2": PASSWORD}
    client = stack.anonymous()

    def send(path, body):
        if how == "multipart":
            return client.post(path, files={key: (None, value) for key, value in body.items()})
        return client.post(path, **{how: body})

    assert send(f"{prefix}/signup{slash}", fields).status_code == 201
    assert send(f"{prefix}/login{slash}", {"username": name, "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("password", ["Abc1$", "aB3#xyz", "Secret12", "Ünïcode9A", "A1" + "a" * 126])
def test_valid_passwords(stack, password):
    user = stack.client(password=password)
    answer = stack.anonymous().post("/api/auth/login", json={"username": user.username, "password": password + "x"})
    assert answer.status_code == 401


def test_name_and_email_are_unique(stack):
    user = stack.client()
    for change in ({"email": "other@example.com"}, {"username": "other-" + user.username},
                   {"username": user.username.upper(), "email": "third@example.com"}):
        body = {"username": user.username, "email": f"{user.username}@example.com", "password1": PASSWORD,
                "password2": PASSWORD, **change}
        assert stack.anonymous().post("/api/auth/signup", json=body).status_code in (400, 409), change


def test_failed_logins_look_the_same(stack):
    """Neither the text nor the time shows whether the name exists."""
    user = stack.client()
    answers = []
    for name in (user.username, "nobody-" + user.username):
        began = time.monotonic()
        answer = stack.anonymous().post("/api/auth/login", json={"username": name, "password": "Wrong-1234"})
        answers.append((answer.status_code, answer.json()["message"], time.monotonic() - began))
    assert answers[0][:2] == answers[1][:2] and answers[0][0] == 401
    assert answers[1][2] > answers[0][2] / 4, "a password is also hashed for an unknown name"


def test_forged_tokens(stack, user, claims):
    now = int(time.time())
    secret = stack.jwt_secret
    good = {**claims, "iat": now, "exp": now + 600}
    assert stack.anonymous().use_token(make_token(good, secret)).get("/api/tasks").status_code == 200, \
        "make_token works"
    head, body, signature = user.token.split(".")
    other = {**good, "sub": str(int(good["sub"]) + 1)}
    forgeries = {
        "expired": make_token({**good, "iat": now - 7200, "exp": now - 3600}, secret),
        "no expiry": make_token({key: value for key, value in good.items() if key != "exp"}, secret),
        "alg none": make_token(good, "", "none"),
        "alg None": make_token(good, "", "None", {"alg": "None", "typ": "JWT"}),
        "alg none with a valid signature": make_token(good, secret, "HS256", {"alg": "none"}),
        "HS512": make_token(good, secret, "HS512"),
        "HS384": make_token(good, secret, "HS384"),
        "no alg": make_token(good, secret, "HS256", {"typ": "JWT"}),
        "wrong key": make_token(good, "0" * 64),
        "empty key": make_token(good, ""),
        "other claims, old signature": f"{head}.{b64(json.dumps(other).encode())}.{signature}",
        "no signature": f"{head}.{body}.",
        "no third part": f"{head}.{body}",
        "truncated signature": f"{head}.{body}.{signature[:-4]}",
        "bit flipped": f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        "no subject": make_token({key: value for key, value in good.items() if key != "sub"}, secret),
        "subject is text": make_token({**good, "sub": "admin"}, secret),
        "subject zero": make_token({**good, "sub": "0"}, secret),
        "another issuer": make_token({**good, "iss": "somebody"}, secret),
        "platform's token": stack.token_of_platform(stack.url),
        "garbage": "abc.def.ghi", "empty": "", "dots": "..", "long": "x" * 5000,
    }
    for name, token in forgeries.items():
        answer = stack.anonymous().get("/api/tasks", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, f"{name}: {answer.status_code}"
        assert answer.json()["message"]
        assert answer.headers.get("WWW-Authenticate", "Bearer").startswith("Bearer")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic dXNlcjpwYXNz", "Token abc", "bearer"])
def test_without_a_token(stack, header):
    headers = {"Authorization": header} if header is not None else {}
    for method, path in (("GET", "/api/tasks"), ("POST", "/api/tasks"), ("GET", "/api/tasks/1"), ("DELETE", "/api/tasks/1"),
                         ("GET", "/api/files/00000000-0000-4000-8000-000000000000")):
        assert stack.anonymous().request(method, path, headers=headers).status_code == 401


def test_task_of_another_user_is_not_found(stack, user, media):
    task = user.finish(user.upload(media.tone(), "mp3"))
    other = stack.client()
    answers = [other.get(f"/api/tasks/{task['id']}"), other.get(f"/api/tasks/{task['file_id']}"),
               other.get(f"/api/files/{task['file_id']}"), other.delete(f"/api/tasks/{task['id']}")]
    assert [answer.status_code for answer in answers] == [404] * 4
    unknown = other.get("/api/tasks/999999999").json()
    assert {**answers[0].json(), "detail": 0, "message": 0} == {**unknown, "detail": 0, "message": 0}
    assert other.tasks() == []
    assert user.download(task), "the task is unchanged"


def test_list_of_tasks(stack, media):
    user = stack.client()
    ids = [user.upload(media.tone(), "wav")["id"] for _ in range(5)]
    for task_id in ids:
        user.finish(task_id)

    def listed(query):
        answer = user.get(f"/api/tasks?{query}")
        assert answer.status_code == 200, answer.text
        return [task["id"] for task in answer.json()], answer

    assert listed("")[0] == ids
    assert listed("order=1")[0] == ids[::-1]
    assert listed("max=2&order=1")[0] == ids[:-3:-1]
    assert listed(f"after={ids[2]}")[0] == ids[3:]
    assert listed("status=processed")[0] == ids and listed("status=failed")[0] == []
    page, answer = listed("max=2")
    seen = page
    while "next" in answer.links:
        url = answer.links["next"]["url"]
        answer = user.http.get(url if url.startswith("http") else stack.url + url, timeout=10)
        seen = seen + [task["id"] for task in answer.json()]
    assert seen == ids


def test_me(stack, user):
    for path in ("/api/auth/me", "/auth/me/"):
        answer = user.get(path)
        assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
        me = answer.json()
        assert me["username"] == user.username and me["email"] == f"{user.username}@example.com"
        assert me["is_operator"] is False and me["webhook_secret"].startswith("whsec_")
    [[number, secret]] = stack.sql(f"SELECT id, webhook_secret FROM users WHERE username = '{user.username}'")
    assert me["id"] == int(number)
    assert base64.b64decode(me["webhook_secret"].removeprefix("whsec_")) == bytes.fromhex(secret)
    assert stack.anonymous().get("/api/auth/me").status_code == 401


def test_signup_response(stack):
    name = f"eva-{uuid.uuid4().hex[:8]}"
    body = stack.anonymous().post("/auth/signup", json={
        "username": name, "email": f"{name}@example.com", "password": "Admin123", "password_2": "Admin123"}).json()
    assert body["username"] == name and body["id"] == body["user_id"] and body["access_token"] == body["token"]
