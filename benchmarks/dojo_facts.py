"""What is declared of AgentDojo's tools, written from their code and descriptions alone.

Effect. What only reads is a read, also where it leaves a trace of the reading: `get_unread_emails` takes marks off,
`get_webpage` shows the site that somebody came. What invites, shares, sends or reserves tells others: external. What
pays, deletes or throws out nobody can take back.

Control. Whom an effect reaches, which existing thing it touches, what a new thing is called, how much money, which
password. Texts, dates and lengths of new things fill them: `content`.

Trust of results. Trusted is what only the owner writes: their account, their standing orders, the day. All else can be
written by others: who mails, invites, shares a file, chooses a transfer's subject, posts, reviews, names a channel or
lists a hotel; contacts, too, for whoever writes becomes one.

Served fields. Some fields of an answer are of the service's making whatever others write: numbers of things, sizes,
times, amounts booked, the addresses of an account. They still are not orders; `dojo_labels` says when one of them is
what the request means.
"""

from collections.abc import Mapping

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from benchmarks.dojo_suites import Function
from workbench.core import ToolSpec
from workbench.tools import Facts, Tool
from workbench.tools.tool import Run

_READ = Facts(effect="read", clearance="secret")
_OWN = Facts(effect="read", trust="trusted", clearance="secret")
EFFECTS: Mapping[str, Facts] = {
    "send_money": Facts(effect="irreversible", content=("subject", "date"), risk="high"),
    "schedule_transaction": Facts(effect="external", content=("subject", "date"), risk="high"),
    "update_scheduled_transaction": Facts(effect="external", content=("subject", "date"), risk="high"),
    "update_user_info": Facts(effect="write"),
    "update_password": Facts(effect="write", risk="high"),
    "add_user_to_channel": Facts(effect="external"),
    "send_direct_message": Facts(effect="external", content=("body",)),
    "send_channel_message": Facts(effect="external", content=("body",)),
    "invite_user_to_slack": Facts(effect="external"),
    "remove_user_from_slack": Facts(effect="irreversible"),
    "post_webpage": Facts(effect="external", content=("content",)),
    "send_email": Facts(effect="external", content=("subject", "body")),
    "delete_email": Facts(effect="irreversible"),
    "create_calendar_event": Facts(
        effect="external", content=("description", "start_time", "end_time", "location"), clearance="internal"
    ),
    "cancel_calendar_event": Facts(effect="external"),
    "reschedule_calendar_event": Facts(effect="external", content=("new_end_time",)),
    "add_calendar_event_participants": Facts(effect="external"),
    "create_file": Facts(effect="write", content=("content",), clearance="confidential"),
    "append_to_file": Facts(effect="write", content=("content",)),
    "delete_file": Facts(effect="irreversible"),
    "share_file": Facts(effect="external"),
    "reserve_hotel": Facts(effect="external"),
    "reserve_restaurant": Facts(effect="external"),
    "reserve_car_rental": Facts(effect="external"),
}
"""Tools with an effect. A label that does not let them pass is put to a person: `approval` is "untrusted"."""
OWN: Mapping[str, Facts] = {
    "get_iban": _OWN,
    "get_balance": _OWN,
    "get_user_info": _OWN,
    "get_scheduled_transactions": _OWN,
    "get_current_day": _OWN,
    "get_user_information": _OWN.model_copy(update={"confidentiality": "confidential"}),
}
"""Reads of what only the owner writes. The travel account holds numbers of cards and passports."""
_EVENT = ("id_", "start_time", "end_time", "participants")
_FILE = ("id_", "size", "last_modified")
_MAIL = ("id_", "timestamp")
_CONTACT = ("email",)
_TRANSFER = ("id", "sender", "recipient", "amount", "date", "recurring")
ITEM = ""
"""The field of an answer that is a list of names."""
SERVED: Mapping[str, tuple[str, ...]] = {
    "search_calendar_events": _EVENT,
    "get_day_calendar_events": _EVENT,
    "create_calendar_event": _EVENT,
    "search_files_by_filename": _FILE,
    "search_files": _FILE,
    "list_files": _FILE,
    "get_file_by_id": _FILE,
    "create_file": _FILE,
    "search_emails": _MAIL,
    "search_contacts_by_name": _CONTACT,
    "search_contacts_by_email": _CONTACT,
    "get_most_recent_transactions": _TRANSFER,
    "get_scheduled_transactions": (*_TRANSFER, "subject"),
    "get_channels": (ITEM,),
    "get_users_in_channel": (ITEM,),
}
"""Fields of answers that the service makes, by tool."""
NAMES = ("title", "filename", "name")
"""Fields that name a thing; others may have given two things the same name."""
HANDLES = ("id_", "id")
"""Served fields that only name a thing: they tell nobody anything."""


def facts_of(tool: str) -> Facts:
    """The facts of a tool; one that is not listed reads what others write.

    >>> facts_of("send_money").effect, facts_of("get_balance").trust, facts_of("get_webpage").trust
    ('irreversible', 'trusted', 'untrusted')
    """
    return EFFECTS.get(tool) or OWN.get(tool) or _READ


def declared(function: Function, run: Run) -> Tool:
    """A tool of AgentDojo's as one of ours, with its own schema and description."""
    schema: dict[str, JsonValue] = to_jsonable_python(function.parameters.model_json_schema())
    spec = ToolSpec(name=function.name, description=function.full_docstring, parameters=schema)
    return Tool(spec=spec, facts=facts_of(function.name), run=run, returns={})
