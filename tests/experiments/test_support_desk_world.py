"""The support desk's shop: every task's own calls go through the gate, and money waits for a person."""

import json
from collections import Counter
from pathlib import Path

import pytest
from worlds import Asked, Log

from experiments.support_desk.shop import Shop
from workbench.datasets import default_cache, fetch, load_registry
from workbench.safety import USER
from workbench.tools import (
    Attempt,
    Call,
    Caller,
    Gate,
    NotDone,
    State,
    check_vectors,
    read_policy,
    read_vectors,
)

HERE = Path(__file__).parents[2] / "experiments" / "support_desk"
OURS = {
    "get_order_details": "get_order",
    "get_product_details": "get_product",
    "get_user_details": "get_customer",
    "return_delivered_order_items": "return_items",
    "exchange_delivered_order_items": "exchange_items",
    "modify_pending_order_items": "change_items",
    "modify_pending_order_address": "change_order_address",
    "modify_pending_order_payment": "change_payment",
    "modify_user_address": "change_address",
    "cancel_pending_order": "cancel_order",
}
ADDRESS = ("address1", "address2", "city", "state", "country", "zip")


def tasks() -> list[list[Asked]]:
    """What solves each task, in the shop's own words; looking a customer up is for who signs them in."""
    entry = load_registry().entry("tau2_retail")
    (file,) = fetch(entry, cache=default_cache()).rglob("tasks.json")
    world = Shop(Path("/nonexistent/changes.json")).world
    found = []
    for task in json.loads(file.read_text()):
        asked = []
        for action in task["evaluation_criteria"]["actions"]:
            arguments = dict(action["arguments"])
            if action["name"] not in OURS:
                continue
            order = world.orders.get(arguments.get("order_id", ""))
            customer = order.user_id if order is not None else arguments.pop("user_id", "guest")
            if "address1" in arguments:
                arguments["address"] = {name: arguments.pop(name) for name in ADDRESS}
            asked.append(Asked(OURS[action["name"]], arguments, customer))
        found.append(asked)
    return found


def test_policies_decide_as_the_vectors_say(tmp_path: Path) -> None:
    """Each of them."""
    tools = Shop(tmp_path / "shop.json").tools
    vectors = read_vectors(HERE / "vectors.jsonl", tools)
    checked = check_vectors(read_policy(HERE / "policies", tools), tools, vectors)

    assert 7 == len(checked)
    assert [] == [(one.name, one.problem) for one in checked if one.problem]


REFUSED = {"get_product", "get_order"}
"""What the tasks ask for by ids that there are none of; the shop they come from refuses that, too."""


def test_tasks_own_calls_are_done_and_money_waits_for_a_person(tmp_path: Path) -> None:
    """Every sixth of the 114 tasks, each in a world of its own; an approval for each refund and for nothing else."""
    kinds: Counter[tuple[str, str]] = Counter()
    for number, asked in [*enumerate(tasks())][2::6]:
        folder = tmp_path / str(number)
        folder.mkdir()
        shop = Shop(folder / "shop.json")
        gate = Gate(shop.tools, read_policy(HERE / "policies", shop.tools), State(folder / "state.db"), Log())
        for one in asked:
            caller = Caller(tenant="shop", principal=one.customer, roles=("desk",))
            call = Call(tool=one.tool, arguments=one.arguments, labels={"": USER}, caller=caller, occasion=str(number))
            result = gate.call(call)
            if result.kind == "pending":
                kinds[one.tool, "approved"] += 1
                gate.approvals.grant(result.approval_id, approver="ann", tenant="shop")
                result = gate.call(call)
            kinds[one.tool, result.kind] += 1

    assert REFUSED >= {tool for tool, kind in kinds if kind not in {"done", "approved"}}
    assert {"cancel_order", "return_items"} == {tool for tool, kind in kinds if kind == "approved"}
    for tool in ("cancel_order", "return_items"):
        assert kinds[tool, "approved"] == kinds[tool, "done"] > 0
    assert kinds["change_items", "done"] + kinds["exchange_items", "done"] > 5


def test_what_an_action_came_to_outlives_the_desk(tmp_path: Path) -> None:
    """Another desk on the same file sees it, and the same action again does nothing more."""
    attempt = Attempt(key="once", number=1, tenant="shop", principal="sofia_rossi_8776", seconds=5)
    shop = Shop(tmp_path / "shop.json")
    order = next(one for one in shop.world.orders.values() if one.user_id == attempt.principal)
    order.status = "pending"
    cancelled = shop.cancel_order(order.order_id, "ordered by mistake", attempt)
    later = Shop(tmp_path / "shop.json")
    again = later.cancel_order(order.order_id, "ordered by mistake", attempt)
    somebody = attempt.model_copy(update={"principal": "yusuf_rossi_9620", "key": "other"})

    assert cancelled == again == later.get_order(order.order_id, attempt)
    assert "cancelled" == again["status"]
    with pytest.raises(NotDone, match="no order of that id"):
        later.get_order(order.order_id, somebody)
    with pytest.raises(NotDone, match="only a pending one"):
        later.cancel_order(order.order_id, "ordered by mistake", attempt.model_copy(update={"key": "twice"}))
