"""A stand-in for Google's control-plane APIs: it keeps what it is given, gives it back, and records every request.

gcloud reaches it as its HTTP proxy, so nothing leaves the machine: what is not plain HTTP is refused, and recorded. What is
POSTed, PUT or PATCHed lies in a store by the resource's path, and a GET finds it there. The tables below hold what differs
from that plain rule between the APIs: how a resource gets its name, and the words that stand behind a colon.
"""

import base64
import copy
import hashlib
import http.server
import json
import re
import ssl
import threading
from urllib.parse import parse_qsl, unquote, urlsplit

PROJECT, NUMBER, REGION = "demo-project", "123456789012", "us-central1"
NOW = "2026-01-01T00:00:00Z"
OF_GCLOUD = {"cloudresourcemanager.googleapis.com", "cloudbilling.googleapis.com"}
FREE = {"cloudresourcemanager.googleapis.com", "iam.googleapis.com", "logging.googleapis.com", "monitoring.googleapis.com"}
READS = re.compile(r":(getIamPolicy|testIamPermissions)$")


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status, message, reason="", details=()):
        super().__init__(message)
        self.status, self.message, self.details = status, message, list(details)
        self.reason = reason or {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS",
                                 429: "RESOURCE_EXHAUSTED"}.get(status, "INTERNAL")

    def body(self):
        return {"error": {"code": self.status, "status": self.reason, "message": self.message, "details": self.details,
                          "errors": [{"reason": self.reason, "message": self.message}]}}


def done(response=None, name="operations/done"):
    return {"name": name, "done": True, "response": response or {}}


def operation_of(path):
    return resource_name(path).rsplit("/", 2)[0] + "/operations/done"


def last(path):
    return path.rsplit("/", 1)[-1]


def resource_name(path):
    return re.sub(r"^/v\d\w*/", "", path)


# How a POST to a collection names what it makes: pattern of the path → function of (body, query).

def account_id(body, _):
    return f"{body['accountId']}@{PROJECT}.iam.gserviceaccount.com"


NAMING = [
    (r"/serviceAccounts$", account_id),
    (r"/secrets$", lambda body, query: query["secretId"]),
    (r"/repositories$", lambda body, query: query["repositoryId"]),
    (r"^/compute/", lambda body, query: body["name"]),
    (r"/(jobs|triggers|metrics|databases|users|instances|b)$", lambda body, query: last(body["name"])),
    (r"/namespaces/\w[\w-]*/services$", lambda body, query: body["metadata"]["name"]),
]
# Fields that a PATCH cannot change.
UNCHANGEABLE = [(r"/uptimeCheckConfigs/", "monitoredResource"), (r"^/sql/.*/instances/", "region")]
# Collections whose list is named otherwise than the path.
LISTS = [(r"^/storage/|^/sql/|^(/at/[^/]+)?/apis/|^/compute/", "items"), (r"/serviceAccounts$", "accounts")]


