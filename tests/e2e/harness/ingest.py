"""A mediarun for tests of tasks with a URL."""

from .origin import Origin
from .webhook import Certificate


class Ingest:
    """A stack, an origin server that the operator allows (HTTP and HTTPS), and internal servers that are not allowed."""

    def __init__(self, make, directory, **worker_settings):
        self.certificate = Certificate(directory)
        self.origin, self.secure = Origin(), Origin(certificate=self.certificate)
        self.internal, self.internal6 = internal_servers()
        proxy = {name: self.internal.url for name in ("http_proxy", "https_proxy", "ALL_PROXY")}
        self.stack = make(settings={"FETCH_ALLOW_HOSTS": f"{self.origin.host},{self.secure.host}",
                                    "TLS_CA_FILE": self.certificate.file},
                          worker_settings={"MAX_ATTEMPTS": 1, **proxy, **worker_settings})
        self.user = self.stack.client()

    def close(self):
        for server in (self.origin, self.secure, self.internal, self.internal6):
            server.close()

    def create(self, url, new_format="mp3", **fields):
        return self.user.post("/api/tasks", json={"url": url, "newFormat": new_format, **fields})

    def task(self, url, new_format="mp3", **fields):
        answer = self.create(url, new_format, **fields)
        assert answer.status_code == 201, answer.text
        return answer.json()["task"]

    def fail(self, url, seconds=60):
        """Waits for a task that must fail and leave no objects. Returns its error."""
        task = self.user.wait(self.task(url), seconds)
        assert task["status"] == "failed", task
        assert objects_of(self.stack, task) == []
        return task["error"]

    def internal_connections(self):
        return self.internal.connections + self.internal6.connections


def internal_servers():
    """Two servers on one port, on 127.0.0.1 and on ::1."""
    for _ in range(20):
        server = Origin()
        try:
            return server, Origin("::1", server.port)
        except OSError:
            server.close()
    raise AssertionError("no port is free on both addresses")


def objects_of(stack, task, prefix=""):
    return [name for name in stack.objects() if task["file_id"] in name and name.startswith(prefix)]
