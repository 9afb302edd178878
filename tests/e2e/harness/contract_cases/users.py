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


@case("beginGuest", 201)
def _a_guest(env, call):
    return call(headers={"X-Forwarded-For": "192.0.2.8"})


@case("beginGuest", 404)
def _without_guests(env, call):
    return call(stack=env.plain)


@case("beginGuest", 429)
def _many_guests(env, call):
    return [call(headers={"X-Forwarded-For": "192.0.2.9"}) for _ in range(3)][-1]


@case("keepGuest", 200)
def _it_keeps_its_number(env, call):
    guest = env.new_guest()
    number = guest.get("/api/auth/me").json()["id"]
    answer = call(who=guest, json=signup_body())
    assert answer.json()["id"] == number
    return answer


@case("keepGuest", 400)
def _taken_names(env, call):
    guest = env.new_guest()
    for change in ({"username": env.user.username}, {"email": f"{env.user.username}@example.com"}, {"password2": "other"}):
        assert call(who=guest, json=signup_body(**change)).status_code == 400
    return call(who=guest, json={})


@case("keepGuest", 409)
def _of_an_account(env, call):
    return call(who=env.user, json=signup_body())


@case("keepGuest", 429)
def _many_accounts_from_one_address(env, call):
    guest = env.new_guest()
    address = {"X-Forwarded-For": "192.0.2.7"}
    while env.stack.anonymous().post("/api/auth/signup", json=signup_body(), headers=address).status_code != 429:
        pass
    return call(who=guest, json=signup_body(), headers=address)


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


@case("deleteKey", 200)
def _revoked_by_itself(env, call):
    key = env.key("write")
    answer = call(who=key, path={"id": key.key_id})
    assert call(who=key, path={"id": key.key_id}).json()["code"] == "bad_api_key"
    return answer


@case("deleteKey", 403)
def _revoked_by_another_key(env, call):
    reader = env.key("read")
    assert call(who=reader, path={"id": reader.key_id}).json()["code"] == "out_of_scope"
    return call(who=env.key("read write"), path={"id": reader.key_id})


@case("deleteKey", 404)
def _key_of_another_user(env, call):
    return call(who=env.other, path={"id": env.key("read").key_id})


NEW = "correct horse battery"


@case("changePassword", 200)
def _changed(env, call):
    user, other = env.new_user(), env.stack.anonymous()
    other.use_token(other.post("/api/auth/login", json={"username": user.username, "password": PASSWORD}).json()["token"])
    stream = other.post("/api/tokens/stream", json={"purpose": "events"}).json()["token"]
    answer = call(who=user, json={"password": PASSWORD, "password1": NEW, "password2": NEW})
    assert user.get("/api/tasks").status_code == other.get("/api/tasks").status_code == 401
    assert other.http.get(f"{env.stack.url}/api/events", params={"token": stream}, timeout=20).status_code == 401
    assert user.use_token(answer.json()["access_token"]).get("/api/tasks").status_code == 200
    assert other.post("/api/auth/login", json={"username": user.username, "password": PASSWORD}).status_code == 401
    assert other.post("/api/auth/login", json={"username": user.username, "password": NEW}).status_code == 200
    return answer


@case("changePassword", 400)
def _changed_to_a_weak_one(env, call):
    assert call(who=env.user, json={"password": PASSWORD, "password1": NEW, "password2": NEW + "x"}).json()["code"] == "passwords_differ"
    return call(who=env.user, json={"password": PASSWORD, "password1": "weak", "password2": "weak"})


@case("changePassword", 403)
def _changed_without_the_present_one(env, call):
    return call(who=env.new_user(), json={"password": "wrong", "password1": NEW, "password2": NEW})


@case("changePassword", 429)
def _guessed_the_present_one(env, call):
    user = env.new_user()
    return [call(who=user, json={"password": "wrong", "password1": NEW, "password2": NEW}) for _ in range(6)][-1]


@case("logOutEverywhere", 200)
def _logged_out(env, call):
    user = env.new_user()
    made = user.post("/api/keys", json={"name": "x", "scopes": ["read"]}).json()
    answer = call(who=user)
    assert user.get("/api/tasks").status_code == 401
    assert user.use_token(made["key"]).get("/api/tasks").status_code == 200
    return answer


