"""`workbench tools`: what agents can call, and what would become of a call."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.options import Json, noun
from workbench.cli.policy import PLACE, Folder

if TYPE_CHECKING:
    from workbench.tools import DryRun

app = noun("List tools with their facts, and say what would become of a call.")
Place = Annotated[str, typer.Argument(help=f"The tools, {PLACE}", metavar="MODULE:NAME")]


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
    call: Annotated[Path, typer.Argument(help="A JSON file: tool, arguments, labels and caller.")],
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
