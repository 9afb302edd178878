"""
The restore drill of docs/operations.md, rehearsed: a backup is made under load, work goes on, everything is lost, the backup is
restored, sweeps run. It is counted from outside, as the fault suite counts: tasks that the backup knew are lost if they do not
end, or if their result is gone without a clear answer.

In the cloud only the database is older after a restore: the bucket is as it was. Locally both can be lost, and the queue as well.
"""

import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest
import requests

from harness.client import FINAL, PASSWORD, Client
from harness.jobs import start_job
from harness.paths import ROOT
from harness.waiting import wait_for

pytestmark = pytest.mark.xdist_group("restore")

OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
OPEN = "SELECT count(*) FROM tasks WHERE status NOT IN ('processed', 'failed', 'canceled')"


def sql_of(chapter):
    """The SQL that docs/operations.md tells people to paste in a chapter."""
    text = OPERATIONS.split(f"\n## {chapter}\n")[1].split("\n## ")[0]
    return re.search(r"```sql\n(.*?)```", text, re.DOTALL)[1]


class Backup:
    """Of the database of a stack, and then of its folder of objects; both while everything runs."""

    def __init__(self, stack, directory):
        self.stack, self.dump, self.objects = stack, directory / "dump", directory / "objects"
        self.live = stack.emulator.data / "storage"
        self._run("pg_dump", "--format=custom", f"--file={self.dump}", stack.postgres.url(stack.database))
        self._copy_objects()

    @staticmethod
    def _run(*words):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def _copy_objects(self):
        """Descriptions first: the bytes that they name exist until the object is replaced or deleted; then it is left out."""
        shutil.copytree(self.live, self.objects, ignore=lambda folder, names: [name for name in names if "." in name and not name.endswith(".json")])
        for sidecar in self.objects.glob("*/*.json"):
            for data in (self.live / sidecar.parent.name).glob(f"{sidecar.stem}.[0-9]*"):
                try:
                    shutil.copy2(data, sidecar.parent)
                except FileNotFoundError:
                    sidecar.unlink()

    def restore_database(self):
        name = self.stack.database.removeprefix("dbname=")
        self.stack.postgres.sql(f'DROP DATABASE "{name}" WITH (FORCE)', "dbname=postgres")
        self.stack.postgres.sql(f'CREATE DATABASE "{name}"', "dbname=postgres")
        self._run("pg_restore", "--exit-on-error", f"--dbname={self.stack.postgres.url(self.stack.database)}", str(self.dump))

    def restore_objects(self):
        shutil.rmtree(self.live)
        shutil.copytree(self.objects, self.live)


class Orders:
    """What users ordered and were told: {task id: (user, task)}, and the bytes of the results that they have seen."""

    def __init__(self):
        self.tasks, self.results, self._stop, self._pool = {}, {}, threading.Event(), concurrent.futures.ThreadPoolExecutor(1)
        self._load = None

    def add(self, user, task):
        self.tasks[task["id"]] = (user, task)
        return task

    def finish(self, user, task):
        """Waits for the task, and keeps its result."""
        done = user.wait(self.add(user, task))
        if done["status"] == "processed" and done["kind"] == "convert":
            self.results[done["id"], done["new_format"]] = user.download(done)
        return done

    def begin_load(self, user, source):
        self._load = self._pool.submit(lambda: [self.add(user, user.upload(source, "flac")) for _ in iter(lambda: self._stop.wait(0.05), True)])

    def end_load(self):
        self._stop.set()
        return self._load.result(30)


def crash(*programs):
    for program in programs:
        program.kill()


def start(stack, *programs):
    for program in programs:
        program.start()
    wait_for(lambda: requests.get(stack.url + "/api-health", timeout=5).status_code == 200, "health of web", 10)


def sweep_until_final(stack):
    """Nothing but sweeps and workers brings the tasks to their ends."""
    def ended():
        stack.sweep()
        return stack.sql(OPEN) == [["0"]]
    wait_for(ended, "end of all tasks that the backup knew", 40, 0.5)


def count(stack, orders, known, gone):
    """
    (lost, wrong): what happened to the tasks that the backup knew. `gone`: tasks whose results users deleted or replaced since; an
    operator is told of each.
    """
    lost, wrong, reported = [], [], []
    for task_id in known:
        user, _ = orders.tasks[task_id]
        task = user.task(task_id)
        if task["status"] not in FINAL or task["status"] == "failed" and task["error"]["code"] in ("input_gone", "service_fault"):
            lost.append(task)
        if task["status"] != "processed" or task["kind"] != "convert":
            continue
        answer = user.get(f"/api/files/{task['file_id']}")
        if answer.status_code == 503 and task_id in gone:
            reported.append(task_id)
        elif answer.status_code != 200:
            lost.append((answer.status_code, answer.text[:300], task))
        elif answer.content != orders.results.get((task_id, task["new_format"]), answer.content):
            wrong.append(task)
    told = lambda: "\n".join(str(record) for record in stack.web.records() if record["severity"] == "ERROR")
    wait_for(lambda: told().count("is missing in the bucket") >= len(reported), "the lines about missing objects", 10)
    assert len(reported) == len(gone)
    return lost, wrong


def known_tasks(stack):
    return {int(task_id): status for task_id, status in stack.sql("SELECT id, status FROM tasks")}


