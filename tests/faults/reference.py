"""The results without faults, made before the first of them; they are checked themselves, and warm the programs up."""

import concurrent.futures

from plan import Order
from sources import SECONDS, decoded_hash, duration, result_of

FIRST_NUMBER = 1_000_000  # the numbers of these orders
FAILING = ("broken", "missing")


def recipes(plan):
    """(kind, source, wanted) of each result that the plan's orders may have; probes have no third part."""
    found = {("probe", order.source) for order in plan.orders if order.kind == "probe"}
    for order in plan.orders:
        if order.kind not in ("probe", "records"):
            wanted = [order.wanted] + [change[2] for change in order.changes if change[1] == "put"]
            found |= {(order.kind, order.source, one) for one in wanted}
    return sorted(found)


class References:
    def __init__(self, users, directory):
        self.users, self.directory = users, directory

    def make_all(self, plan):
        """Returns {recipe: Result}, or what a probe has found."""
        wanted = recipes(plan)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            found = dict(zip(wanted, pool.map(self._make, range(len(wanted)), wanted)))
        self.users.outcomes.clear()
        return found

    def _make(self, number, recipe):
        kind, source, wanted = (*recipe, None)[:3]
        order = Order(FIRST_NUMBER + number, 0, 0, kind, "url" if kind == "missing" else "form", source, wanted)
        outcome = self.users.order(order)
        assert not outcome.problem, f"{recipe} without faults: {outcome.problem}"
        if kind == "probe":
            assert outcome.probe, recipe
            return outcome.probe
        client = self.users.client(0)
        task = self.users.wait(client, outcome.task)
        assert (task["status"] == "failed") == (kind in FAILING), f"{recipe} without faults: {task}"
        result, bodies = result_of(client, task)
        result.decoded = [self._decode(recipe, number, body) for body in bodies]
        self.users.send(client, "DELETE", f"/api/tasks/{task['id']}")
        return result

    def _decode(self, recipe, number, body):
        path = self.directory / f"reference{number}"
        path.write_bytes(body)
        decoded, took, wanted = decoded_hash(path), duration(path), SECONDS[recipe[1]]
        assert decoded and abs(took - wanted) < 0.15, f"{recipe} without faults lasts {took} s, not {wanted} s"
        return decoded
