"""infra/sbom.sh: the bill of materials of an image, here of this machine's packages. In the images: test_images.py."""

import json
import pathlib
import re
import shutil
import subprocess
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FFMPEG = ("ffmpeg", "7:5.1.8-0+deb12u1", "bookworm-security/main")
pytestmark = pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")


def bill(*words, **variables):
    return subprocess.run([ROOT / "infra/sbom.sh", *words], env={"PATH": "/usr/bin:/bin", **variables}, text=True, capture_output=True,
                          check=False, timeout=60)


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    source = tmp_path_factory.mktemp("sbom") / "source.tsv"
    source.write_text("\t".join(FFMPEG) + "\n", "ascii")
    done = bill("mediarun-worker", "/", source, SNAPSHOT="20260131T120000Z")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def purl(package):
    [found] = [ref["referenceLocator"] for ref in package["externalRefs"] if ref["referenceType"] == "purl"]
    name, version, query = re.fullmatch(r"pkg:deb/debian/([^@]+)@([^?]+)\?(.+)", found).groups()
    return urllib.parse.unquote(name), urllib.parse.unquote(version), dict(urllib.parse.parse_qsl(query))


def test_document(document):
    """What SPDX 2.3 demands of a document, and a name that two different ones do not share."""
    assert (document["spdxVersion"], document["dataLicense"], document["SPDXID"]) == ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT")
    assert document["creationInfo"]["created"] == "2026-01-31T12:00:00Z" and document["creationInfo"]["creators"][0].startswith("Tool: ")
    assert document["documentNamespace"].startswith("https://") and "#" not in document["documentNamespace"]
    other = json.loads(bill("mediarun-web", "/").stdout)
    assert other["documentNamespace"] != document["documentNamespace"] and other["creationInfo"]["created"].endswith("Z")
    assert not [package for package in other["packages"] if package["name"] == "ffmpeg" and "comment" in package]


def test_every_package(document):
    """Each that dpkg has installed, with its version and where scanners look it up, once."""
    listed = subprocess.run(["dpkg-query", "-W", "-f=${db:Status-Status}\\t${Package}\\t${Version}\\t${Architecture}\\n"], text=True,
                            capture_output=True, check=True).stdout.splitlines()
    wanted = sorted(tuple(line.split("\t")[1:]) for line in listed if line.startswith("installed\t"))
    packages = [package for package in document["packages"] if package["SPDXID"].startswith("SPDXRef-deb-")]
    assert len(wanted) > 50 and sorted((*purl(package)[:2], purl(package)[2]["arch"]) for package in packages) == wanted
    assert all(package["versionInfo"] == purl(package)[1] and purl(package)[2]["distro"] == "bookworm" for package in packages)


def test_ffmpeg(document):
    """As its source's version, with Debian's security level, by both names that scanners use."""
    [linked] = [package for package in document["packages"] if package["SPDXID"] == "SPDXRef-linked-ffmpeg"]
    assert linked["versionInfo"] == FFMPEG[1] and purl(linked) == ("ffmpeg", FFMPEG[1], {"arch": "source", "distro": "bookworm"})
    assert FFMPEG[1] in linked["comment"] and FFMPEG[2] in linked["comment"]
    assert [ref["referenceLocator"] for ref in linked["externalRefs"] if ref["referenceType"] == "cpe23Type"] == [
        "cpe:2.3:a:ffmpeg:ffmpeg:5.1.8:*:*:*:*:*:*:*"]


def test_relationships(document):
    ids = [package["SPDXID"] for package in document["packages"]]
    assert len(ids) == len(set(ids)) and all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", name) for name in ids)
    subject = "SPDXRef-mediarun-worker"
    related = {link["relatedSpdxElement"]: (link["spdxElementId"], link["relationshipType"]) for link in document["relationships"]}
    assert set(related) == set(ids) and related.pop(subject) == ("SPDXRef-DOCUMENT", "DESCRIBES")
    assert related.pop("SPDXRef-linked-ffmpeg") == (subject, "STATIC_LINK")
    assert set(related.values()) == {(subject, "CONTAINS")}


def test_an_image_without_packages_is_an_error(tmp_path):
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text("", "ascii")
    done = bill("mediarun-web", tmp_path)
    assert done.returncode == 1 and "knows no installed package" in done.stderr


def test_the_archive_of_ffmpegs_source():
    """infra/ffmpeg.sh takes it from what apt says: of the version that was built, the security archive if that has it."""
    text = (ROOT / "infra/ffmpeg.sh").read_text("utf-8")
    command = re.search(r"archive=\$\(apt-cache madison ffmpeg \| (.*)\)$", text, re.MULTILINE)[1]
    lines = ["    ffmpeg | 7:5.1.8-0+deb12u1 | http://deb.debian.org/debian bookworm/main Sources",
             "    ffmpeg | 7:5.1.8-0+deb12u1 | http://deb.debian.org/debian-security bookworm-security/main Sources",
             "    ffmpeg | 7:5.1.8-0+deb12u1 | http://deb.debian.org/debian bookworm/main amd64 Packages",
             "    ffmpeg | 7:5.1.9-0+deb12u1 | http://deb.debian.org/debian bookworm-updates/main Sources"]
    for version, archive in (("7:5.1.8-0+deb12u1", "bookworm-security/main"), ("7:5.1.9-0+deb12u1", "bookworm-updates/main"), ("1", "")):
        done = subprocess.run(["bash", "-c", f"version=$0; {command}", version], input="\n".join(lines) + "\n", text=True,
                              capture_output=True, check=True)
        assert done.stdout.strip() == archive