def check_what_came_later(stack, orders, known, late_user):
    """Every task after the backup is refused clearly; so is a user, whose token does not open somebody else's account."""
    later = set(orders.tasks) - set(known)
    for task_id in later:
        user, task = orders.tasks[task_id]
        for path in (f"/api/tasks/{task_id}", f"/api/files/{task['file_id']}"):
            answer = user.get(path)
            assert answer.status_code == (401 if user is late_user else 404) and answer.json()["code"], (path, answer.text)
    newcomer = stack.client()
    assert newcomer.get("/api/auth/me").status_code == 200 and late_user.get("/api/auth/me").status_code == 401
    assert newcomer.upload(b"x" * 100, "wav")["id"] not in orders.tasks
    return later


def check_objects(stack, gone):
    """No object is missing that a row names; what no row names is either in the ledger and goes, or it is kept for the lifecycle."""
    stack.sql("UPDATE stray_objects SET delete_after = now() - interval '1 s'")
    stack.sweep_whole()
    assert stack.sql("SELECT count(*) FROM stray_objects") == [["0"]]
    stored = set(stack.objects())
    named = {name: int(task_id) for task_id, name in stack.sql(
        "SELECT task_id, object FROM outputs UNION ALL SELECT id, input_object FROM tasks WHERE input_object IS NOT NULL")}
    assert {named[name] for name in set(named) - stored} <= gone
    return stored - set(named)


@pytest.fixture
def drill(make_stack, media, tmp_path):
    """(stack, orders, backup, user of after the backup, tasks whose files users deleted since); all is there until a test destroys it."""
    stack = make_stack(web_settings={"REPUBLISH_AFTER_SECONDS": 5}, worker_settings={"LEASE_SECONDS": 3})
    orders, user, other = Orders(), stack.client(), stack.client()
    done = [orders.finish(user, user.upload(media.tone("mp3"), target)) for target in ("wav", "ogg", "flac", "m4a")]
    orders.finish(other, other.upload(b"this is no audio" * 1000, "flac", name="bad.mp3"))
    orders.finish(other, other.post("/api/tasks", json={"kind": "insert_records", "records": 20}).json()["task"])
    running, child = start_job(stack, user, media.noise(20), "flac")
    orders.add(user, running)
    orders.begin_load(other, media.tone("mp3"))
    wait_for(lambda: len(orders.tasks) > 10, "orders before the backup", 20)
    backup = Backup(stack, tmp_path)
    wait_for(lambda before=len(orders.tasks): len(orders.tasks) > before + 3, "orders after the backup", 20)
    orders.end_load()
    os.kill(child, signal.SIGCONT)
    assert user.delete(f"/api/tasks/{done[0]['id']}").status_code in (200, 204)
    assert user.request("PUT", f"/api/tasks/{done[1]['id']}", json={"newFormat": "mp3"}).status_code == 200
    user.finish(done[1]["id"])
    late = stack.client()
    orders.finish(late, late.upload(media.tone("mp3"), "wav"))
    yield stack, orders, backup, late, {done[0]["id"], done[1]["id"]}


def test_restore_drill(drill):
    stack, orders, backup, late, gone = drill

    # The cloud's case: the database is lost; the bucket and the queue go on and are newer than the backup.
    crash(stack.web, stack.worker)
    backup.restore_database()
    stack.sql(sql_of("Restoring the database"))
    known = known_tasks(stack)
    assert {"processed", "failed", "processing"} <= set(known.values()) and gone <= set(known), known
    start(stack, stack.web, stack.worker)
    sweep_until_final(stack)
    assert count(stack, orders, known, gone) == ([], [])
    later = check_what_came_later(stack, orders, known, late)
    assert len(later) >= 4
    kept = check_objects(stack, gone)

    # All of it is lost, also the queue: the folder of objects comes from the same backup.
    crash(stack.web, stack.worker, stack.emulator)
    backup.restore_database()
    backup.restore_objects()
    stack.sql(sql_of("Restoring the database"))
    stack.emulator.start()
    stack.provision()
    start(stack, stack.web, stack.worker)
    sweep_until_final(stack)
    assert count(stack, orders, known, set()) == ([], [])
    check_what_came_later(stack, orders, known, late)
    kept_locally = check_objects(stack, set())
    print(f"{len(orders.tasks)} tasks, {len(known)} known to the backup, 0 lost, {len(later)} later ones refused,"
          f" {len(kept)} and {len(kept_locally)} objects kept for the lifecycle")


def test_a_user_is_suspended_and_removed_by_the_runbooks_sql(stack, media):
    """As docs/operations.md says it."""
    user, bystander = stack.client(), stack.client()
    task, kept = user.finish(user.upload(media.tone("mp3"), "wav")), bystander.finish(bystander.upload(media.tone("mp3"), "wav"))
    key = user.post("/api/keys", json={"name": "k", "scopes": ["read"]}).json()
    assert "key" in key, key
    stack.sql(sql_of("Alerts").replace("NAME", user.username))
    wait_for(lambda: user.get("/api/auth/me").status_code == 401, "the end of the login", 30)
    answer = stack.anonymous().post("/api/auth/login", json={"username": user.username, "password": PASSWORD})
    assert answer.status_code == 401, answer.text
    assert Client(stack.url).use_token(key["key"]).get("/api/tasks").status_code == 401
    assert stack.sql(f"SELECT status FROM tasks WHERE id = {task['id']}") == [["processed"]]
    stack.sql(sql_of("A person's data").replace("NAME", user.username))
    stack.sweep_whole()
    assert stack.sql(f"SELECT count(*) FROM users WHERE username = '{user.username}'") == [["0"]]
    assert stack.sql(f"SELECT count(*) FROM tasks WHERE id = {task['id']}") == [["0"]]
    assert bystander.get(f"/api/files/{kept['file_id']}").status_code == 200
