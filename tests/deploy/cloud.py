"""The real gcloud and infra/deploy.sh against the recorder: environment, and what a run of it looks like."""

import os
import pathlib
import shutil
import subprocess

import recorder

ROOT = pathlib.Path(__file__).resolve().parents[2]
APIS = {"RUN": "run", "PUBSUB": "pubsub", "MONITORING": "monitoring", "SECRETMANAGER": "secretmanager", "SQL": "sqladmin",
        "CLOUDSCHEDULER": "cloudscheduler", "ARTIFACTREGISTRY": "artifactregistry", "IAM": "iam", "LOGGING": "logging",
        "CLOUDRESOURCEMANAGER": "cloudresourcemanager", "SERVICEUSAGE": "serviceusage", "CLOUDBUILD": "cloudbuild",
        "CLOUDBILLING": "cloudbilling", "BILLINGBUDGETS": "billingbudgets", "CONTAINERANALYSIS": "containeranalysis"}
PATH = os.environ["PATH"]  # conftest.py puts a gcloud before it that starts faster
MEMORY = {}  # and sets this, which makes it remember what it has read


def missing():
    """Why the real gcloud cannot be run here, or ""."""
    return next((f"{tool} is not installed" for tool in ("gcloud", "curl") if not shutil.which(tool)), "")


def environment(port, directory):
    """gcloud without network and account: the recorder is its proxy, and every API is called by plain HTTP (an override to
    127.0.0.1 would not do: gcloud run puts the region before the host's name)."""
    directory.mkdir(parents=True, exist_ok=True)
    token = directory / "token"
    token.write_text("no-real-token\n", encoding="ascii")
    made = {name: value for name, value in os.environ.items()
            if not name.startswith("CLOUDSDK_") and name.lower() not in ("no_proxy", "https_proxy", "project", "region", "bucket", "email", "branch", "repo")}
    made.update({f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{key}": f"http://{name}.googleapis.com/" for key, name in APIS.items()})
    made.update(PATH=PATH, CLOUDSDK_CONFIG=str(directory), CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=str(token),
                CLOUDSDK_CORE_DISABLE_USAGE_REPORTING="true", CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK="true",
                CLOUDSDK_SURVEY_DISABLE_PROMPTS="true", CLOUDSDK_CORE_DISABLE_FILE_LOGGING="true",
                CLOUDSDK_CORE_CHECK_GCE_METADATA="false", NO_GCE_CHECK="true", CLOUDSDK_PROXY_TYPE="http",
                CLOUDSDK_PROXY_ADDRESS="127.0.0.1", CLOUDSDK_PROXY_PORT=str(port), http_proxy=f"http://127.0.0.1:{port}",
                CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE="http://storage.googleapis.com/storage/v1/",
                CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE="http://compute.googleapis.com/compute/v1/",
                SETTLE_SECONDS="0", **MEMORY)
    return made


def deploy(cloud, directory, *options, stdin="", settings=None, root=ROOT):
    """infra/deploy.sh against a recorder. The result's stderr holds its messages."""
    return subprocess.run([root / "infra/deploy.sh", "--project", recorder.PROJECT, *options], input=stdin, text=True,
                          capture_output=True, env={**environment(cloud.port, directory), **(settings or {})}, check=False, timeout=600)
