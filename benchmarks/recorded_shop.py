"""The tools of AgentDyn's shopping suite behind our gate: what each does, and which parts of its answers who writes.

Written from the tools' own descriptions, the arguments that calls show, and the form of answers in the development
fifth. Source: AgentDyn (SaFo-Lab, MIT), the tools that its shopping suite offers to an agent.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import JsonValue

from workbench.core import ToolSpec
from workbench.safety import Confidentiality
from workbench.tools import Attempt, Effect, Facts, Tool

POLICIES = Path(__file__).with_name("recorded_attacks.cedar")
SERVICE = "shopping_platform@mail.com"
"""The address that the shop's own messages come from, such as a one-time password; its mail service vouches for it."""
PERSONAL = frozenset(
    (
        *("address", "bank account number", "bank account password", "id number", "password", "passport number"),
        "phone number",
    )
)
"""What the account's description says of a person that nobody else may know."""
_DOWNLOADED = re.compile(r"(?:<<)?(\S+) has been added")
_TEXT: dict[str, JsonValue] = {"type": "string"}
_NUMBER: dict[str, JsonValue] = {"type": ["number", "string"]}  # agents write either, and the shop reads both
_COUNT: dict[str, JsonValue] = {"type": ["integer", "string"]}
_SOME: dict[str, JsonValue] = {"type": ["array", "string"]}


@dataclass(frozen=True)
class Declared:
    """A tool as this benchmark knows it."""

    name: str
    effect: Effect
    parameters: Mapping[str, dict[str, JsonValue]]
    required: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    private: bool = False
    """Whether what it does stays with the user and can be taken back, such as a full cart or a file of their own."""
    others: bool = False
    """Whether somebody else may have written its whole answer."""


def _read(name: str, *texts: str, numbers: tuple[str, ...] = (), others: bool = False) -> Declared:
    parameters = {**dict.fromkeys(texts, _TEXT), **dict.fromkeys(numbers, _NUMBER)}
    return Declared(name, "read", parameters, private=True, others=others)


def _own(name: str, *required: str, content: tuple[str, ...] = (), **more: dict[str, JsonValue]) -> Declared:
    parameters = {**dict.fromkeys(required, _TEXT), **more}
    return Declared(name, "write", parameters, required, content, private=True)


def _effect(
    name: str, effect: Effect, parameters: Mapping[str, dict[str, JsonValue]], *content: str, others: bool = False
) -> Declared:
    return Declared(name, effect, parameters, content=content, others=others)


_MAIL = {"recipients": _SOME, "subject": _TEXT, "body": _TEXT, "attachments": _SOME, "cc": _SOME, "bcc": _SOME}
_EVENT = {"title": _TEXT, "start_time": _TEXT, "end_time": _TEXT, "description": _TEXT, "participants": _SOME}
_PERSON = ("first_name", "last_name", "ID_number", "email", "phone_number", "address", "passport_number")
_BANK = ("bank_account_number", "bank_account_password")
SHOP = {
    one.name: one
    for one in (
        _read(
            *("search_product", "product_name", "product_id", "category", "brand", "description", "color", "type"),
            numbers=("price", "price_min", "price_max", "rating_min", "rating_max"),
        ),
        _read("view_order_history", "date", "item_name"),
        _read("view_cart"),
        _read("cart_total"),
        _read("view_available_discounts"),
        _read("get_balance"),
        _read("get_shopping_account_user_information"),
        _read("get_shopping_linked_unread_emails"),
        _read("get_shopping_linked_received_emails"),
        _read("get_current_day"),
        _read("list_directory", "path"),
        _read("read_file", "path", others=True),
        _read("get_day_calendar_events", "day", others=True),
        _read("search_calendar_events", "query", "date", others=True),
        _own("cart_add_product", "product_id", quantity=_COUNT),
        _own("cart_remove_product", "product_id", quantity=_COUNT),
        _own("clear_cart"),
        _own("get_invoice", "order_id"),
        _own("login_shopping_account", "username", "password", content=("password",)),
        _own("verify_shopping_account", content=("otp",), otp={"type": ["string", "integer"]}),
        _own("download_file_through_id", "file_id", save_dir=_TEXT),
        _own("download_file_through_url", "url", save_dir=_TEXT),
        _own("create_dir", "path"),
        Declared("create_file", "write", {"path": _TEXT, "content": _TEXT}, ("path",), ("content",), private=True),
        _own("copy_node", "source_path", "destination_path"),
        _own("move_node", "source_path", "destination_path"),
        _effect("delete_node", "irreversible", {"path": _TEXT}),
        _effect("checkout_selected_cart", "irreversible", {"product_ids": _SOME, "discount_code": _TEXT}),
        _effect("refund_order", "irreversible", {"order_id": _TEXT}),
        _effect(
            "send_money",
            "irreversible",
            {"recipient": _TEXT, "amount": _NUMBER, "subject": _TEXT, "date": _TEXT},
            "subject",
            "date",
        ),
        _effect("send_email", "external", _MAIL, "subject", "body"),
        _effect("update_shopping_account_password", "irreversible", {"password": _TEXT}),
        _effect("update_shopping_account_user_info", "irreversible", dict.fromkeys((*_PERSON, *_BANK), _TEXT)),
        _effect("browse_webpage", "external", {"url": _TEXT}, others=True),
        _effect("click_the_link", "external", {"url": _TEXT}, others=True),
        _effect("get_webpage", "external", {"url": _TEXT}, others=True),
        _effect("input_to_webpage", "external", {"url": _TEXT, "input_ids": _SOME, "input_values": _SOME}, others=True),
        _effect("create_calendar_event", "external", {**_EVENT, "location": _TEXT}, "title", "description", "location"),
        _effect("add_calendar_event_participants", "external", {"event_id": _TEXT, "participants": _SOME}),
        _effect(
            "reschedule_calendar_event",
            "external",
            dict.fromkeys(("event_id", "new_start_time", "new_end_time"), _TEXT),
        ),
        _effect("cancel_calendar_event", "external", {"event_id": _TEXT}),
    )
}


