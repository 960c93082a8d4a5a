"""`workbench policy`: what the policies of tools say of calls, tested, explained and compared."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.options import Json, noun

if TYPE_CHECKING:
    from workbench.tools import Checked, Decision, Explanation, Reading

app = noun("Test, explain and compare the policies of tools.")

PLACE = "as module:name of a list; the module's code is run, and it is looked for in the current folder first."
Folder = Annotated[Path, typer.Argument(help="The folder of the *.cedar files.")]
File = Annotated[Path, typer.Argument(help="A JSON Lines file: a call a line, with what is expected of it.")]
Tools = Annotated[str, typer.Option("--tools", help=f"The tools, {PLACE}")]


@app.command("test")
def try_policies(folder: Folder, vectors: File, tools: Tools, as_json: Json = False) -> None:
    """Check what would be decided of calls against what is expected; nothing is run. Ends with 1 if one differs."""
    from workbench.cli.render import show
    from workbench.tools import check_vectors, read_policy, read_tools, read_vectors

    declared = read_tools(tools, Path.cwd())
    checked = check_vectors(read_policy(folder, declared), declared, read_vectors(vectors, declared))
    failed = [one for one in checked if one.problem]
    told = f"{len(checked)} vectors: {f'{len(failed)} fail' if failed else 'all pass'}"
    show("\n".join([*map(_failed, failed), told]), [*checked], as_json=as_json)
    raise typer.Exit(1 if failed else 0)


@app.command()
def explain(
    folder: Folder,
    vectors: File,
    name: Annotated[str, typer.Argument(help="The name of a line of that file.")],
    tools: Tools,
    as_json: Json = False,
) -> None:
    """Say what would be decided of a call, by which policies, what each of them read, and why."""
    from workbench.cli.render import show
    from workbench.tools import explain_call, find_tool, find_vector, read_policy, read_tools, read_vectors

    declared = read_tools(tools, Path.cwd())
    vector = find_vector(name, read_vectors(vectors, declared), str(vectors))
    tool = find_tool(vector.tool, declared, f"vector {name!r}")
    found = explain_call(read_policy(folder, declared), declared, tool, vector.call)
    show(_explained(found), found, as_json=as_json)


@app.command()
def diff(
    before: Folder,
    after: Annotated[Path, typer.Argument(help="The folder of the *.cedar files that would take their place.")],
    vectors: File,
    tools: Tools,
    as_json: Json = False,
) -> None:
    """Show which calls two folders of policies judge differently, and nothing else."""
    from workbench.cli.render import show
    from workbench.tools import compare_policies, read_policy, read_tools, read_vectors

    declared = read_tools(tools, Path.cwd())
    calls = read_vectors(vectors, declared)
    changes = compare_policies(read_policy(before, declared), read_policy(after, declared), declared, calls)
    lines = [f"{one.name}\n  - {_decided(one.before)}\n  + {_decided(one.after)}" for one in changes]
    same = f"{len(calls)} calls: none is judged differently"
    show("\n".join(lines) if lines else same, [*changes], as_json=as_json)


def _failed(checked: "Checked") -> str:
    return f"{checked.name}: {checked.problem}\n    {_decided(checked.decision)}"


def _decided(decision: "Decision") -> str:
    policies = ", ".join(decision.policies) or "no policy"
    return f"{decision.judgement} by {policies}{f': {decision.reason}' if decision.reason else ''}"


def _explained(found: "Explanation") -> str:
    whole = found.flow.whole
    sources = ", ".join(whole.sources) or "nothing"
    labels = f"labels    control {found.flow.control}, {whole.confidentiality}, from {sources}"
    lines = [f"decision  {_decided(found.decision)}", f"policies  {_decided(found.policy_decision)}", labels]
    return "\n".join([*lines, *map(_read, found.readings)])


def _read(one: "Reading") -> str:
    """One line of a policy that speaks of something else; of the others all that they read. Values in ASCII."""
    import json

    head = f"\n{one.policy}: {one.effect}, applies: {one.applies}{', decided' if one.decided else ''}; {one.why}"
    if one.applies == "elsewhere":
        return head.lstrip()
    reads = [f"    {path} = {json.dumps(value)}" for path, value in one.reads.items()]
    return "\n".join([head, *reads, *(f"  | {line}" for line in one.text.strip().splitlines())])
