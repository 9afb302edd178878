"""--cloud-armor: a load balancer with Cloud Armor in front of web, which is closed to other ways once that answers; and its end."""

import re
import subprocess

import pytest

import cloud as programs
from recorder import clone
from resources import PUBLIC_HOST, assert_fields, lines, value_at

WAYS = {"open": ("all", "1"), "closed": ("internal-and-cloud-load-balancing", "2")}


def ways(made):
    """How web is reached, and how many proxies it believes."""
    (web,) = made.paths(r"/services/mediarun-web$").values()
    environment = {one["name"]: one.get("value") for one in web["spec"]["template"]["spec"]["containers"][0]["env"]}
    return web["metadata"]["annotations"]["run.googleapis.com/ingress"], environment["TRUSTED_PROXIES"]


def parts(made):
    """KIND/NAME of what there is of the load balancer."""
    return sorted("/".join(path.rsplit("/", 2)[1:]) for path in made.paths_of(r"^/compute/"))


def changed(made, before):
    return [(request["method"], request["path"].rsplit("/", 1)[-1]) for request in made.changes(before)
            if not re.search(r"/alertPolicies/|/uptimeCheckConfigs", request["path"])]


@pytest.fixture(scope="module")
def history(world, gcloud, tmp_path_factory):
    """Runs of infra/deploy.sh one after the other: made; plain, when the load balancer answers; for another domain; removed."""
    made, runs = clone(world.cloud), {}
    made.certificate = tmp_path_factory.mktemp("certificate") / "both.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={PUBLIC_HOST}", "-addext",
                    f"subjectAltName=DNS:{PUBLIC_HOST},DNS:other.example.com", "-keyout", made.certificate, "-out", made.certificate], check=True, capture_output=True)
    trusts = {"CURL_CA_BUNDLE": str(made.certificate), "https_proxy": f"http://127.0.0.1:{made.port}"}
    for name, answers, *options in (("made", None, "--cloud-armor"), ("plain", PUBLIC_HOST), ("moved", "other.example.com", "--public-url=https://other.example.com"),
                                    ("gone", "other.example.com", "--no-cloud-armor")):
        before = len(made.requests)
        made.balanced = answers and f"{answers}:443"
        run = programs.deploy(made, gcloud, *options, settings=trusts)
        assert run.returncode == 0, run.stderr
        after = clone(made)
        after.run, after.changed = run, changed(made, before)
        runs[name] = after
    yield runs
    for one_of_them in (made, *runs.values()):
        one_of_them.close()


def test_parts_refer_to_each_other(history):
    made = history["made"]
    (certificate,) = [part.rpartition("/")[2] for part in parts(made) if part.startswith("sslCertificates/")]
    assert parts(made) == sorted([f"sslCertificates/{certificate}"] + [f"{kind}/mediarun-web" for kind in (
        "addresses", "backendServices", "forwardingRules", "networkEndpointGroups", "securityPolicies", "targetHttpsProxies", "urlMaps")])
    found = {path.rsplit("/", 2)[-2]: value for path, value in made.store.items() if path.startswith("/compute/")}
    assert found["sslCertificates"]["managed"]["domains"] == [PUBLIC_HOST]
    assert found["networkEndpointGroups"]["cloudRun"]["service"] == "mediarun-web"
    for kind, field, target in (("backendServices", "backends.0.group", "networkEndpointGroups/mediarun-web"), ("backendServices", "securityPolicy", "securityPolicies/mediarun-web"),
                                ("urlMaps", "defaultService", "backendServices/mediarun-web"), ("targetHttpsProxies", "urlMap", "urlMaps/mediarun-web"),
                                ("targetHttpsProxies", "sslCertificates.0", f"sslCertificates/{certificate}"), ("forwardingRules", "target", "targetHttpsProxies/mediarun-web")):
        assert str(value_at(found[kind], field)).endswith(target), (kind, field)
    assert found["forwardingRules"]["portRange"] == "443" and "mediarun-web" in found["forwardingRules"]["IPAddress"]
    rule = next(one for one in found["securityPolicies"]["rules"] if one["priority"] == 1000)
    assert_fields(rule, {"action": "throttle", "rateLimitOptions.exceedAction": "deny(429)", "rateLimitOptions.enforceOnKey": "IP",
                         "rateLimitOptions.rateLimitThreshold.count": 2000, "rateLimitOptions.rateLimitThreshold.intervalSec": 60})


def test_web_is_closed_once_the_load_balancer_answers(history):
    """Until then the run says what to do; a later run with a load balancer that is out of reach does not open it again."""
    assert ways(history["made"]) == WAYS["open"]
    (note,) = [line for line in lines(history["made"].run) if line.startswith("note: ")]
    assert PUBLIC_HOST in note and "203.0.113.7" in note
    assert ways(history["plain"]) == WAYS["closed"] and history["plain"].changed == [("PUT", "mediarun-web")]
    assert not [line for line in lines(history["plain"].run) if line.startswith("note: ")]


def test_another_domain_has_another_certificate(history):
    moved = history["moved"]
    (certificate,) = moved.paths(r"/sslCertificates/").values()
    assert certificate["managed"]["domains"] == ["other.example.com"] and ways(moved) == WAYS["closed"]
    former = next(iter(history["made"].paths(r"/sslCertificates/")))
    assert moved.changed[-3:] == [("POST", "sslCertificates"), ("PATCH", "mediarun-web"), ("DELETE", former)]
    (proxy,) = moved.paths(r"/targetHttpsProxies/").values()
    assert proxy["sslCertificates"][0].endswith(f"/{certificate['name']}")


def test_it_goes_as_it_came(history):
    """Web is open before the load balancer goes, which goes from the outside in."""
    gone = history["gone"]
    assert parts(gone) == [] and ways(gone) == WAYS["open"]
    order = [line.split(" compute ")[1].split()[0] for line in lines(gone.run) if " delete " in line]
    assert order == ["forwarding-rules", "target-https-proxies", "ssl-certificates", "url-maps", "backend-services", "security-policies",
                     "network-endpoint-groups", "addresses"]
    said = gone.run.stderr
    assert said.index("run services replace") < said.index("forwarding-rules delete")


def test_it_is_deleted_with_the_rest(history, gcloud):
    run = programs.deploy(history["plain"], gcloud, "--destroy", "--dry-run")
    assert run.returncode == 0 and run.stderr.index("forwarding-rules delete") < run.stderr.index("addresses delete") < run.stderr.index("run services delete")


@pytest.mark.parametrize("options", [("--cloud-armor", "--public-url="), ("--cloud-armor", "--public-url=https://convert.example.com:8443")])
def test_it_needs_a_domain(spoiled, gcloud, options):
    made = spoiled()
    run = programs.deploy(made, gcloud, *options)
    assert run.returncode == 1 and "--cloud-armor needs --public-url https://DOMAIN" in lines(run)[-1] and made.changes() == []
