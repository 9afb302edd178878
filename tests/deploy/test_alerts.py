"""Who hears of an alert, and the budget: the functions of infra/deploy/monitoring.sh, with what Google has and gets written down. That
gcloud takes such commands: test_deploy.py, and below."""

import shlex
import subprocess

import pytest

import cloud
import monitoring
import recorder

ROOT = cloud.ROOT
CRITICAL = [name for name in monitoring.names("policies") if monitoring.load(f"policies/{name}")["severity"] == "CRITICAL"]
PAGER, MAIL = (f"projects/{recorder.PROJECT}/notificationChannels/{number}" for number in (1, 2))
BILLING = "cloudbilling.googleapis.com\nbillingbudgets.googleapis.com"
# ask COMMAND… answers from files named by two words of the command; change COMMAND… prints it.
STUBS = """
    die() { echo "error: $*" >&2; exit 1; }; say() { echo "$*" >&2; }
    ask() { shift; local key="$*"; case $key in *channels\\ list*) cat "$HAS/channels" ;; *policies\\ list*) ;; *budgets\\ list*) cat "$HAS/budgets" ;;
        *projects\\ describe*) [[ $ENABLED_APIS != *cloudbilling* ]] || echo 000000-000000-000000 ;; esac; }
    is_enabled() { has_line "$ENABLED_APIS" "$1.googleapis.com"; }
    enable() { change services enable "$@"; ((DRY_RUN)) || ENABLED_APIS+=$(printf '\\n%s' "$@"); }
    change() { printf '%q ' "$@"; echo; case $* in *channels\\ create*) printf '%s' "$NEW" >"$HAS/channels" ;; esac; }
"""


def run(tmp_path, command, channels="", budgets="", new="", **options):
    """The commands that would change something, and the messages."""
    (tmp_path / "channels").write_text(channels, "utf-8")
    (tmp_path / "budgets").write_text(budgets, "utf-8")
    given = {"EMAIL": "", "PAGE": "", "BUDGET": "", "DRY_RUN": "0", "ENABLED_APIS": BILLING, "REPO": "", "BRANCH": "main", "MAX_CONNECTIONS": "200", **options}
    script = f"""set -euo pipefail; ROOT=$0; PROJECT={recorder.PROJECT} REGION=r DATABASE_REGION=r VPC_SUBNET= KMS_KEY= PRODUCTION=0 BUCKET=b NUMBER=1 PUBLIC_URL= SMTP_URL= SMTP_USER= MAIL_FROM= FORCE=0 SCRATCH=$HAS
        for part in local/lib/common names deploy/settings deploy/gcloud deploy/budget deploy/monitoring; do . "$ROOT/infra/$part.sh"; done
        {STUBS}
        derive_settings; check_budget; check_alert_options; derive_alerts; {command}"""
    done = subprocess.run(["bash", "-c", script, str(ROOT)], env={"PATH": "/usr/bin:/bin", "HAS": str(tmp_path), "NEW": new, **given},
                          text=True, capture_output=True, check=False, timeout=60)
    return done.returncode, [shlex.split(line) for line in done.stdout.splitlines()], done.stderr


# Each policy's name and channels, a line each.
TOLD = 'ensure_channels; for file in "$ROOT"/infra/monitoring/policies/*.json; do echo "$(basename "$file" .json) $(channels_of "$file")"; done'


def told(commands):
    """{policy: channels}"""
    return {name: channels for name, *channels in commands}


def test_critical_alerts_page(tmp_path):
    """The rest is mailed; so are the critical ones."""
    status, commands, errors = run(tmp_path, "ensure_channels; ensure_policies", PAGE=PAGER, EMAIL=MAIL)
    assert status == 0, errors
    assert [[word for word in command if word.startswith("--notification-channels=")] for command in commands] == [
        ["--notification-channels=" + (f"{PAGER},{MAIL}" if name in CRITICAL else MAIL)] for name in monitoring.names("policies")]
    assert {"uptime", "no-sweep", "sweep-refused", "slo-submit-fast", "sandbox-violation"} <= set(CRITICAL) and "latency" not in CRITICAL


def test_without_a_pager_all_are_mailed(tmp_path):
    _, commands, _ = run(tmp_path, TOLD, EMAIL=MAIL)
    assert set(map(tuple, told(commands).values())) == {(MAIL,)}


