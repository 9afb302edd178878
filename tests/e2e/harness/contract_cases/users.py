"""Cases of signup, login, me and API keys."""

import uuid

from ..client import PASSWORD
from .table import case


def signup_body(**change):
    name = f"contract-{uuid.uuid4().hex[:8]}"
    return {"username": name, "email": f"{name}@example.com", "password1": PASSWORD, "password2": PASSWORD, **change}


@case("signup", 201)
def _as_json(env, call):
    return call(json=signup_body())


@case("signup", 201)
def _as_form(env, call):
    return call(data=signup_body())


@case("signup", 201)
def _as_multipart_with_password_2(env, call):
    body = signup_body()
    body = {"username": body["username"], "email": body["email"], "password": PASSWORD, "password_2": PASSWORD}
    return call(files={key: (None, value) for key, value in body.items()})


@case("signup", 400)
def _weak_password(env, call):
    return call(json=signup_body(password1="weak", password2="weak"))


@case("signup", 400)
def _name_taken(env, call):
    return call(json=signup_body(username=env.user.username))


@case("signup", 429)
def _many_from_one_address(env, call):
    answers = [call(json=signup_body(), headers={"X-Forwarded-For": "192.0.2.7"}) for _ in range(13)]
    assert [answer.status_code for answer in answers[:12]] == [201] * 12
    return answers[-1]


@case("login", 200)
def _by_name(env, call):
    return call(json={"username": env.user.username, "password": PASSWORD})


@case("login", 200)
def _by_mail_address(env, call):
    return call(data={"email": f"{env.user.username}@example.com", "password": PASSWORD})


@case("login", 400)
def _no_password(env, call):
    return call(json={"username": env.user.username})


@case("login", 401)
def _wrong_password(env, call):
    return call(json={"username": env.user.username, "password": PASSWORD + "x"})


@case("login", 429)
def _many_wrong_passwords(env, call):
    return [call(json={"username": "guessed", "password": PASSWORD}) for _ in range(6)][-1]


@case("me", 200)
def _me(env, call):
    return call(who=env.user)


@case("confirmPage", 200)
def _the_linked_page(env, call):
    return call(params={"token": "x"})


@case("confirmEmail", 200)
def _by_the_token(env, call):
    user = env.new_user()
    env.stack.sql("UPDATE deliveries SET token_hash = encode(sha256(convert_to(u.username, 'UTF8')), 'hex'), token_expires_at = now() + "
                  f"interval '1 h' FROM users u WHERE u.id = user_id AND u.username = '{user.username}' RETURNING u.id")
    return call(json={"token": user.username})


@case("confirmEmail", 400)
def _by_an_unknown_token(env, call):
    return call(json={"token": "unknown"})


@case("askConfirmation", 200)
def _of_a_confirmed_address(env, call):
    user = env.new_user()
    env.stack.sql(f"UPDATE users SET email_confirmed_at = now() WHERE username = '{user.username}' RETURNING id")
    return call(who=user)


def asked_before(env, times, age):
    """A user who was asked so often; the last time is this long ago."""
    user = env.new_user()
    owner = f"(SELECT id FROM users WHERE username = '{user.username}')"
    env.stack.sql("INSERT INTO deliveries (user_id, generation, channel, target, status) "
                  f"SELECT {owner}, 0, 'confirmation', 'x', 'sent' FROM generate_series(2, {times}) RETURNING id")
    env.stack.sql(f"UPDATE deliveries SET created_at = now() - interval '{age}' WHERE user_id = {owner} RETURNING id")
    return user


@case("askConfirmation", 202)
def _after_two_days(env, call):
    return call(who=asked_before(env, 3, "2 days"))


@case("askConfirmation", 429)
def _at_once(env, call):
    answer = call(who=asked_before(env, 1, "1 min"))
    assert 3000 < int(answer.headers["Retry-After"]) <= 3600
    return answer


@case("askConfirmation", 403)
def _for_the_eleventh_time(env, call):
    return call(who=asked_before(env, 10, "9 days"))


@case("askConfirmation", 409)
def _without_mails(env, call):
    return call(who=env.plain.client(), stack=env.plain)


@case("createKey", 201)
def _a_key(env, call):
    answer = call(who=env.user, json={"name": "batch", "scopes": ["read", "write"], "expires_in": 3600})
    with_key = env.stack.anonymous().use_token(answer.json()["key"])
    assert with_key.get("/api/tasks").status_code == 200 and "webhook_secret" not in with_key.get("/api/auth/me").json()
    return answer


@case("createKey", 201)
def _a_key_by_a_form(env, call):
    answer = call(who=env.user, data={"name": "batch", "scopes": "write,read"})
    assert answer.json()["scopes"] == ["read", "write"] and answer.json()["expires_at"] is None
    return answer


@case("createKey", 400)
def _a_key_without_scopes(env, call):
    for scopes in (None, [], ["admin"], "", 5):
        assert call(who=env.user, json={"name": "x", "scopes": scopes}).status_code == 400
    return call(who=env.user, json={"name": "x", "scopes": ["read"], "expires_in": 0})


@case("createKey", 403)
def _a_key_by_a_key(env, call):
    return call(who=env.key("read write"), json={"name": "x", "scopes": ["read"]})


@case("createKey", 409)
def _too_many_keys(env, call):
    user = env.new_user()
    env.stack.sql("INSERT INTO api_keys (user_id, name, key_hash, can_read, can_write) SELECT u.id, 'x', u.id || '-' || n, true, true "
                  f"FROM users u, generate_series(1, 100) n WHERE u.username = '{user.username}' RETURNING id")
    return call(who=user, json={"name": "x", "scopes": ["read"]})


@case("listKeys", 200)
def _keys(env, call):
    key = env.key("read")
    assert key.get("/api/tasks").status_code == 200
    answer = call(who=env.user)
    assert answer.json()[-1]["last_used_at"] and key.token not in answer.text
    return answer


@case("listKeys", 403)
def _keys_by_a_key(env, call):
    return call(who=env.key("read"))


@case("deleteKey", 200)
def _revoked(env, call):
    key = env.key("read")
    answer = call(who=env.user, path={"id": key.key_id})
    assert key.get("/api/tasks").json()["code"] == "bad_api_key"
    return answer


@case("deleteKey", 403)
def _revoked_by_itself(env, call):
    key = env.key("read write")
    return call(who=key, path={"id": key.key_id})


@case("deleteKey", 404)
def _key_of_another_user(env, call):
    return call(who=env.other, path={"id": env.key("read").key_id})