class Recorder:
    """
    `requests`: every request as {method, host, path, query, body, status, token}; `store`: what there is, by path.

    It starts as a new project does: no API is enabled but Service Usage, and calls to the others are refused. What is enabled is
    refused for `settling` more calls. The caller is a service account of the project; with `is_person` a person, whose calls to the
    APIs of `OF_GCLOUD` count as gcloud's own, unless they name the project as the one that pays.
    """

    running = {}  # by the port, as text

    def __init__(self):
        self.requests, self.store, self.policies, self.failures = [], {}, {}, []
        self.enabled, self.unsettled, self.settling, self.is_person = {"serviceusage.googleapis.com"}, {}, 2, False
        self.after = lambda request: None  # called with each request, when it is done
        self.balanced, self.certificate = None, None  # "HOST:443" that a load balancer answers, with the certificate in that file
        self.forbidden = 0  # so many calls of the services are refused, as before Google knows of a grant
        self.permissions_missing, self.billing, self.count, self.raw = set(), True, 0, b""
        self.lock = threading.Lock()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client that was killed
        self.port = self.server.server_address[1]
        Recorder.running[str(self.port)] = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        Recorder.running.pop(str(self.port), None)
        self.server.shutdown()
        self.server.server_close()

    def fail(self, method, pattern, status, message="injected", when=lambda body: True):
        """From now on such requests are refused."""
        self.failures.append((method, re.compile(pattern), status, message, when))

    def mutations(self, since=0):
        return [r for r in self.requests[since:] if r["method"] not in ("GET", "HEAD") and not READS.search(r["path"])]

    def changes(self, since=0):
        """The mutations without those of the lock, which each run with a change has."""
        return [r for r in self.mutations(since) if "mediarun-deploy-lock" not in r["path"] + r["query"].get("secretId", "")]

    def paths(self, pattern):
        """What is stored below such paths, by the last part of the path."""
        return {last(path): self.store[path] for path in self.paths_of(pattern)}

    def paths_of(self, pattern):
        return [path for path in self.store if re.search(pattern, path)]

    def demand_api(self, host, payer):
        """Refuses a call to an API that is not enabled, or not yet everywhere."""
        api = re.sub(r"^[a-z]+-[a-z]+\d+-", "", host)
        if api in OF_GCLOUD and self.is_person and not payer:
            return
        if self.unsettled.get(api, 0) > 0:
            self.unsettled[api] -= 1
        elif api in self.enabled:
            return
        raise Refused(403, f"{api} API has not been used in project {NUMBER} before or it is disabled. Enable it by visiting "
                      f"https://console.developers.google.com/apis/api/{api}/overview?project={NUMBER} then retry. If you enabled "
                      "this API recently, wait a few minutes for the action to propagate to our systems and retry.",
                      details=[{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED",
                                "domain": "googleapis.com", "metadata": {"service": api, "consumer": f"projects/{NUMBER}"}}])

    def answer(self, method, host, path, query, body, raw=b"", headers=None):
        with self.lock:
            status, answer = 200, {}
            self.raw = raw
            try:
                self.demand_api(host, headers.get("x-goog-user-project"))
                for wanted, pattern, code, message, when in self.failures:
                    if method == wanted and pattern.search(path) and when(body):
                        raise Refused(code, message)
                answer = self.route(method, host, path, query, json.loads(json.dumps(body)) if isinstance(body, dict) else {})
            except Refused as refused:
                status, answer = refused.status, refused.body()
            self.requests.append({"method": method, "host": host, "path": path, "query": query, "body": body, "status": status,
                                  "token": headers.get("Authorization", "")})
            self.after(self.requests[-1])
            return status, answer

    def route(self, method, host, path, query, body):
        elsewhere = re.match(r"([a-z]+-[a-z]+\d+)-run\.", host)  # Cloud Run's region is in the name of the host alone
        if elsewhere and elsewhere[1] != REGION:
            path = f"/at/{elsewhere[1]}{path}"
        path = path.replace("projects/-/", f"projects/{PROJECT}/")  # IAM knows an account's project by its address
        for pattern, function in SPECIAL:
            found = re.search(pattern, f"{method} {path}")
            if found:
                return function(self, found, path, query, body)
        return getattr(self, method.lower())(path, query, body)

    def get(self, path, query, _):
        if path in self.store:
            return self.store[path]
        if re.search(r"/(?:\w*s|b|o|alertPolicies)$", path) and not path.endswith(f"projects/{PROJECT}"):
            name = next((name for pattern, name in LISTS if re.search(pattern, path)), last(path))
            return {name: [value for key, value in self.store.items() if key.rsplit("/", 1)[0] == path]}
        raise Refused(404, f"Resource not found: {path}")

    def post(self, path, query, body):
        self.count += 1
        name = next((name(body, query) for pattern, name in NAMING if re.search(pattern, path)), f"id-{self.count}")
        key = f"{path}/{name}"
        if key in self.store:
            raise Refused(409, f"Resource already exists: {name}")
        return self.keep(key, body)

    def put(self, path, _, body):
        if path in self.store and "/pubsub" in path:
            raise Refused(409, f"Resource already exists: {path}")
        return self.keep(path, body)

    def patch(self, path, query, body):
        if path not in self.store:
            raise Refused(404, f"Resource not found: {path}")
        changed = body.get("subscription", body) if path.endswith("subscriptions/" + last(path)) else body
        fixed = next((field for pattern, field in UNCHANGEABLE if re.search(pattern, path)), None)
        if fixed and changed.get(fixed, self.store[path].get(fixed)) != self.store[path].get(fixed):
            raise Refused(400, f"Field {fixed} cannot be changed")
        return self.keep(path, {**self.store[path], **changed})

    def delete(self, path, *_):
        if path not in self.store:
            raise Refused(404, f"Resource not found: {path}")
        for key in [key for key in self.store if key == path or key.startswith(path + "/")]:
            del self.store[key]
        if "/topics/" in path or "/subscriptions/" in path:
            return {}
        if path.startswith("/compute/"):
            return compute_operation(path, {}, "delete")
        return sql_operation(path, {}) if path.startswith("/sql/") else done(name=operation_of(path))

    def keep(self, path, value):
        for pattern, complete in COMPLETED:
            if re.search(pattern, path):
                value = complete(self, path, value)
        self.store[path] = value
        answer = next((wrap(path, value) for pattern, wrap in WRAPPED if re.search(pattern, path)), value)
        return answer


