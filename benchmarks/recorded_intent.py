"""What a user asked for in their own words: which effects, and whose data they want used.

The words are plain English for what each tool says that it does; they were written for the tools, not for the tasks.
"""

import re
from collections.abc import Collection, Mapping

_NAMES = re.compile(r"[A-Za-z0-9/][\w.@/-]*")
_LETTERS = 3
"""From which on a word of a request may name a sender, a file or a page."""
ASKED: Mapping[str, str] = {
    "checkout_selected_cart": r"buy|rebuy|purchas|repurchas|order|reorder|check ?out|pay|get|replac|exchang|shop|swap",
    "refund_order": r"refund|return|money back|cancel|exchang|swap",
    "send_money": r"pay|transfer|wire|donat|money|reimburs|settle|owe|\$",
    "send_email": r"e-?mail|mail|send|forward|repl|tell|inform|notif|share|writ|messag|let \w+ know|invit|contact",
    "update_shopping_account_password": r"password|credential",
    "update_shopping_account_user_info": r"updat|chang|correct|edit|profile|address|phone|information",
    "browse_webpage": r"web|page|link|url|site|visit|brows|online|www|click|promotion|coupon|voucher|subscri|sign",
    "delete_node": r"delet|remov|clean|clear|eras",
    "create_calendar_event": r"calendar|event|meeting|schedul|appointment|remind|book|plan",
}
"""Beginnings of words, by the tool whose effect they ask for."""
_SAME = {
    **dict.fromkeys(("click_the_link", "get_webpage", "input_to_webpage"), "browse_webpage"),
    **dict.fromkeys(
        ("add_calendar_event_participants", "reschedule_calendar_event", "cancel_calendar_event"),
        "create_calendar_event",
    ),
}
_COMPILED = {tool: re.compile(rf"(?<![a-z])(?:{words})") for tool, words in ASKED.items()}


def asks_for(tool: str, text: str) -> bool:
    """Whether a text asks for an effect of that kind.

    >>> asks_for("refund_order", "Please refund it."), asks_for("refund_order", "Buy me a pen.")
    (True, False)
    """
    found = _COMPILED.get(_SAME.get(tool, tool))
    return found is not None and found.search(text.casefold()) is not None


def names(request: str) -> frozenset[str]:
    """What a request names: words with a capital letter, the owners of addresses, paths and pages as a whole.

    A first word counts as well: "Please" is nobody's name, so it does no harm.

    >>> sorted(names("See /docs/todo.txt. Robert (bob.lee@mail.example) knows."))
    ['/docs/todo.txt', 'bob', 'lee', 'robert', 'see']
    """
    found: set[str] = set()
    for word in (match.rstrip(".-/") for match in _NAMES.findall(request)):
        if "@" in word:
            found.update(_owner(word))
        elif "." in word or "/" in word or word[:1].isupper():
            found.add(word.casefold())
    return frozenset(name for name in found if len(name) >= _LETTERS)


def named(writer: str, wanted: Collection[str]) -> bool:
    """Whether a request's names name who or what wrote something: an address, a path or a page.

    >>> named("ann.smith@mail.example", {"smith"}), named("ann@smith.example", {"smith"})
    (True, False)
    """
    owner = _owner(writer)
    return any(name in owner or (not name.isalnum() and name in writer.casefold()) for name in wanted)


def _owner(writer: str) -> frozenset[str]:
    """The words of a path, or of an address before its host, which says nothing of a person."""
    return frozenset(re.findall(r"[a-z0-9]+", writer.casefold().partition("@")[0]))
