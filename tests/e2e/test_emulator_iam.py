"""The emulator's metadata server and IAM."""

import base64
import json
import subprocess

import pytest
import requests

from harness.bucket import HELLO

pytestmark = [pytest.mark.sanitized, pytest.mark.sequential]

FLAVOR = {"Metadata-Flavor": "Google"}


def metadata(emulator, path, headers=FLAVOR, **params):
    return requests.get(f"{emulator.url}/computeMetadata/v1/{path}", headers=headers, params=params)


def decode(token):
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def test_metadata_server(emulator):
    answer = metadata(emulator, "instance/service-accounts/default/token")
    assert answer.headers["Metadata-Flavor"] == "Google"
    assert answer.json()["token_type"] == "Bearer" and answer.json()["access_token"]
    assert 0 < answer.json()["expires_in"] <= 3600
    email = metadata(emulator, "instance/service-accounts/default/email").text
    tree = metadata(emulator, "instance/service-accounts/default/", recursive="true").json()
    assert tree["email"] == email and tree["scopes"] and tree["aliases"] == ["default"]
    assert metadata(emulator, "project/numeric-project-id").text.isdigit()
    assert metadata(emulator, "project/project-id").text == emulator.env["GOOGLE_CLOUD_PROJECT"]
    assert metadata(emulator, "instance/region").text.split("/")[-1] == "us-central1"
    assert metadata(emulator, "instance/id").text
    assert metadata(emulator, "project", recursive="true").json()["projectId"]
    assert "default/" in metadata(emulator, "instance/service-accounts/").text
    assert metadata(emulator, "instance/nothing").status_code == 404
    refused = metadata(emulator, "project/project-id", headers={})
    assert refused.status_code == 403 and refused.headers["Metadata-Flavor"] == "Google"


def test_identity_token(emulator):
    answer = metadata(emulator, "instance/service-accounts/default/identity", audience="https://a.example/",
                      format="full")
    head, claims = decode(answer.text)
    certificates = requests.get(f"{emulator.url}/oauth2/v1/certs")
    assert "max-age=" in certificates.headers["Cache-Control"] and "public" in certificates.headers["Cache-Control"]
    assert head["alg"] == "RS256" and head["typ"] == "JWT" and head["kid"] in certificates.json()
    assert "BEGIN CERTIFICATE" in certificates.json()[head["kid"]]
    assert claims["aud"] == "https://a.example/" and claims["iss"] == "https://accounts.google.com"
    assert claims["email"] == metadata(emulator, "instance/service-accounts/default/email").text
    assert claims["email_verified"] is True and claims["sub"].isdigit() and claims["azp"] == claims["sub"]
    assert claims["exp"] - claims["iat"] == 3600
    assert metadata(emulator, "instance/service-accounts/default/identity").status_code == 400


def openssl_verifies(certificate, data, signature, directory):
    (directory / "certificate.pem").write_text(certificate)
    (directory / "signature").write_bytes(signature)
    key = subprocess.run(["openssl", "x509", "-pubkey", "-noout", "-in", directory / "certificate.pem"],
                         capture_output=True, check=True).stdout
    (directory / "key.pem").write_bytes(key)
    return subprocess.run(["openssl", "dgst", "-sha256", "-verify", directory / "key.pem", "-signature",
                           directory / "signature"], input=data, capture_output=True, check=False).returncode == 0


def test_sign_blob(emulator, tmp_path):
    url = f"{emulator.url}/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:signBlob"
    answer = requests.post(url, json={"payload": base64.b64encode(HELLO).decode()}).json()
    certificates = requests.get(f"{emulator.url}/oauth2/v1/certs").json()
    signature = base64.b64decode(answer["signedBlob"])
    assert openssl_verifies(certificates[answer["keyId"]], HELLO, signature, tmp_path)
    refused = requests.post(url, json={})
    assert refused.status_code == 400 and refused.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_token_endpoint(emulator):
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"}
    answer = requests.post(f"{emulator.url}/token", data=grant)
    assert answer.status_code == 200 and answer.json()["token_type"] == "Bearer" and answer.json()["access_token"]
    refused = requests.post(f"{emulator.url}/token", data={**grant, "grant_type": "password"})
    assert refused.status_code == 400 and refused.json()["error"] == "unsupported_grant_type"
    assert requests.post(f"{emulator.url}/token", data={"grant_type": grant["grant_type"]}).status_code == 400
