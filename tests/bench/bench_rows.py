"""Lists, searches and the sweep of a user with many finished tasks, and with many queued ones."""

from ground import load, median_ms
from table import Target

TITLE = "Rows"
STATES = ("processed", "failed", "canceled")
PORTION = 50_000
FILL = ("SELECT set_config('session_replication_role', 'replica', false);"
        " INSERT INTO tasks (file_id, user_id, status, error_code, original_file, new_format, published_at, uploaded_at, created_at,"
        " processed_at, event_id)"
        " SELECT gen_random_uuid(), u.id, '{state}', {code}, 'song ' || n || '.wav', 'mp3', now() - interval '1 h', now() - interval '1 h',"
        " now() - interval '1 h', {ended}, nextval('task_events') FROM users u, generate_series(1, {count}) n"
        " WHERE u.username = '{user}'")
LISTS = ["", "?order=1", "?status=failed", "?status=uploaded", "?status=failed,canceled", "?kind=convert", "?format=mp3", "?name=song",
         "?created_after=2999-01-01", "?max=100"]


def fill(stack, user, state, count):
    code, ended = "'corrupt_input'" if state == "failed" else "NULL", "NULL" if state == "uploaded" else "now()"
    for begin in range(0, count, PORTION):
        stack.sql(FILL.format(state=state, code=code, ended=ended, count=min(PORTION, count - begin), user=user))


def sweep_ms(stack):
    stack.sweep_whole()
    return [record["ms"] for record in stack.web.records() if record.get("path") == "/internal/sweep"][-1]


def admission(ground, stack, client):
    body = '{"name": "upload", "description": "user upload", "records": 1}'
    return load(f"{stack.url}/tasks", 32, ground.few(10, 3), body, token=client.token)["rate"]


def measure(ground):
    no_quota = {"QUOTA_TASKS_QUEUED": 100_000_000, "QUOTA_RECORDS_STORED": 1_000_000_000}
    finished, queued = ground.few(1_000_000, 100_000), ground.few(1_000_000, 100_000)
    with ground.stack(web_settings=no_quota) as stack:
        client = stack.client()
        stack.worker.stop()
        empty = admission(ground, stack, client)
        for state in STATES:
            fill(stack, client.username, state, finished // len(STATES))
        stack.sql("ANALYZE tasks")
        fill(stack, client.username, "uploaded", queued)
        for query in LISTS:
            path = f"/api/tasks{query}"
            assert client.get(path).status_code == 200, path
            ground.table.add(f"GET {path}", "ms", [median_ms(lambda path=path: client.get(path), 9)], target=Target(at_most=10))
        ground.table.add(f"sweep, {queued:,} queued", "ms", [sweep_ms(stack)], target=Target(at_most=1000))
        ground.table.add(f"admission, {queued:,} queued", "per s", [admission(ground, stack, client)], [empty], "an empty queue",
                         Target(at_least=0.9))
