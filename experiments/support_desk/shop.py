"""A shop to act in: customers, orders and products of tau2-bench's retail domain, and what a support desk may do there.

Data: tau2-bench, Sierra Research (MIT), as the package inspect-evals carries it. The tools follow its written rules.
A customer's data is shown and changed only on that customer's behalf; what was changed stands in a file of the shop's,
so that a desk which restarts finds the world as it left it, and an action that is asked for again is done once.
"""

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from experiments.kept_world import Kept, KeptWorld, Place, shown
from experiments.support_desk.records import Address, Customer, Item, Method, Order, Payment, Variant, World
from workbench.datasets import default_cache, fetch, load_registry
from workbench.tools import Attempt, Facts, NotDone, Tool, declare

Reason = Literal["no longer needed", "ordered by mistake"]
Topic = Literal[
    "Cancel pending order",
    "Modify pending order",
    "Return delivered order",
    "Exchange delivered order",
    "Order",
    "User",
]
CENT = 0.005


class Shop:
    """The shop and its tools. Safe under threads."""

    def __init__(self, changes: Path) -> None:
        """Changes are kept in that file. Raises: DataError if the data set can't be had."""
        folder = fetch(load_registry().entry("tau2_retail"), cache=default_cache())
        (file,) = folder.rglob("db.json.gz")
        (rules,) = folder.rglob("policy.txt")
        self.rules = _sections(rules.read_text(encoding="utf-8"))
        self.world = World.model_validate_json(gzip.decompress(file.read_bytes()))
        self._kept = KeptWorld(self.world, changes)

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What a desk may ask for, with the facts that the gate goes by."""
        own = Facts(effect="read", trust="trusted", confidentiality="confidential", clearance="confidential")
        shelf = Facts(effect="read", trust="trusted", confidentiality="public", clearance="confidential")
        write = Facts(
            effect="write",
            idempotency="key",
            trust="trusted",
            confidentiality="confidential",
            clearance="confidential",
            identity=("order_id",),
        )
        move = write.model_copy(update={"identity": ()})
        refund = move.model_copy(update={"effect": "irreversible", "risk": "high", "approval": "always"})
        return (
            declare(self.get_customer, own),
            declare(self.get_order, own),
            declare(self.get_product, shelf),
            declare(self.list_products, shelf),
            declare(self.read_rules, shelf),
            declare(self.change_address, move),
            declare(self.change_order_address, move),
            declare(self.change_payment, move),
            declare(self.change_items, write.model_copy(update={"risk": "high"})),
            declare(self.exchange_items, write.model_copy(update={"risk": "high"})),
            declare(self.cancel_order, refund),
            declare(self.return_items, refund),
        )

    def customer_called(self, email: str) -> str | None:
        """The id of the customer with that address; for whoever authenticates, so it is no tool."""
        found = (one.user_id for one in self.world.users.values() if one.email.lower() == email.lower())
        return next(found, None)

    def get_customer(self, attempt: Attempt) -> dict[str, JsonValue]:
        """The customer's profile: name, address, payment methods and order ids."""
        return shown(self._customer(attempt))

    def get_order(self, order_id: str, attempt: Attempt) -> dict[str, JsonValue]:
        """One of the customer's orders: items, status, address and payments. Ids look like #W0000000."""
        return shown(self._order(order_id, attempt))

    def get_product(self, product_id: str) -> dict[str, JsonValue]:
        """A product's variants: their item ids, options, prices, and whether they are available."""
        if product_id not in self.world.products:
            raise NotDone("there is no product of that id")
        return shown(self.world.products[product_id])

    def list_products(self) -> dict[str, str]:
        """The names of all products, with their product ids."""
        return {one.name: one.product_id for one in self.world.products.values()}

    def read_rules(self, about: Topic) -> str:
        """What the shop's own rules say of a thing that customers ask for."""
        return self.rules[about]

    def change_address(self, address: Address, attempt: Attempt) -> dict[str, JsonValue]:
        """Change the customer's own address."""

        def change() -> Kept:
            customer = self._customer(attempt)
            customer.address = address
            return customer

        return self._once(attempt, change)

    def change_order_address(self, order_id: str, address: Address, attempt: Attempt) -> dict[str, JsonValue]:
        """Change where a pending order is sent."""

        def change() -> Kept:
            order = self._pending(order_id, attempt)
            order.address = address
            return order

        return self._once(attempt, change)

    def change_payment(self, order_id: str, payment_method_id: str, attempt: Attempt) -> dict[str, JsonValue]:
        """Pay a pending order in another way; what was paid is given back."""

        def change() -> Kept:
            order = self._pending(order_id, attempt)
            method = self._method(payment_method_id, attempt)
            if len(order.payment_history) != 1 or order.payment_history[0].transaction_type != "payment":
                raise NotDone("the order was not paid once, in one way")
            before = order.payment_history[0]
            if before.payment_method_id == payment_method_id:
                raise NotDone("the order is paid in that way already")
            self._pay(method, before.amount)
            self._pay(self._method(before.payment_method_id, attempt), -before.amount)
            order.payment_history += [
                Payment(transaction_type="payment", amount=before.amount, payment_method_id=payment_method_id),
                before.model_copy(update={"transaction_type": "refund"}),
            ]
            return order

        return self._once(attempt, change)

    def change_items(
        self, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str, attempt: Attempt
    ) -> dict[str, JsonValue]:
        """Take other variants of the same products in a pending order, once; the difference is paid or given back."""

        def change() -> Kept:
            order = self._order(order_id, attempt)
            if order.status != "pending":
                raise NotDone(f"the order is {order.status}; only a pending one can be changed, and once")
            difference, pairs = self._exchanged(order, item_ids, new_item_ids)
            self._pay(self._method(payment_method_id, attempt), difference)
            kind: Literal["payment", "refund"] = "payment" if difference > 0 else "refund"
            order.payment_history.append(
                Payment(transaction_type=kind, amount=abs(difference), payment_method_id=payment_method_id)
            )
            for item, variant in pairs:
                item.item_id, item.price, item.options = variant.item_id, variant.price, variant.options
            order.status = "pending (item modified)"
            return order

        return self._once(attempt, change)

    def exchange_items(
        self, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str, attempt: Attempt
    ) -> dict[str, JsonValue]:
        """Exchange items of a delivered order for other variants of the same products, once."""

        def change() -> Kept:
            order = self._delivered(order_id, attempt)
            difference, _ = self._exchanged(order, item_ids, new_item_ids)
            method = self._method(payment_method_id, attempt)
            if method.balance is not None and method.balance < difference:
                raise NotDone("the gift card does not hold the difference")
            return self._requested(
                order,
                status="exchange requested",
                exchange_items=sorted(item_ids),
                exchange_new_items=sorted(new_item_ids),
                exchange_payment_method_id=payment_method_id,
                exchange_price_difference=difference,
            )

        return self._once(attempt, change)

    def cancel_order(self, order_id: str, reason: Reason, attempt: Attempt) -> dict[str, JsonValue]:
        """Cancel a pending order and give back what was paid."""

        def change() -> Kept:
            order = self._order(order_id, attempt)
            if order.status != "pending":
                raise NotDone(f"the order is {order.status}; only a pending one can be cancelled")
            for payment in [*order.payment_history]:
                self._pay(self._method(payment.payment_method_id, attempt), -payment.amount)
                order.payment_history.append(payment.model_copy(update={"transaction_type": "refund"}))
            return self._requested(order, status="cancelled", cancel_reason=reason)

        return self._once(attempt, change)

    def return_items(
        self, order_id: str, item_ids: list[str], payment_method_id: str, attempt: Attempt
    ) -> dict[str, JsonValue]:
        """Take back items of a delivered order; money goes to a gift card, or back the way it came."""

        def change() -> Kept:
            order = self._delivered(order_id, attempt)
            method = self._method(payment_method_id, attempt)
            if method.balance is None and payment_method_id != order.payment_history[0].payment_method_id:
                raise NotDone("money goes to a gift card, or back the way it came")
            self._held(order, item_ids)
            return self._requested(
                order,
                status="return requested",
                return_items=sorted(item_ids),
                return_payment_method_id=payment_method_id,
            )

        return self._once(attempt, change)

    def _once(self, attempt: Attempt, change: Callable[[], Kept]) -> dict[str, JsonValue]:
        """Change the account or its orders, once. Raises: NotDone, and then nothing is changed."""

        def reach() -> list[Place]:
            orders = (name for name, one in self.world.orders.items() if one.user_id == attempt.principal)
            return [Place("users", attempt.principal), *(Place("orders", name) for name in orders)]

        return self._kept.once(attempt.key, reach, change)

    def _customer(self, attempt: Attempt) -> Customer:
        if attempt.principal not in self.world.users:
            raise NotDone("nobody is signed in who is a customer")
        return self.world.users[attempt.principal]

    def _order(self, order_id: str, attempt: Attempt) -> Order:
        """One of the customer's own; another's is as if there were none."""
        order = self.world.orders.get(order_id)
        if order is None or order.user_id != attempt.principal:
            raise NotDone("the customer has no order of that id")
        return order

    def _pending(self, order_id: str, attempt: Attempt) -> Order:
        order = self._order(order_id, attempt)
        if not order.status.startswith("pending"):
            raise NotDone(f"the order is {order.status}; only a pending one can be changed")
        return order

    def _delivered(self, order_id: str, attempt: Attempt) -> Order:
        order = self._order(order_id, attempt)
        if order.status != "delivered":
            raise NotDone(f"the order is {order.status}; it has to be delivered first, and this is done once")
        return order

    def _method(self, payment_method_id: str, attempt: Attempt) -> Method:
        methods = self._customer(attempt).payment_methods
        if payment_method_id not in methods:
            raise NotDone("the customer has no such payment method")
        return methods[payment_method_id]

    def _exchanged(
        self, order: Order, item_ids: list[str], new_item_ids: list[str]
    ) -> tuple[float, list[tuple[Item, Variant]]]:
        """What the new items cost more than the old, and who takes whose place."""
        if len(item_ids) != len(new_item_ids):
            raise NotDone("each item needs one that takes its place")
        pairs = []
        for item, wanted in zip(self._held(order, item_ids), new_item_ids, strict=True):
            variant = self.world.products[item.product_id].variants.get(wanted)
            if variant is None or not variant.available:
                raise NotDone(f"item {wanted!r} is not an available variant of the same product")
            pairs.append((item, variant))
        return round(sum(variant.price - item.price for item, variant in pairs), 2), pairs

    @staticmethod
    def _held(order: Order, item_ids: list[str]) -> list[Item]:
        """The order's items of those ids, each once."""
        left, found = [*order.items], []
        for wanted in item_ids:
            item = next((one for one in left if one.item_id == wanted), None)
            if item is None:
                raise NotDone(f"the order has no item {wanted!r} (left)")
            left.remove(item)
            found.append(item)
        if not found:
            raise NotDone("no item is named")
        return found

    @staticmethod
    def _pay(method: Method, amount: float) -> None:
        """Take money, or give it back where the amount is below zero; only gift cards are settled at once."""
        if method.balance is not None:
            if method.balance - amount < -CENT:
                raise NotDone("the gift card does not hold as much")
            method.balance = round(method.balance - amount, 2)

    @staticmethod
    def _requested(order: Order, **said: object) -> Order:
        for name, value in said.items():
            setattr(order, name, value)
        return order


def _sections(text: str) -> dict[str, str]:
    """The rules by their headings; what stands under a smaller heading belongs to the one above."""
    parts = re.split(
        r"^#{2,3} (.*)$", re.sub(r"^### (Modify .*)$", r"\1:", text, flags=re.MULTILINE), flags=re.MULTILINE
    )
    return {name.strip(): body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
