"""gcloud storage and rclone with the emulator's Cloud Storage. Skipped where they are not installed."""

import concurrent.futures
import json
import os
import shutil
import subprocess
import sys

import pytest

from harness.bucket import Bucket, assert_error
from harness.object_tree import BIG, make_tree, md5, read_tree, stored, sums
from harness.paths import ROOT, SANITIZED

sys.path.append(str(ROOT / "tests" / "deploy"))
import warm_gcloud  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.skipif(SANITIZED, reason="the clients are not what is tested")]


@pytest.fixture
def bucket(emulator):
    return Bucket(emulator.url)


@pytest.fixture
def gcloud(emulator, tmp_path):
    """gcloud(ARGUMENT…) → its output, without account; its start is paid once."""
    if not shutil.which("gcloud"):
        pytest.skip("gcloud is not installed")
    directory = tmp_path / "gcloud"
    directory.mkdir()
    settings = {name: value for name, value in os.environ.items() if not name.startswith("CLOUDSDK_")}
    settings.update(CLOUDSDK_CONFIG=str(directory / "configuration"), CLOUDSDK_AUTH_DISABLE_CREDENTIALS="true", CLOUDSDK_CORE_PROJECT="p",
                    CLOUDSDK_CORE_DISABLE_PROMPTS="true", CLOUDSDK_CORE_DISABLE_USAGE_REPORTING="true", CLOUDSDK_CORE_DISABLE_FILE_LOGGING="true",
                    CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK="true", CLOUDSDK_CORE_CHECK_GCE_METADATA="false", NO_GCE_CHECK="true",
                    CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE=f"{emulator.url}/storage/v1/",
                    CLOUDSDK_STORAGE_PROCESS_COUNT="1", CLOUDSDK_STORAGE_THREAD_COUNT="1")
    server = warm_gcloud.WarmGcloud(directory, settings)

    def run(*arguments):
        done = subprocess.run([directory / "gcloud", "storage", *map(str, arguments)], env=settings, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    yield run
    server.stop()


def put_many(bucket, prefix, count):
    names = [f"{prefix}{number:04}" for number in range(count)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda share: [share[0].put(name, name.encode()) for name in share[1]],
                      [(bucket.again(), names[first::16]) for first in range(16)]))
    return names


def test_gcloud(bucket, gcloud, tmp_path):
    source, back = tmp_path / "source", tmp_path / "back"
    back.mkdir()
    files, url = make_tree(source), f"gs://{bucket.name}"
    gcloud("cp", "-r", source, f"{url}/up")
    assert stored(bucket, "up/") == sums(files)
    gcloud("cp", "-r", f"{url}/up/*", back)
    assert read_tree(back) == files
    assert gcloud("cat", f"{url}/up/with blanks.txt", f"{url}/up/empty", f"{url}/up/plain") == b"a bhello"

    gcloud("mv", f"{url}/up/{BIG}", f"{url}/moved 100%")
    assert stored(bucket, "moved") == {" 100%": sums(files)[BIG]}
    (source / "plain").write_bytes(b"changed")
    (source / "empty").unlink()
    gcloud("rsync", "-r", "--delete-unmatched-destination-objects", source, f"{url}/up")
    assert stored(bucket, "up/") == sums(read_tree(source))

    left = put_many(bucket, "many/", 300)
    listed = gcloud("ls", "-r", f"{url}/**").decode().splitlines()
    assert sorted(listed) == sorted(f"{url}/{name}" for name in stored(bucket)) and len(listed) > len(left)
    gcloud("rm", "-r", f"{url}/many")
    assert set(stored(bucket)) == {"moved 100%", *(f"up/{name}" for name in read_tree(source))}
    gcloud("rm", "-r", url)
    assert_error(bucket.http.get(f"{bucket.url}/storage/v1/b/{bucket.name}"), 404)


@pytest.fixture
def rclone(emulator, tmp_path):
    if not shutil.which("rclone"):
        pytest.skip("rclone is not installed")
    settings = {**os.environ, "RCLONE_CONFIG": str(tmp_path / "rclone.conf"), "RCLONE_CONFIG_R_TYPE": "google cloud storage",
                "RCLONE_CONFIG_R_ANONYMOUS": "true", "RCLONE_CONFIG_R_ENDPOINT": f"{emulator.url}/storage/v1/", "RCLONE_RETRIES": "1",
                "RCLONE_LOW_LEVEL_RETRIES": "1"}

    def run(*arguments):
        done = subprocess.run(["rclone", *map(str, arguments)], env=settings, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return run


def test_rclone(bucket, rclone, tmp_path):
    source, back = tmp_path / "source", tmp_path / "back"
    files, remote = make_tree(source, many=30), f"r:{bucket.name}"
    rclone("copy", source, f"{remote}/up")
    assert stored(bucket, "up/") == sums(files)
    listed = json.loads(rclone("lsjson", "-R", "--hash", "--files-only", f"{remote}/up"))
    assert {item["Path"]: (item["Size"], item["Hashes"]["md5"]) for item in listed} == sums(files)
    rclone("copy", f"{remote}/up", back)
    assert read_tree(back) == files
    assert rclone("cat", f"{remote}/up/with blanks.txt") == b"a b"

    rclone("copyto", f"{remote}/up/{BIG}", f"{remote}/copy 100%")  # on the server
    rclone("moveto", f"{remote}/up/{BIG}", f"{remote}/moved ✓")
    assert stored(bucket, "copy") == {" 100%": sums(files)[BIG]} and stored(bucket, "moved") == {" ✓": sums(files)[BIG]}
    (source / "plain").write_bytes(b"changed")
    (source / "empty").unlink()
    rclone("sync", source, f"{remote}/up")
    assert stored(bucket, "up/") == sums(read_tree(source))
    rclone("copyto", f"{remote}/moved ✓", tmp_path / "one")
    assert md5((tmp_path / "one").read_bytes()) == md5(files[BIG])
    rclone("purge", remote)
    assert_error(bucket.http.get(f"{bucket.url}/storage/v1/b/{bucket.name}"), 404)