def test_without_addresses_alerts_go_where_they_went(tmp_path):
    """A channel of before there were two kinds has no role: it is the one for mail."""
    status, commands, errors = run(tmp_path, TOLD, channels=f"\tops@example.com\t{MAIL}\npage\tp@example.com\t{PAGER}\n")
    assert status == 0 and errors == ""
    assert told(commands)["uptime"] == [f"{PAGER},{MAIL}"] and told(commands)["latency"] == [MAIL]


def test_nobody_is_told(tmp_path):
    _, commands, errors = run(tmp_path, TOLD)
    assert set(map(tuple, told(commands).values())) == {()} and "--email ADDRESS" in errors


def test_a_new_address_gets_a_channel_with_its_role(tmp_path):
    _, commands, _ = run(tmp_path, "ensure_channel page p@example.com; echo channel $CHANNEL", new=f"{PAGER}\n")
    assert "--channel-labels=email_address=p@example.com" in commands[0] and "--user-labels=app=mediarun,role=page" in commands[0]
    assert commands[1] == ["channel", PAGER]


@pytest.mark.parametrize("options, words", [
    ({"EMAIL": "nobody"}, "--email must be an e-mail address"), ({"PAGE": "+4912345"}, "--page must be an e-mail address"),
    ({"BUDGET": "much"}, "--budget must be an amount"), ({"BUDGET": "100 EUR"}, "--budget must be an amount")])
def test_bad_options(tmp_path, options, words):
    status, commands, errors = run(tmp_path, "ensure_channels", **options)
    assert status == 1 and commands == [] and words in errors


def budget_command(tmp_path, **more):
    status, commands, errors = run(tmp_path, "ensure_channels; ensure_spending", EMAIL=MAIL, BUDGET="100EUR", **more)
    assert status == 0, errors
    return commands


def test_budget(tmp_path):
    """Made once; a rerun changes nothing, another amount changes it; those of others are left alone."""
    [made] = budget_command(tmp_path, budgets="mediarun another-project 0000\tb-1\nlunch\tb-2\n")
    assert made[:3] == ["billing", "budgets", "create"] and "--budget-amount=100EUR" in made
    assert f"--filter-projects=projects/{recorder.PROJECT}" in made and f"--notifications-rule-monitoring-notification-channels={MAIL}" in made
    [title] = [word.split("=", 1)[1] for word in made if word.startswith("--display-name")]
    assert len(title) <= 60
    assert budget_command(tmp_path, budgets=f"{title}\tb-3\n") == []
    [changed] = budget_command(tmp_path, budgets=f"{title[:-4]}beef\tb-3\n")
    assert changed[:4] == ["billing", "budgets", "update", "b-3"] and "--budget-amount=100EUR" in changed


@pytest.mark.parametrize("dry_run, account", [("0", "000000-000000-000000"), ("1", "ACCOUNT")])
def test_budget_of_an_empty_project(tmp_path, dry_run, account):
    """A service account may not ask for the billing account before the API is enabled; a dry run enables none, and goes on."""
    *enabled, made = budget_command(tmp_path, ENABLED_APIS="run.googleapis.com", DRY_RUN=dry_run)
    assert enabled == [["services", "enable", f"{api}.googleapis.com"] for api in ("cloudbilling", "billingbudgets")]
    assert made[:3] == ["billing", "budgets", "create"] and f"--billing-account={account}" in made


@pytest.mark.skipif(bool(cloud.missing()), reason=cloud.missing() or "gcloud is here")
def test_gcloud_takes_the_budget(tmp_path, gcloud):
    """gcloud cannot be sent elsewhere with it, so it gets as far as the network, which is past its parser."""
    google = recorder.Recorder()
    try:
        started = []
        for has in ("", f"mediarun {recorder.PROJECT} 0000\tb-3\n"):
            [command] = budget_command(tmp_path, budgets=has)
            started.append(subprocess.Popen(["gcloud", *command, "--quiet"], text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                            env=cloud.environment(google.port, gcloud)))
        for done in started:  # at once, for each asks for half a minute
            _, said = done.communicate(timeout=120)
            assert done.returncode == 1 and "nothing leaves this machine" in said, said
    finally:
        google.close()