def clone(original):
    """A project in the same state, with a recorder of its own."""
    made = Recorder()
    made.store, made.policies, made.enabled, made.unsettled, made.count = copy.deepcopy(
        (original.store, original.policies, original.enabled, original.unsettled, original.count))
    return made


# What an API adds to what it is given.

def named(_, path, value):
    return {**value, "name": resource_name(path)}


def completed_account(_, path, value):
    return {**value.get("serviceAccount", {}), "name": resource_name(path), "email": last(path), "uniqueId": "1", "projectId": PROJECT}


def completed_bucket(_, path, value):
    return {"kind": "storage#bucket", "location": "US", "storageClass": "STANDARD", "metageneration": "1", "timeCreated": NOW,
            "updated": NOW, **value, "id": last(path)}


def completed_instance(_, path, value):
    return {**value, "state": "RUNNABLE", "kind": "sql#instance", "connectionName": f"{PROJECT}:{REGION}:{last(path)}",
            "project": PROJECT, "settings": {"settingsVersion": "1", **value.get("settings", {})}}


def completed_traffic(name, newest, wanted):
    """Where the traffic goes: each share and tag with its revision, and a tag with its address."""
    for target in wanted or [{"latestRevision": True, "percent": 100}]:
        tag = target.get("tag")
        yield {**target, "revisionName": target.get("revisionName", newest),
               **({"url": f"http://{tag}---{name}-uc.a.run.app"} if tag else {})}


def completed_service(cloud, path, value):
    """A Knative service that is ready at once. Another template makes another revision; other traffic does not."""
    former = cloud.store.get(path, {})
    generation = former.get("metadata", {}).get("generation", 0) + 1
    name = value["metadata"]["name"]
    revision, url = f"{name}-{generation:05d}-abc", f"http://{name}-uc.a.run.app"
    if former.get("spec", {}).get("template") == value["spec"]["template"]:
        revision = former["status"]["latestCreatedRevisionName"]
    value["metadata"].update(namespace=PROJECT, generation=generation, resourceVersion=f"v{generation}", uid="u", selfLink="/x",
                             creationTimestamp=NOW)
    value["metadata"].setdefault("labels", {})["cloud.googleapis.com/location"] = REGION
    value["status"] = {"observedGeneration": generation, "url": url, "address": {"url": url}, "latestCreatedRevisionName": revision,
                       "latestReadyRevisionName": revision,
                       "traffic": list(completed_traffic(name, revision, value["spec"].get("traffic"))),
                       "conditions": [{"type": kind, "status": "True", "lastTransitionTime": NOW}
                                      for kind in ("Ready", "ConfigurationsReady", "RoutesReady")]}
    cloud.store[path.replace("/services/" + name, "/revisions/" + revision)] = {
        "apiVersion": "serving.knative.dev/v1", "kind": "Revision", "spec": value["spec"]["template"]["spec"],
        "metadata": {"name": revision, "namespace": PROJECT, "creationTimestamp": NOW, "labels": {"cloud.googleapis.com/location": REGION}},
        "status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": NOW}]}}
    return value


COMPLETED = [
    (r"/serviceAccounts/[^/]+$", completed_account),
    (r"^/storage/v1/b/[^/]+$", completed_bucket),
    (r"^/sql/.*/instances/[^/]+$", completed_instance),
    (r"/namespaces/[^/]+/services/[^/]+$", completed_service),
    (r"/(secrets|repositories|alertPolicies|uptimeCheckConfigs|notificationChannels|dashboards|topics|subscriptions|jobs|budgets)/[^/]+$", named),
    (r"/triggers/[^/]+$", lambda cloud, path, value: {**value, "id": last(path), "resourceName": resource_name(path)}),
    (r"/dashboards/[^/]+$", lambda cloud, path, value: {**value, "etag": f"e{cloud.count}"}),
    (r"^/compute/", lambda cloud, path, value: {**value, "selfLink": f"http://compute.googleapis.com{path}", "fingerprint": "AAAA"}),
    (r"^/compute/.*/addresses/", lambda cloud, path, value: {**value, "address": "203.0.113.7"}),
    (r"^/compute/.*/securityPolicies/", lambda cloud, path, value: {"rules": [{"priority": 2147483647, "action": "allow"}], **value}),
]


