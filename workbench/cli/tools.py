"""`workbench tools`: what agents can call, what would become of a call, and a call itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.gate_state import STATE, Seal, Stores, opened_gate
from workbench.cli.options import Json, noun
from workbench.cli.policy import PLACE, Folder

if TYPE_CHECKING:
    from workbench.tools import DryRun, Result

app = noun("List tools with their facts, say what would become of a call, and make one.")
Place = Annotated[str, typer.Argument(help=f"The tools, {PLACE}", metavar="MODULE:NAME")]

Asked = Annotated[Path, typer.Argument(help="A JSON file: tool, arguments, labels and caller.")]
EXITS = {"done": 0, "denied": 1, "failed": 1, "pending": 3, "in_doubt": 3}
"""How a call ends: it took place; it did not, or its answer is of no use; somebody has to say more first."""


@app.command("list")
def list_tools(place: Place, as_json: Json = False) -> None:
    """List tools with what was declared of them, and the digest that an approval of them is bound to."""
    from workbench.cli.render import show, table
    from workbench.core import short
    from workbench.tools import read_tools

    tools = read_tools(place, Path.cwd())
    heads = ("effect", "risk", "idempotency", "approval", "trust", "version")
    rows = [(one.spec.name, *(str(getattr(one.facts, head)) for head in heads), short(one.digest)) for one in tools]
    data = [{"spec": one.spec, "facts": one.facts, "returns": one.returns, "digest": one.digest} for one in tools]
    show(table(("tool", *heads, "digest"), rows), data, as_json=as_json)


@app.command("pins")
def show_pins(
    file: Annotated[Path, typer.Argument(help="A YAML file that names an MCP server or an OpenAPI document.")],
    as_json: Json = False,
) -> None:
    """Show what a server offers, and whether it is as the file agrees to. Ends with 1 if a tool has changed."""
    from workbench.cli.render import show, table
    from workbench.tools import pins

    found = pins(file)
    rows = [(one.offer.name, one.standing, one.offer.digest, one.offer.where, one.offer.description) for one in found]
    data = [{"offer": one.offer, "pin": one.offer.digest, "standing": one.standing} for one in found]
    show(table(("tool", "is", "pin", "where", "description"), rows), data, as_json=as_json)
    raise typer.Exit(1 if any(one.standing == "changed" for one in found) else 0)


@app.command("dry-run")
def dry_run_call(
    place: Place,
    folder: Folder,
    call: Asked,
    as_json: Json = False,
) -> None:
    """Say what a gate would decide of a call; nothing is asked, kept or run. Ends with 1 if it is denied.

    What a gate remembers is left out: what was stopped, done or approved before.
    """
    from workbench.cli.render import show
    from workbench.core import read_record
    from workbench.tools import Call, dry_run, find_tool, read_policy, read_tools

    tools = read_tools(place, Path.cwd())
    asked = read_record(call, Call)
    tool = find_tool(asked.tool, tools, f"call ({call})")
    found = dry_run(read_policy(folder, tools), tools, tool, asked)
    show(_told(found), found, as_json=as_json)
    raise typer.Exit(1 if found.decision.judgement == "denied" else 0)


@app.command("call")
def make_call(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    place: Place,
    folder: Folder,
    call: Asked,
    state: Annotated[str, typer.Option(help=STATE)],
    audit: Annotated[Path, typer.Option(help="The folder of the audit log.")],
    keys: Annotated[Path, typer.Option(help="The folder of the log's keys.")],
    anchor: Annotated[Path | None, typer.Option(help="The file in which the log's last checkpoint is kept.")] = None,
    seal: Seal = None,
    begin: Annotated[bool, typer.Option("--begin", help="Make the state, the log and its keys, if new.")] = False,
    as_json: Json = False,
) -> None:
    """Make a call through the gate: it is checked, decided, recorded and done, at most once.

    Ends with 1 if it is denied or failed, and with 3 if it waits for an approval or nobody knows yet what became of it:
    grant it, or wait, and type the same again.
    """
    from workbench.cli.render import show
    from workbench.core import read_record
    from workbench.safety import Redactor
    from workbench.tools import Call, find_tool, read_policy, read_tools

    tools = read_tools(place, Path.cwd())
    asked = read_record(call, Call)
    find_tool(asked.tool, tools, f"call ({call})")
    stores = Stores(state=state, audit=audit, keys=keys, anchor=anchor, seal=seal, begin=begin)
    with opened_gate(tools, read_policy(folder, tools), stores) as gate:
        result = gate.call(asked)
    show(_ended(result), result, as_json=as_json)
    if result.kind == "pending":
        options = f"{Redactor().text(state)} --tenant {asked.caller.tenant} --approver YOU"
        typer.echo(f"next: uv run workbench approvals grant {result.approval_id} {options}", err=True)
    raise typer.Exit(EXITS[result.kind])


def _ended(result: "Result") -> str:
    """All that came of it. In ASCII: what a tool answers writes nothing to a terminal but letters."""
    import json

    lines = [
        f"result    {result.kind}{' before; not done again' if result.replayed else ''}",
        f"call      {result.call_id}",
    ]
    if result.kind == "done":
        label = result.label
        lines.append(f"value     {json.dumps(result.value)}")
        lines.append(f"label     {label.integrity}, {label.confidentiality}, from {', '.join(label.sources)!a}")
    else:
        lines.append(f"why       {result.code}: {json.dumps(result.message)}")
    if result.approval_id:
        lines.append(f"approval  {result.approval_id}")
    return "\n".join(lines)


def _told(found: "DryRun") -> str:
    decision, flow = found.decision, found.flow
    lines = [
        f"tool      {found.tool} ({found.effect})",
        f"decision  {decision.judgement}{f': {decision.reason}' if decision.reason else ''}",
        f"policies  {', '.join(decision.policies) or 'none'}",
        f"labels    control {flow.control}, {flow.whole.confidentiality}, from {', '.join(flow.whole.sources)}",
        f"action    {found.action or 'none; a read is done each time'}",
    ]
    return "\n".join([*lines, "nothing was run"])
