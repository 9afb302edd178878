"""Webhooks and mails: what is owed for a result arrives once, whatever the receiver does, and never harms the task."""

import re
import time

import pytest
import requests

from harness.webhook import Certificate, WebhookReceiver, verify
from harness.paths import SANITIZED
from harness.smtp import PASSWORD, USER, Relay, text_of
from harness.waiting import free_port, wait_for

TASKS = 30 if SANITIZED else 200


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def make_hook(certificate):
    made = []

    def make(answer=lambda received: 204, tls=True):
        made.append(WebhookReceiver(certificate if tls else None, answer))
        return made[-1]

    yield make
    for hook in made:
        hook.close()


@pytest.fixture
def make_relay(certificate):
    made = []

    def make(start=True, **kwargs):
        made.append(Relay(certificate, **kwargs))
        return made[-1].start() if start else made[-1]

    yield make
    for relay in made:
        relay.close()


@pytest.fixture
def make_delivering_stack(make_stack, certificate):
    """Makes a stack that may call these hooks and sends its mails by this relay."""
    def make(*hooks, relay=None, settings=None, **kwargs):
        mail = {}
        if relay:
            mail = {"SMTP_URL": relay.url, "SMTP_USER": USER, "SMTP_PASSWORD": PASSWORD, "MAIL_FROM": "mediarun@example.com"}
        allowed = ",".join(hook.host for hook in hooks)
        return make_stack(settings={"FETCH_ALLOW_HOSTS": allowed, "TLS_CA_FILE": certificate.file, **mail, **(settings or {})},
                          **kwargs)
    return make


