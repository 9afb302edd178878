"""
The cases of the API contract. Each calls one operation and expects one status. Together they cause every status that the
document names; tests/e2e/test_openapi.py runs them and checks that none is missing.
"""

from . import deliveries, events, files, operations, operators, tasks, users  # noqa: F401 — they fill the table
from .table import CASES  # noqa: F401