def make_tool(declared: Declared, answers: Mapping[str, JsonValue]) -> Tool:
    """A tool that answers what was recorded; of others' parts in an answer of the shop itself, `parts` tells."""

    def run(arguments: Mapping[str, JsonValue], attempt: Attempt) -> JsonValue:
        return answers[declared.name]

    facts = Facts(
        effect=declared.effect,
        idempotency="none" if declared.effect == "irreversible" else "natural",
        trust="untrusted" if declared.others else "trusted",
        confidentiality="confidential" if declared.name == "get_shopping_account_user_information" else "internal",
        clearance="confidential" if declared.private else "internal",
        content=declared.content,
        at_once=64,
    )
    schema: dict[str, JsonValue] = {"properties": dict(declared.parameters), "required": list(declared.required)}
    spec = ToolSpec(name=declared.name, parameters=schema)
    return Tool(spec=spec, facts=facts, run=run, returns={})


@dataclass(frozen=True)
class Part:
    """A piece of an answer."""

    text: str
    writer: str = ""
    """Who wrote it: empty for the service itself, else what is known of them, such as an address or a path."""
    confidentiality: Confidentiality = "internal"
    attached: tuple[str, ...] = ()
    """Numbers of the files that came with it."""


def downloaded(answer: str) -> str:
    """The name of a file that was just downloaded; empty if none was.

    >>> downloaded("<<list.txt has been added to downloads.>>")
    'list.txt'
    """
    found = _DOWNLOADED.match(answer.strip())
    return found.group(1) if found is not None else ""


def parts(declared: Declared, arguments: Mapping[str, JsonValue], answer: str) -> tuple[Part, ...]:
    """An answer, by who wrote what. What can't be read counts as written by somebody else."""
    text = answer.strip()
    while text.startswith("<<") and text.endswith(">>"):  # some defences mark data so
        text = text[2:-2].strip()
    if declared.others:
        return (Part(text, writer=_where(arguments)),)
    return _parts(declared.name, text)


def _where(arguments: Mapping[str, JsonValue]) -> str:
    return " ".join(str(arguments[name]) for name in ("path", "url") if name in arguments) or "others"


@lru_cache(maxsize=4096)
def _parts(name: str, text: str) -> tuple[Part, ...]:
    if name == "search_product":
        return tuple(_products(text))
    if name.endswith("_emails"):
        return tuple(_mails(text))
    if name == "get_shopping_account_user_information":
        return tuple(_person(text))
    return (Part(text),)


def _products(text: str) -> Iterator[Part]:
    """Of a product everything is the shop's, except what customers say of it."""
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict):
        yield Part(text, writer="unreadable")
        return
    for title, facts in found.items():
        told = facts if isinstance(facts, dict) else {}
        yield Part(" | ".join((str(title), *(str(value) for key, value in told.items() if key != "reviews"))))
        yield Part(f"{told.get('reviews', '')}", writer="customer")


def _mails(text: str) -> Iterator[Part]:
    """Of a mail the service vouches for sender, recipients, number and time; the rest is its sender's."""
    try:
        found = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        found = None
    if not isinstance(found, list) or not all(isinstance(mail, dict) for mail in found):
        yield Part(text, writer="unreadable")
        return
    for mail in found:
        sender = str(mail.get("sender", "unknown"))
        attached = mail.get("attachments")
        yield Part(
            " | ".join(str(value) for value in mail.values()),
            writer="" if sender == SERVICE else sender,
            attached=tuple(str(number) for number in attached) if isinstance(attached, list) else (),
        )


def _person(text: str) -> Iterator[Part]:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict):
        yield Part(text, confidentiality="confidential")
        return
    for name, value in found.items():
        secret = str(name).replace("_", " ").casefold() in PERSONAL
        yield Part(str(value), confidentiality="confidential" if secret else "internal")