def insert(user, **fields):
    """A task that is done quickly."""
    answer = user.post("/api/tasks", json={"kind": "insert_records", "records": 1, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()["task"]


def convert(user, media, **fields):
    """A task with a file as its result, so that a mail is sent."""
    return user.upload(media.tone(seconds=0.2), "wav", **fields)


def deliveries(stack, task=None, columns="channel, status, attempts"):
    where = f"task_id = {task['id']}" if task else "channel NOT IN ('confirmation', 'reset')"
    return sorted(tuple(row) for row in stack.sql(f"SELECT {columns} FROM deliveries WHERE {where}"))


def retry_now(stack):
    """Ends the backoff of failed deliveries, and sweeps."""
    stack.sql("UPDATE deliveries SET next_attempt_at = now() WHERE status = 'pending' AND next_attempt_at > now() RETURNING id")
    stack.sweep()


def confirm_by_hand(stack, user):
    """As an operator does it, who knows the address."""
    stack.sql(f"UPDATE users SET email_confirmed_at = now() WHERE username = '{user.username}' RETURNING id")
    stack.sql("UPDATE deliveries SET status = 'skipped' WHERE channel = 'confirmation' AND status = 'pending' RETURNING id")


def settle(stack, task=None, seconds=20, retry=True):
    """Waits until no delivery is pending. Returns them."""
    def settled():
        found = deliveries(stack, task)
        if found and not [row for row in found if row[1] in ("pending", "sending")]:
            return found
        if retry:
            retry_now(stack)
        return None
    return wait_for(settled, "end of the deliveries", seconds, 0.2)


def wait_for_failure(stack, task, attempts=1):
    """Waits until an attempt has failed and the next one is due later."""
    wait_for(lambda: ("pending", str(attempts)) in deliveries(stack, task, "status, attempts"), "a failed attempt")


@pytest.mark.sanitized
def test_result_by_webhook_and_mail(make_delivering_stack, make_hook, make_relay, media):
    hook, relay = make_hook(), make_relay()
    stack = make_delivering_stack(hook, relay=relay)
    user = relay.confirm(stack.client())
    secret = user.get("/api/auth/me").json()["webhook_secret"]
    task = user.finish(user.upload(media.tone(), "mp3", "Canción “1”.wav", callback_url=f"{hook.url}/done?key=hush-hush"))
    assert settle(stack, task, retry=False) == [("mail", "sent", "1"), ("webhook", "sent", "1")]

    call = hook.wait(1)[0]
    verify(call, secret)
    assert (call.method, call.path) == ("POST", "/done?key=hush-hush")
    assert call.headers["x-mediarun-event"] == "task.processed"
    assert call.json["id"] == task["id"] and call.json["status"] == "processed"
    assert call.json["outputs"][0]["file_name"] == "Canción “1”.mp3"

    mail = relay.wait()[0]
    assert mail.recipients == [f"{user.username}@example.com"] and mail["From"] == "mediarun@example.com"
    assert mail["Subject"] and mail["Date"] and mail["Message-ID"] and mail["Auto-Submitted"] == "auto-generated"
    assert set(relay.logins) == {(True, True)}
    text = text_of(mail)
    assert "(wav)" in text and "Canción" not in text and user.username not in text
    link = re.search(r"https?://\S+", text).group()
    assert link.startswith(f"{stack.url}/api/files/{task['file_id']}?token=")
    answer = requests.get(link, timeout=10)
    assert answer.status_code == 200 and answer.content == user.download(task)
    token = link.partition("token=")[2]
    assert requests.get(f"{stack.url}/api/tasks/{task['id']}?token={token}", timeout=10).status_code == 400

    logs = stack.worker.whole_log() + stack.web.whole_log()
    for said in (token, "hush-hush", PASSWORD, secret.removeprefix("whsec_")):
        assert said not in logs
    lines = {line["channel"]: line for line in stack.worker.records() if line.get("message") == "delivery"}
    assert {channel: (line["end"], line["status"], line["attempt"]) for channel, line in lines.items()} == {
        "webhook": ("sent", 204, 1), "mail": ("sent", 250, 1), "confirmation": ("sent", 250, 1)}


@pytest.mark.measured
@pytest.mark.slow
@pytest.mark.sanitized
def test_exactly_once_when_every_third_attempt_fails(make_delivering_stack, make_hook, make_relay, media):
    calls = iter(range(1, 100000))
    hook = make_hook(lambda received: 500 if next(calls) % 3 == 0 else 200)
    relay = make_relay(answer=lambda number, recipient: "451 later" if number % 3 == 0 else "250 taken")
    stack = make_delivering_stack(hook, relay=relay)
    user = relay.confirm(stack.client())
    secret = user.get("/api/auth/me").json()["webhook_secret"]
    tasks = [convert(user, media, callback_url=hook.url) for _ in range(TASKS)]
    wait_for(lambda: stack.sql("SELECT count(*) FROM tasks WHERE status = 'processed'") == [[str(TASKS)]], "all tasks", 60)

    found = settle(stack, seconds=60)
    assert len(found) == 2 * TASKS and {row[1] for row in found} == {"sent"}
    assert max(int(row[2]) for row in found) > 1, "some needed a retry"
    for channel, accepted in (("webhook", hook.accepted), ("mail", relay.accepted)):
        ids = {row[0] for row in stack.sql(f"SELECT public_id FROM deliveries WHERE channel = '{channel}'")}
        assert len(accepted) == TASKS and set(accepted.values()) == {1}, channel
        assert {one.strip("<>").partition("@")[0] for one in accepted} == ids
    assert len({call.json["id"] for call in hook.received}) == TASKS
    for call in hook.received:
        verify(call, secret)
    assert {row[0] for row in stack.sql("SELECT status FROM tasks")} == {"processed"}
    for task, text in ((task, text) for task in tasks[::TASKS // 4] for text in map(text_of, relay.mails) if task["file_id"] in text):
        assert requests.get(re.search(r"https?://\S+", text).group(), timeout=10).content == user.download(task)


@pytest.mark.sanitized
def test_no_mail_to_an_address_that_is_not_confirmed(make_delivering_stack, make_relay, media):
    """Somebody signs up with another person's address: one fixed mail goes there, and no other without consent."""
    relay = make_relay()
    stack = make_delivering_stack(relay=relay)
    user = stack.client()
    link = relay.confirmation_link(user)
    for _ in range(3):
        task = user.finish(user.upload(media.tone(seconds=0.2), "wav", "BUY NOW at evil.example.wav"))
        assert settle(stack, task, retry=False) == [("mail", "skipped", "0")]
        assert "not confirmed" in user.task(task["id"])["deliveries"][0]["error"]
    stack.sweep_whole()
    assert not relay.mails and len(relay.confirmations) == 1
    assert user.username not in text_of(relay.confirmations[0])

    page = requests.get(link, timeout=20)  # as a mail filter looks at it
    assert page.status_code == 200 and '<form method="post"' in page.text and page.headers["Referrer-Policy"] == "no-referrer"
    assert user.get("/api/auth/me").json()["email_confirmed"] is False
    again = user.post("/api/auth/confirmation")
    assert again.status_code == 429 and 3000 < int(again.headers["Retry-After"]) <= 3600
    button = {"headers": {"Content-Type": "application/x-www-form-urlencoded"}, "timeout": 20}
    assert requests.post(link, **button).status_code == 200
    assert requests.post(link, **button).json()["code"] == "bad_confirmation"
    assert user.get("/api/auth/me").json()["email_confirmed"] is True
    task = user.finish(convert(user, media))
    assert settle(stack, task, retry=False) == [("mail", "sent", "1")]
    assert len(relay.mails) == 1
    assert link.partition("token=")[2] not in stack.web.whole_log() + stack.worker.whole_log()


@pytest.mark.sanitized
def test_new_password_by_mail(make_delivering_stack, make_relay):
    """The mail goes to a confirmed address alone, and its link works once; opening it changes nothing."""
    relay = make_relay()
    stack = make_delivering_stack(relay=relay)
    user, nobody = stack.client(), stack.anonymous()
    order = {"email": f"{user.username}@EXAMPLE.com"}
    assert nobody.post("/api/auth/reset", json=order).status_code == 202
    relay.confirm(user)
    assert nobody.post("/api/auth/reset", json=order).status_code == 202
    mail = relay.wait()[0]
    assert len(relay.mails) == 1 and mail.recipients == [f"{user.username}@example.com"] and user.username not in text_of(mail)
    link = re.search(r"https?://\S+", text_of(mail)).group()
    page = requests.get(link, timeout=20)
    assert page.status_code == 200 and '<form method="post"' in page.text and page.headers["Referrer-Policy"] == "no-referrer"
    form = {"password1": "correct horse battery", "password2": "correct horse battery"}
    assert requests.post(link, data=form, timeout=20).status_code == 200
    assert requests.post(link, data=form, timeout=20).json()["code"] == "bad_reset"
    assert user.get("/api/tasks").status_code == 401
    assert nobody.post("/api/auth/login", json={"username": user.username, "password": form["password1"]}).status_code == 200
    assert link.partition("token=")[2] not in stack.web.whole_log() + stack.worker.whole_log()


def test_failed_task_by_webhook_only(make_delivering_stack, make_hook, make_relay):
    hook, relay = make_hook(), make_relay()
    stack = make_delivering_stack(hook, relay=relay)
    user = stack.client()
    task = user.wait(user.upload(b"no media at all" * 100, "mp3", "a.wav", callback_url=hook.url))
    assert task["status"] == "failed"
    assert settle(stack, task, retry=False) == [("webhook", "sent", "1")]
    call = hook.wait(1)[0]
    assert call.headers["x-mediarun-event"] == "task.failed" and call.json["error"]["code"]
    assert not relay.mails


@pytest.mark.measured
@pytest.mark.slow
@pytest.mark.sanitized
def test_receivers_that_never_answer_delay_no_others(make_delivering_stack, make_hook, media):
    silent, good = make_hook(lambda received: time.sleep(20) or 200), make_hook()
    stack = make_delivering_stack(silent, good, worker_settings={"DELIVERY_TIMEOUT_SECONDS": 2, "DELIVERY_SLOTS": 4})
    owner_of_silent, user = stack.client(), stack.client()
    waiting = [insert(owner_of_silent, callback_url=silent.url) for _ in range(40)]
    silent.wait(2)  # half of the slots
    began = time.monotonic()
    user.convert(media.tone(), "mp3")
    assert SANITIZED or time.monotonic() - began < 6  # 40 of them last for 20 s
    fast = [insert(user, callback_url=good.url) for _ in range(5)]
    good.wait(5, seconds=25)  # they find the other half free, once the burst before them was tried or postponed
    assert [settle(stack, task, retry=False) for task in fast] == [[("webhook", "sent", "1")]] * 5
    # A push that met a full worker comes again after the subscription's backoff.
    assert {owner_of_silent.wait(task)["status"] for task in waiting} == {"processed"}
    # The slow receivers are retried with the slots that are left for them.
    before = len(silent.received)

    def retried():
        retry_now(stack)  # all of them may be postponed again if no slot is free just then
        return len(silent.received) > before
    wait_for(retried, "a retry", 15, 0.5)
    assert not [line for line in stack.worker.records() if line.get("severity") == "ERROR"]


def test_relay_down_and_wrong_credentials(make_delivering_stack, make_relay, media):
    relay = make_relay(start=False)
    stack = make_delivering_stack(relay=relay, worker_settings={"SMTP_PASSWORD": "wrong-password"})
    user = stack.client()
    confirm_by_hand(stack, user)
    task = user.finish(convert(user, media))
    wait_for_failure(stack, task)
    relay.start()
    retry_now(stack)
    wait_for_failure(stack, task, 2)
    assert (True, False) in relay.logins
    refused = [line for line in stack.worker.records() if line.get("severity") == "ERROR"]
    assert len(refused) == 1 and "login" in str(refused[0]["error"]) and "wrong-password" not in stack.worker.whole_log()
    assert "login" not in str(user.task(task["id"])), "errors of the relay are shown to the operator only"
    stack.worker.env["SMTP_PASSWORD"] = PASSWORD
    stack.worker.restart()
    assert settle(stack, task) == [("mail", "sent", "3")]
    assert len(relay.mails) == 1 and user.task(task["id"])["status"] == "processed"


def test_no_retry_after_a_permanent_refusal(make_delivering_stack, make_hook, make_relay, media):
    hook = make_hook(lambda received: 410)
    relay = make_relay(answer=lambda number, recipient: "554 spam")
    stack = make_delivering_stack(hook, relay=relay)
    user = relay.confirm(stack.client())
    task = user.finish(convert(user, media, callback_url=hook.url))
    assert settle(stack, task, retry=False) == [("mail", "failed", "1"), ("webhook", "failed", "1")]
    stack.sweep_whole()
    assert len(hook.received) == 1 and relay.seen == 1
    assert user.task(task["id"])["status"] == "processed"


def test_internal_addresses_are_not_called(make_delivering_stack, make_hook):
    hook, plain = make_hook(), make_hook(tls=False)
    stack = make_delivering_stack(plain)
    user = stack.client()
    # A name that resolves to an internal address is detected when connecting.
    task = user.finish(insert(user, callback_url=hook.url.replace("127.0.0.1", "localhost")))
    assert settle(stack, task, retry=False) == [("webhook", "failed", "1")]
    assert hook.received == []
    for url in (f"http://localhost:{free_port()}/", "http://example.com/hook", hook.url, "https://169.254.169.254/",
                "https://user:pass@example.com/", "ftp://example.com/"):
        answer = user.post("/api/tasks", json={"kind": "insert_records", "records": 1, "callback_url": url})
        assert answer.status_code == 400 and "callback_url" in answer.json()["detail"], url
    # Plain HTTP is allowed to a host that the operator names.
    assert settle(stack, user.finish(insert(user, callback_url=plain.url)), retry=False) == [("webhook", "sent", "1")]


@pytest.mark.parametrize("switch", [{"STRESS_TEST": 1}, {"ENABLED_EMAIL": "false"}], ids=lambda switch: next(iter(switch)))
def test_mails_turned_off(make_delivering_stack, make_relay, media, switch):
    relay = make_relay()
    stack = make_delivering_stack(relay=relay, settings=switch)
    user = stack.client()
    confirm_by_hand(stack, user)
    assert deliveries(stack, user.finish(convert(user, media))) == []
    # Web has queued a mail; the worker, with the old settings, skips it.
    stack.web.env.update({"STRESS_TEST": "0", "ENABLED_EMAIL": "true"})
    stack.web.restart()
    assert settle(stack, user.finish(convert(user, media)), retry=False) == [("mail", "skipped", "1")]
    assert relay.seen == 0


def test_worker_killed_while_it_delivers(make_delivering_stack, make_hook):
    answers = iter([lambda: time.sleep(5) or 500, lambda: 200])
    hook = make_hook(lambda received: next(answers)())
    stack = make_delivering_stack(hook)
    user = stack.client()
    task = user.finish(insert(user, callback_url=hook.url))
    first = hook.wait(1)[0]
    stack.worker.kill()
    stack.worker.start()
    stack.sweep_whole()
    assert deliveries(stack, task) == [("webhook", "sending", "1")], "the lease is respected"
    stack.sql("UPDATE deliveries SET lease_expires_at = now() - interval '1 ms' RETURNING id")
    assert settle(stack, task) == [("webhook", "sent", "2")]
    second = hook.wait(2)[1]
    assert second.headers["webhook-id"] == first.headers["webhook-id"], "so that a receiver can detect the repetition"
    assert len(hook.received) == 2


def test_worker_stopped_while_it_delivers(make_delivering_stack, make_hook):
    answers = iter([lambda: time.sleep(1) or 200])
    hook = make_hook(lambda received: next(answers)())
    stack = make_delivering_stack(hook)
    user = stack.client()
    task = user.finish(insert(user, callback_url=hook.url))
    hook.wait(1)
    assert stack.worker.stop(15) == 0
    assert deliveries(stack, task) == [("webhook", "sent", "1")], "a running delivery is finished"
    stack.worker.start()


def test_put_skips_the_old_delivery(make_delivering_stack, make_hook, media):
    answers = iter([500, 200])
    hook = make_hook(lambda received: next(answers))
    stack = make_delivering_stack(hook)
    user = stack.client()
    task = user.finish(user.upload(media.tone(), "mp3", callback_url=hook.url))
    wait_for_failure(stack, task)
    assert user.request("PUT", f"/api/tasks/{task['id']}", json={"newFormat": "ogg"}).status_code == 200
    wait_for(lambda: user.task(task["id"])["processed_format"] == "ogg", "the second result", 30)
    settle(stack, task)
    assert deliveries(stack, task, "generation, status") == [("1", "skipped"), ("2", "sent")]
    calls = hook.wait(2)
    assert [call.json["new_format"] for call in calls] == ["mp3", "ogg"]
    assert calls[0].headers["webhook-id"] != calls[1].headers["webhook-id"]


def test_sweep_publishes_what_the_worker_could_not(make_delivering_stack, make_hook):
    hook = make_hook()
    stack = make_delivering_stack(hook, worker_settings={"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{free_port()}"})
    user = stack.client()
    task = user.finish(insert(user, callback_url=hook.url))
    wait_for(lambda: "cannot publish the deliveries of a task" in stack.worker.log(), "the log line that nothing was published")
    assert deliveries(stack, task) == [("webhook", "pending", "0")]
    stack.sql("UPDATE deliveries SET created_at = now() - interval '6 s' RETURNING id")
    stack.sweep()
    assert settle(stack, task, retry=False) == [("webhook", "sent", "1")]
