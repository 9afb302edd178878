"""A client of the emulator's Cloud Storage."""

import json
import os
import urllib.parse

import requests

HELLO = b"hello world"


class Bucket:
    """A new bucket, and requests to it."""

    counter = 0

    def __init__(self, url):
        Bucket.counter += 1
        self.url = url
        self.name = f"bucket-{os.getpid()}-{Bucket.counter}"
        self.http = requests.Session()
        answer = self.http.post(f"{url}/storage/v1/b?project=p", json={"name": self.name})
        assert answer.status_code == 200, answer.text

    def o(self, name, base="/storage/v1"):
        return f"{self.url}{base}/b/{self.name}/o/{urllib.parse.quote(name, safe='')}"

    @property
    def upload_url(self):
        return f"{self.url}/upload/storage/v1/b/{self.name}/o"

    def media(self, name, data=HELLO, headers=None, **params):
        return self.http.post(self.upload_url, params={"uploadType": "media", "name": name, **params}, data=data,
                              headers={"Content-Type": "text/plain", **(headers or {})})

    def put(self, name, data=HELLO, **params):
        answer = self.media(name, data, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, name, headers=None, **params):
        return self.http.get(self.o(name), params=params, headers=headers)

    def bytes(self, name):
        answer = self.get(name, alt="media")
        assert answer.status_code == 200, answer.text
        return answer.content

    def multipart(self, resource, data, part_type="text/plain", boundary="===b", closing=True, **params):
        body = (f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(resource)}\r\n"
                f"--{boundary}\r\nContent-Type: {part_type}\r\n\r\n").encode() + data
        if closing:
            body += f"\r\n--{boundary}--".encode()
        return self.http.post(self.upload_url, params={"uploadType": "multipart", **params}, data=body,
                              headers={"Content-Type": f'multipart/related; boundary="{boundary}"'})

    def session(self, name, resource=None, headers=None, **params):
        answer = self.http.post(self.upload_url, params={"uploadType": "resumable", "name": name, **params},
                                json=resource, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.headers["Location"]

    def chunk(self, session, content_range, data=b"", headers=None, method="PUT"):
        return self.http.request(method, session, data=data, allow_redirects=False,
                                 headers={"Content-Range": content_range, **(headers or {})})

    def list(self, **params):
        answer = self.http.get(f"{self.url}/storage/v1/b/{self.name}/o", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def again(self):
        """The same bucket, with its own connection."""
        other = object.__new__(Bucket)
        other.url, other.name, other.http = self.url, self.name, requests.Session()
        return other


def assert_error(answer, status, reason=None):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == status and error["message"]
    assert error["errors"][0]["domain"] == "global"
    if reason:
        assert error["errors"][0]["reason"] == reason
