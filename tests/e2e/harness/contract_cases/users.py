"""Cases of signup, login and me."""

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
