"""What the shop has, and what a call names."""

from typing import Literal

from pydantic import BaseModel

from experiments.kept_world import Closed, Kept


class Variant(Kept):
    """What can be bought of a product."""

    item_id: str
    available: bool
    price: float
    options: dict[str, str]


class Product(Kept):
    """A kind of thing."""

    name: str
    product_id: str
    variants: dict[str, Variant]


class Item(Kept):
    """A thing in an order."""

    name: str
    product_id: str
    item_id: str
    price: float
    options: dict[str, str]


class Address(Closed):
    """Where things are sent."""

    address1: str
    address2: str
    city: str
    state: str
    country: str
    zip: str


class Payment(BaseModel):
    """Money that went one way or the other."""

    transaction_type: Literal["payment", "refund"]
    amount: float
    payment_method_id: str


class Order(Kept):
    """An order."""

    order_id: str
    user_id: str
    address: Address
    items: list[Item]
    status: str
    payment_history: list[Payment]


class Method(Kept):
    """How a customer pays; gift cards alone have a balance."""

    source: str
    id: str
    balance: float | None = None


class Customer(Kept):
    """A customer."""

    user_id: str
    name: dict[str, str]
    address: Address
    email: str
    payment_methods: dict[str, Method]
    orders: list[str]


class World(BaseModel):
    """All there is."""

    products: dict[str, Product]
    users: dict[str, Customer]
    orders: dict[str, Order]
