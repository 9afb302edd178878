"""Google's clients for Node, used with the emulator. Skipped where Node or the network is missing."""

import pytest

from harness import node

pytestmark = [pytest.mark.slow, pytest.mark.sanitized, pytest.mark.sequential, pytest.mark.xdist_group("google_clients")]


@pytest.mark.parametrize("environment", [{}, {"BY_ENVIRONMENT": "1"}], ids=["apiEndpoint", "STORAGE_EMULATOR_HOST"])
def test_storage(emulator, environment):
    # The client first asks the metadata server for a token, as it would on Cloud Run.
    node.run("node", "storage.test.mjs", EMULATOR_URL=emulator.url, GCE_METADATA_HOST=f"127.0.0.1:{emulator.port}",
             SIGNING_KEY=(emulator.data / "identity" / "key.pem").read_text(),
             **environment, **({"STORAGE_EMULATOR_HOST": emulator.url} if environment else {}))


def test_pubsub(emulator):
    address = f"127.0.0.1:{emulator.port}"
    node.run("node_pubsub", "pubsub.test.mjs", EMULATOR_HOST="127.0.0.1", EMULATOR_PORT=str(emulator.port),
             PUBSUB_EMULATOR_HOST=address, GCE_METADATA_HOST=address)