def sql_operation(path, value):
    return {"kind": "sql#operation", "name": "done", "status": "DONE", "operationType": "CREATE", "targetId": last(path),
            "selfLink": "http://sqladmin.googleapis.com" + path, "targetProject": PROJECT}


def compute_operation(path, value, kind="insert"):
    scope = path.rsplit("/", 2)[0]
    place = {"region": f"http://compute.googleapis.com{scope}"} if "/regions/" in scope else {}
    return {**place, "kind": "compute#operation", "name": "done", "status": "DONE", "progress": 100, "operationType": kind,
            "targetLink": f"http://compute.googleapis.com{path}", "selfLink": f"http://compute.googleapis.com{scope}/operations/done"}


WRAPPED = [
    (r"^/sql/", sql_operation),
    (r"^/compute/", compute_operation),
    (r"/repositories/[^/]+$", lambda path, value: done(value, operation_of(path))),
]


def compute_verb(cloud, found, path, query, body):
    """A word behind a resource of Compute Engine, which changes one field of it."""
    path, verb = path.rsplit("/", 1)
    if path not in cloud.store:
        raise Refused(404, f"Resource not found: {path}")
    if verb == "addRule":
        body = {"rules": [*cloud.store[path]["rules"], body]}
    return cloud.keep(path, {**cloud.store[path], **body})


def compute_everywhere(cloud, found, path, *_):
    """A list over all regions."""
    kind = last(path)
    return {"items": {scope: {kind: [value for key, value in cloud.store.items() if f"/{scope}/{kind}/" in key]}
                      for scope in ("global", f"regions/{REGION}")}}


# Requests that are more than reading or writing a resource: pattern of "METHOD path" → function.

def project_of(cloud, *_):
    return {"projectId": PROJECT, "projectNumber": NUMBER, "name": PROJECT, "lifecycleState": "ACTIVE"}


def services_of(cloud, *_):
    return {"services": [{"name": f"projects/{NUMBER}/services/{name}", "config": {"name": name}, "state": "ENABLED"}
                         for name in sorted(cloud.enabled)]}


def enable(cloud, found, path, query, body):
    """Most APIs need billing."""
    wanted = set(body.get("serviceIds", [])) or {last(path).split(":")[0]}
    if not cloud.billing and wanted - FREE:
        raise Refused(400, f"Billing account for project '{NUMBER}' is not found. Billing must be enabled for activation of service(s) "
                      f"'{','.join(sorted(wanted - FREE))}' to proceed.", "FAILED_PRECONDITION")
    cloud.unsettled.update({api: cloud.settling for api in wanted - cloud.enabled})
    cloud.enabled |= wanted
    return done()


def get_policy(cloud, found, path, *_):
    return cloud.policies.get(resource_of_policy(path), {"version": 1, "etag": "BwX=", "bindings": []})


def set_policy(cloud, found, path, query, body):
    given = body.get("policy", body)
    if "updateMask" in body:
        given = {**get_policy(cloud, found, path), **{key: given[key] for key in body["updateMask"].split(",")}}
    cloud.policies[resource_of_policy(path)] = {**given, "etag": "BwY="}
    return cloud.policies[resource_of_policy(path)]


def resource_of_policy(path):
    return re.sub(r"^/(storage/)?v\d\w*/|:\w+IamPolicy$|/iam$", "", path)


def permissions(cloud, found, path, query, body):
    return {"permissions": [name for name in body["permissions"] if name not in cloud.permissions_missing]}


def add_version(cloud, found, path, query, body):
    secret = path.rsplit(":", 1)[0]
    if secret not in cloud.store:
        raise Refused(404, f"no secret {secret}")
    number = 1 + sum(1 for key in cloud.store if key.startswith(secret + "/versions/"))
    version = {"name": f"{resource_name(secret)}/versions/{number}", "state": "ENABLED", "createTime": NOW,
               "clientSpecifiedPayloadChecksum": True}
    cloud.store[f"{secret}/versions/{number}"] = version
    return version


def build(cloud, found, path, query, body):
    cloud.count += 1
    made = {**body, "id": f"b-{cloud.count}", "name": f"{resource_name(path)}/b-{cloud.count}", "projectId": PROJECT,
            "status": "SUCCESS", "createTime": NOW, "startTime": NOW, "finishTime": NOW}
    cloud.store[f"{path}/b-{cloud.count}"] = made
    return {"name": f"operations/build/{PROJECT}/b", "done": False,
            "metadata": {"@type": "type.googleapis.com/google.devtools.cloudbuild.v1.BuildOperationMetadata", "build": made}}


