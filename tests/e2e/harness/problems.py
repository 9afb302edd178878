"""Checks of error responses."""


def refused(answer, status, code, word=""):
    """An error with this code, whose text contains the word. Returns the body."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    body = answer.json()
    assert body["code"] == code, body
    assert word in body["detail"] and body["message"], body
    return body
