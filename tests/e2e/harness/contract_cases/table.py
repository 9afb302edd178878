"""The table of the cases of the API contract."""

import collections

Case = collections.namedtuple("Case", "operation status name run")
CASES = []


def case(operation, *statuses):
    """Adds a case for each status. The function gets the environment and call(…), which sends the request; it returns the response."""
    def add(function):
        for status in statuses:
            CASES.append(Case(operation, status, function.__name__.strip("_"), function))
        return function
    return add