@case("renameUser", 200)
def _renamed(env, call):
    user, name = env.new_user(), "Élise-" + uuid.uuid4().hex[:8]
    answer = call(who=user, json={"username": name})
    for spelled in (name.upper(), name.lower(), name.replace("É", "E\u0301")):
        assert user.post("/api/auth/login", json={"username": spelled, "password": PASSWORD}).status_code == 200, spelled
    assert user.post("/api/auth/signup", json=signup_body(username=name.upper())).json()["code"] == "username_taken"
    assert call(who=user, json={"username": name.upper()}).status_code == 200, "its own name in other case"
    return answer


@case("renameUser", 400)
def _renamed_to_a_taken_name(env, call):
    assert call(who=env.new_user(), json={"username": "a b"}).json()["code"] == "invalid"
    return call(who=env.new_user(), json={"username": env.user.username.upper()})


@case("deleteUser", 202)
def _deleted(env, call):
    user = env.new_user()
    key = user.post("/api/keys", json={"name": "x", "scopes": ["read"]}).json()["key"]
    answer = call(who=user, json={"password": PASSWORD})
    assert user.get("/api/tasks").status_code == 401
    assert user.post("/api/auth/login", json={"username": user.username, "password": PASSWORD}).status_code == 401
    assert user.use_token(key).get("/api/tasks").status_code == 401
    return answer


@case("deleteUser", 400)
def _deleted_without_a_password(env, call):
    return call(who=env.user, json={})


@case("deleteUser", 403)
def _deleted_with_a_wrong_password(env, call):
    return call(who=env.new_user(), json={"password": "wrong"})


@case("deleteUser", 429)
def _guessed_for_a_deletion(env, call):
    user = env.new_user()
    return [call(who=user, json={"password": "wrong"}) for _ in range(6)][-1]


def reset_token(env, user):
    """A token as the mail for a new password has it."""
    token = uuid.uuid4().hex
    env.stack.sql("INSERT INTO deliveries (user_id, generation, channel, target, status, token_hash, token_expires_at) SELECT id, 0, 'reset', email, "
                  f"'sent', encode(sha256('{token}'), 'hex'), now() + interval '1 h' FROM users WHERE username = '{user.username}' RETURNING id")
    return token


@case("askReset", 202)
def _the_same_for_every_address(env, call):
    user = env.new_user()
    owed = f"SELECT count(*) FROM deliveries WHERE channel = 'reset' AND target = '{user.username}@example.com'"

    def ask(email):
        return call(json={"email": email}, headers={"X-Forwarded-For": f"198.51.100.{next(env.addresses)}"})
    answers = [ask(f"{user.username}@example.com"), ask("nobody@example.com")]
    assert env.stack.sql(owed) == [["0"]], "the address is not confirmed"
    env.stack.sql(f"UPDATE users SET email_confirmed_at = now() WHERE username = '{user.username}' RETURNING id")
    answers += [ask(f"{user.username.upper()}@Example.COM") for _ in range(5)]
    assert len({answer.text for answer in answers}) == 1 and env.stack.sql(owed) == [["3"]]
    return answers[-1]


@case("askReset", 400)
def _no_address(env, call):
    return call(json={"email": "nobody"})


@case("askReset", 409)
def _reset_without_mails(env, call):
    return call(json={"email": "a@b.example"}, stack=env.plain)


@case("askReset", 429)
def _many_resets(env, call):
    return [call(json={"email": "a@b.example"}, headers={"X-Forwarded-For": "192.0.2.8"}) for _ in range(13)][-1]


@case("resetPage", 200)
def _the_page_for_a_password(env, call):
    return call(params={"token": "x"})


@case("usePasswordReset", 200)
def _set_by_mail(env, call):
    user = env.new_user()
    first, second = reset_token(env, user), reset_token(env, user)
    assert env.stack.anonymous().post("/api/auth/confirm", json={"token": first}).json()["code"] == "bad_confirmation"
    answer = call(params={"token": first}, data={"password1": NEW, "password2": NEW})
    for used in (first, second):
        assert call(json={"token": used, "password1": NEW, "password2": NEW}).json()["code"] == "bad_reset"
    assert user.get("/api/tasks").status_code == 401
    assert user.post("/api/auth/login", json={"username": user.username, "password": NEW}).status_code == 200
    assert first not in env.stack.web.whole_log()
    return answer


@case("usePasswordReset", 400)
def _set_by_an_old_mail(env, call):
    user = env.new_user()
    token = reset_token(env, user)
    env.stack.sql(f"UPDATE deliveries SET token_expires_at = now() WHERE token_hash = encode(sha256('{token}'), 'hex') RETURNING id")
    return call(json={"token": token, "password1": NEW, "password2": NEW})