def tags(cloud, found, path, *_):
    package = resource_name(path).rsplit("/tags", 1)[0]
    return {"tags": [{"name": f"{package}/tags/{tag}", "version": f"{package}/versions/sha256:{digit * 64}"}
                     for tag, digit in (("b-1", "b"), ("built", "a"))]}


def sql_done(cloud, found, path, *_):
    return sql_operation(path, {})


def regions(cloud, found, path, *_):
    return {"locations": [{"name": f"{resource_name(path)}/{name}", "locationId": name} for name in (REGION, "europe-west1")]}


def stored_object(cloud, found, path, query, body):
    """A multipart upload (the source of a build). gcloud compares the hash with that of its file."""
    boundary, rest = re.match(rb"(--[^\r\n]+)\r?\n(.*)", cloud.raw, re.DOTALL).groups()
    head, content = rest.split(boundary)[:2]
    metadata = json.loads(re.split(rb"\r?\n\r?\n", head, maxsplit=1)[1])
    data = re.sub(rb"\r?\n$", b"", re.split(rb"\r?\n\r?\n", content, maxsplit=1)[1])
    made = {"kind": "storage#object", "bucket": re.search(r"/b/([^/]+)", path).group(1), "generation": "1", "metageneration": "1",
            "size": str(len(data)), "md5Hash": base64.b64encode(hashlib.md5(data).digest()).decode(), "timeCreated": NOW,
            "updated": NOW, **metadata}
    return made


SPECIAL = [
    (r"^GET /compute/.*/aggregated/", compute_everywhere),
    (r"^POST /compute/.*/(addRule|setSecurityPolicy)$", compute_verb),
    (r"^(GET|POST) /compute/.*/operations/done(/wait)?$", lambda cloud, found, path, *_: compute_operation(path.removesuffix("/wait"), {})),
    (r"^GET /v[13]/projects/[^/:]+$", project_of),
    (r"^GET /v1/projects/[^/]+/billingInfo$", lambda cloud, *_: {"billingEnabled": cloud.billing, "projectId": PROJECT,
                                                               "billingAccountName": "billingAccounts/000000-000000-000000"}),
    (r"^GET /v1(beta1)?/projects/[^/]+/services$", services_of),
    (r"^POST /v1/.*:(batchEnable|enable)$", enable),
    (r"^POST /v1beta1/.*:generateServiceIdentity$", lambda *_: done({"email": "agent", "uniqueId": "1"})),
    (r"(:getIamPolicy|^GET .*/iam)$", get_policy),
    (r"(:setIamPolicy|^PUT .*/iam)$", set_policy),
    (r":testIamPermissions$", permissions),
    (r":addVersion$", add_version),
    (r"^POST .*/builds$", build),
    (r"^GET .*/tags$", tags),
    (r"^GET .*/storageLayout$", lambda *_: {"kind": "storage#storageLayout", "hierarchicalNamespace": {"enabled": False}}),
    (r"^GET .*/operations/[^/]+$", sql_done),
    (r"^GET /v1/projects/[^/]+/locations$", regions),
    (r"^(POST|PUT) .*/b/[^/]+/o", stored_object),
]


def read_body(request):
    """The whole body, chunked or not."""
    if request.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))
    body = b""
    while size := int(request.rfile.readline().split(b";")[0], 16):
        body += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    return body


def handler_of(cloud):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def handle_any(self):
            raw = read_body(self)
            url = urlsplit(self.path)
            host = url.netloc or self.headers.get("Host") or ""
            try:
                body = json.loads(raw) if raw else None
            except ValueError:
                body = f"{len(raw)} bytes"
            path = unquote(url.path)
            if host.endswith(".run.app"):
                status, answer = (403, {}) if cloud.forbidden > 0 else (200, {"status": "healthy"})
                cloud.forbidden -= 1
            else:
                status, answer = cloud.answer(self.command, host, path, dict(parse_qsl(url.query)), body, raw,
                                              self.headers)
            self.reply(status, json.dumps(answer).encode())

        def reply(self, status, data):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def do_CONNECT(self):
            if self.path == cloud.balanced:
                self.answer_as_balancer()
                return
            cloud.requests.append({"method": "CONNECT", "host": self.path, "path": "", "query": {}, "body": None, "status": 403,
                                   "token": ""})
            self.send_error(403, "nothing leaves this machine")

        def answer_as_balancer(self):
            """TLS with a certificate that nobody has signed, as a load balancer of Google answers."""
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cloud.certificate)
            with context.wrap_socket(self.connection, server_side=True) as connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nVia: 1.1 google\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any

    return Handler
