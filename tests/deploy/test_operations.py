"""docs/operations.md: what it names exists, and gcloud knows its commands."""

import pathlib
import re
import shlex
import subprocess

import pytest

import cloud
import monitoring
import recorder

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text("utf-8")
LINES = TEXT.splitlines()
CAPACITY = (ROOT / "docs" / "capacity.md").read_text("utf-8")


def read(name):
    return (ROOT / name).read_text("utf-8")


def test_chapters():
    assert len(LINES) <= 350
    chapters = [line[3:] for line in LINES if line.startswith("## ")]
    for wanted in ("First deployment", "Rolling back", "Reading the logs", "Alerts", "Rotating secrets", "Restoring the database",
                   "Loss of a zone or a region", "Draining", "A backlog", "A poison message", "Runaway cost", "A person's data",
                   "Maintenance of the database"):
        assert wanted in chapters
    assert all(f"\n## {wanted}\n" in CAPACITY for wanted in ("Scaling", "What it costs"))


def test_links_within_the_page():
    """Both as Markdown's anchors, and from notifications."""
    known = {re.sub(r"[^\w -]", "", line.lstrip("#").strip().lower()).replace(" ", "-") for line in LINES if line.startswith("#")}
    named = set(re.findall(r"\]\(#([\w-]+)\)", TEXT))
    assert len(named) >= 3 and named - known <= {"commands-for-operators"}


def test_each_policy_has_its_section():
    assert sorted(line[4:] for line in LINES if line.startswith("### ")) == monitoring.names("policies")


def test_each_policy_of_the_older_systems_has_its_file():
    table = read("infra/monitoring/README.md").split("## Policies of the older systems")[1]
    for name in ("cpu-high", "cpu-saturated", "serving-capacity", "no-metric-data", "many-instances", "uptime"):
        assert f"(policies/{name}.json)" in table
    for target in re.findall(r"\]\((\.\./[^)]+)\)", TEXT):
        assert (ROOT / "docs" / target).is_file(), target


def test_paths_exist():
    named = set(re.findall(r"\b((?:infra|docs|tests)/[\w./-]+\w)", TEXT))
    assert len(named) >= 6
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_options_of_deploy_sh_exist():
    calls = [re.sub(r" +#.*", "", line) for line in LINES if "infra/deploy.sh" in line]
    told = set(re.findall(r"--[a-z][\w-]*", " ".join(re.findall(r"infra/deploy\.sh[^`|;]*", "\n".join(calls)))))
    told |= set(re.findall(r"`(--[a-z][\w-]*)(?: [A-Z/]+)?`", TEXT)) - {"--json"}  # of `mediarun admin`
    assert {"--project", "--region", "--email", "--dry-run", "--build", "--force", "--destroy", "--db-tier"} <= told
    assert [option for option in sorted(told) if option not in read("infra/deploy.sh")] == []


def test_variables_exist():
    known = read("docs/configuration.md") + read("infra/deploy.sh")
    named = set(re.findall(r"`([A-Z][A-Z_]{3,})`", TEXT + CAPACITY)) - {"ALWAYS", "ERROR"}
    assert {"SLOTS", "DATABASE_POOL", "SMTP_URL"} <= named
    assert [name for name in sorted(named) if name not in known] == []


def test_the_way_to_a_restored_database_fits():
    """The two sed commands: the instance's name in the secret, as deploy.sh writes it, and in the settings."""
    assert re.search(r"printf 'host=/cloudsql/%s dbname=", read("infra/deploy/database.sh"))
    assert "s/:mediarun /:mediarun-2 /" in TEXT
    settings = read("infra/deploy/settings.sh")
    assert re.search(r"^SQL_INSTANCE=mediarun$", settings, re.MULTILINE) and "DATABASE=$PROJECT:$DATABASE_REGION:$SQL_INSTANCE" in settings


def test_budget_of_connections():
    """The formula is the one that deploy.sh checks."""
    spare = re.search(r"SPARE_CONNECTIONS=(\d+)", read("infra/deploy/budget.sh"))[1]
    assert f"+ worker `maxScale` × `DATABASE_POOL`) + {spare} ≤ `--max-connections`" in CAPACITY


def commands():
    """Each gcloud command of the page and of the policies' runbooks, alone: without what it is piped into, and with names for the
    variables."""
    runbooks = [monitoring.load(f"policies/{name}")["documentation"]["content"] for name in monitoring.names("policies")]
    text = re.sub(r"\\\n\s*", " ", "\n".join([TEXT, *runbooks]))
    text = re.sub(r"\$R\b", "us-central1", text)
    text = re.sub(r"\$\(date \+%s\)|\$(?!\()\w+", "1", text)
    for command in re.findall(r"(?<![/\w])gcloud [a-z][^`|;\n]*?(?=\); do| +#|[`|;\n])", text):
        if not command.startswith(("gcloud auth", "gcloud config")):
            yield command


@pytest.fixture(scope="module")
def google():
    with_recorder = recorder.Recorder()
    with_recorder.enabled |= {f"{name}.googleapis.com" for name in cloud.APIS.values()}  # gcloud asks one that is not for half a minute
    yield with_recorder
    with_recorder.close()


@pytest.mark.skipif(bool(cloud.missing()), reason=cloud.missing() or "gcloud is here")
@pytest.mark.parametrize("command", sorted(set(commands())))
def test_gcloud_knows_the_command(google, tmp_path, command):
    """Status 2 is the parser's; that the thing is not there (1) is no fault of the words."""
    done = subprocess.run([*shlex.split(command), f"--project={recorder.PROJECT}", "--quiet"], text=True, capture_output=True,
                          env=cloud.environment(google.port, tmp_path), input="x", check=False, timeout=120)
    assert done.returncode in (0, 1), done.stderr
