"""`workbench policy` and `workbench tools`: what a person types before an agent may act."""

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from workbench.cli import policy, tools
from workbench.cli.main import Workbench

SHOP = '''
from workbench.tools import Facts, declare


def refund(order: str, amount: float, note: str = "") -> str:
    """Give money back."""
    raise AssertionError("nothing may run")


def orders(customer: str) -> list[str]:
    """List a customer's orders."""
    raise AssertionError("nothing may run")


REFUND = declare(refund, Facts(effect="irreversible", idempotency="key", risk="high", content=("note",)))
TOOLS = [REFUND, declare(orders, Facts(effect="read"))]
TWICE = [REFUND, REFUND]
NUMBERS = [1, 2]
'''
POLICIES = """
// What support may do.
@id("reading") permit(principal in Role::"support", action in Action::"read", resource);
@id("refunds") permit(principal in Role::"support", action == Action::"refund", resource == Tenant::"acme");
@id("big refunds") forbid(principal, action == Action::"refund", resource)
  when { context.arguments.amount.greaterThan(decimal("100.0")) && !context.approved };
"""
JO = {"tenant": "acme", "principal": "jo", "roles": ["support"]}
USER = {"": {"integrity": "trusted", "sources": ["user"]}}
MAIL = {"": {"integrity": "untrusted", "sources": ["mail:7"]}}

app = typer.Typer(cls=Workbench)
app.add_typer(policy.app, name="policy")
app.add_typer(tools.app, name="tools")


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def vector(name: str, expected: str, **fields: object) -> dict[str, object]:
    arguments = {"order": "o1", "amount": 5.0}
    told = {"name": name, "caller": JO, "tool": "refund", "arguments": arguments, "labels": USER, "expected": expected}
    return {**told, **fields}


VECTORS = (
    vector("small", "allowed", policy="refunds"),
    vector("big", "needs_approval", arguments={"order": "o1", "amount": 500}, policy="big refunds"),
    vector("stranger", "denied", caller={"tenant": "acme", "principal": "eve"}),
    vector("from a mail", "needs_approval", labels=MAIL),
    vector("look", "allowed", tool="orders", arguments={"customer": "c1"}, policy="reading"),
)


def write(file: Path, *vectors: dict[str, object]) -> Path:
    file.write_text("".join(f"{json.dumps(one)}\n" for one in vectors))
    return file


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a module of tools, policies and vectors that hold."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.cedar").write_text(POLICIES)
    (tmp_path / "small_shop.py").write_text(SHOP)
    write(tmp_path / "vectors.jsonl", *VECTORS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "small_shop", None)
    monkeypatch.delitem(sys.modules, "small_shop")
    return tmp_path


def test_vectors_that_hold_pass() -> None:
    """Allowed, denied and to be approved: by a policy, by its absence, by a label."""
    result = invoke("policy", "test", "policies", "vectors.jsonl", "--tools", "small_shop:TOOLS")

    assert (0, "5 vectors: all pass\n", "") == (result.exit_code, result.stdout, result.stderr)
    assert str(Path.cwd()) not in sys.path


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (vector("a", "denied"), "a: expected denied, but it is allowed\n    allowed by refunds\n"),
        (
            vector("a", "allowed", labels={}),
            "a: expected allowed, but it is needs_approval\n"
            "    needs_approval by refunds: something untrusted would decide what is done\n",
        ),
        (
            vector("a", "allowed", policy="reading"),
            "a: policy 'reading' is not among those that decided\n    allowed by refunds\n",
        ),
        (
            vector("a", "denied", arguments={"order": "o1", "amount": 0.00001}),
            "a: a number has more than 4 decimal places or is too large for the policies; round it first\n"
            "    denied by no policy: a number has more than 4 decimal places or is too large for the policies; "
            "round it first\n",
        ),
    ],
    ids=("another decision", "no labels", "another policy", "a failure is no denial"),
)
def test_a_vector_that_does_not_hold_ends_with_1(shop: Path, wrong: dict[str, object], told: str) -> None:
    """It is named with what was decided and why; the others are counted."""
    write(shop / "vectors.jsonl", vector("fine", "allowed"), wrong)
    words = ("policy", "test", "policies", "vectors.jsonl", "--tools", "small_shop:TOOLS")
    result, as_json = invoke(*words), invoke(*words, "--json")

    assert (1, f"{told}2 vectors: 1 fail\n") == (result.exit_code, result.stdout)
    assert (1, [True, False]) == (as_json.exit_code, [one["problem"] == "" for one in json.loads(as_json.stdout)])


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ((), "vectors (v.jsonl): there are none; write a call a line, with what is expected of it"),
        (
            (vector("a", "denied", tool="refnd"),),
            "vector 'a' (v.jsonl): tool 'refnd' is not declared; did you mean \"refund\"?",
        ),
        (
            (vector("a", "denied", arguments={"order": "o1"}),),
            "vector 'a' (v.jsonl): its arguments do not fit tool 'refund', which takes order, amount, note; "
            "correct them",
        ),
        (
            (vector("a", "denied"), vector("a", "denied")),
            "vector 'a' (v.jsonl): its name is taken by another; give it one of its own",
        ),
        (
            (vector("a", "allowed", policy="refund"),),
            "vector 'a': policy 'refund' is not among the policies; did you mean \"refunds\"?",
        ),
        (
            (vector("fine", "allowed"), vector("a", "maybe")),
            "Vector (v.jsonl:2): expected: Input should be 'allowed', 'denied' or 'needs_approval'",
        ),
    ],
    ids=("none", "tool", "arguments", "name", "policy", "line"),
)
def test_vectors_that_test_nothing_end_with_2(shop: Path, vectors: tuple[dict[str, object], ...], message: str) -> None:
    """One that is denied whatever the policies say would pass for the wrong reason."""
    write(shop / "v.jsonl", *vectors)
    result = invoke("policy", "test", "policies", "v.jsonl", "--tools", "small_shop:TOOLS")

    assert (2, f"error: {message}\n", "") == (result.exit_code, result.stderr, result.stdout)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("small_shop", "tools 'small_shop': are not a place; write module:name, such as shop:TOOLS, or a YAML file"),
        ("small_shop:TOOL", "tools 'small_shop:TOOL': module 'small_shop' has no 'TOOL'; did you mean \"TOOLS\"?"),
        (
            "small_shop:NUMBERS",
            "tools 'small_shop:NUMBERS': are not a list of tools; write a list of what declare(...) returns",
        ),
        ("small_shop:TWICE", "tool 'refund' (small_shop:TWICE): is declared twice; a gate knows tools by their names"),
        (
            "no_shop:TOOLS",
            "tools 'no_shop:TOOLS' ({here}): module 'no_shop' can't be imported: "
            "ModuleNotFoundError: No module named 'no_shop'",
        ),
    ],
)
def test_a_place_without_tools_ends_with_2(shop: Path, place: str, message: str) -> None:
    """What stands there instead is said, and what to write."""
    result = invoke("tools", "list", place)

    assert (2, f"error: {message.format(here=shop.resolve())}\n") == (result.exit_code, result.stderr)


def test_an_explanation_says_what_each_policy_read() -> None:
    """Those that decided come first, forbids before permits; one about something else is a line."""
    words = ("policy", "explain", "policies", "vectors.jsonl", "big", "--tools", "small_shop:TOOLS")
    text, found = invoke(*words).stdout, json.loads(invoke(*words, "--json").stdout)
    readings = {one["policy"]: one for one in found["readings"]}

    assert ["big refunds", "refunds", "reading"] == [*readings]
    assert [(True, "until approved"), (True, "yes"), (False, "elsewhere")] == [
        (one["decided"], one["applies"]) for one in readings.values()
    ]
    assert {"action": "refund", "context.approved": False, "context.arguments.amount": 500} == (
        readings["big refunds"]["reads"]
    )
    assert {"User": "jo@acme", "Role": ["support"], "Tenant": "acme"} == readings["refunds"]["reads"]["principal"]
    assert "decision  needs_approval by big refunds, refunds: the policy asks for an approval\n" in text
    assert "reading: permit, applies: elsewhere; it speaks of other tools\n" in text


@pytest.mark.parametrize(
    ("name", "applies", "why"),
    [
        ("small", "no", "it speaks of this call, but its conditions are not met"),
        ("look", "elsewhere", "it speaks of other tools"),
    ],
)
def test_a_policy_that_does_not_apply_says_why(name: str, applies: str, why: str) -> None:
    """Its head, or its conditions."""
    found = invoke("policy", "explain", "policies", "vectors.jsonl", name, "--tools", "small_shop:TOOLS", "--json")
    reading = next(one for one in json.loads(found.stdout)["readings"] if one["policy"] == "big refunds")

    assert (applies, why) == (reading["applies"], reading["why"])


def test_an_optional_argument_that_is_left_out_reads_as_its_default(shop: Path) -> None:
    """A path is told once, at its full length, though the policy asks first whether it is there."""
    text = '@id("notes") forbid(principal, action == Action::"refund", resource) when {\n'
    text += '  context.arguments has note && context.arguments.note like "*!*" };'
    (shop / "policies" / "notes.cedar").write_text(text)
    found = invoke("policy", "explain", "policies", "vectors.jsonl", "small", "--tools", "small_shop:TOOLS", "--json")
    reading = next(one for one in json.loads(found.stdout)["readings"] if one["policy"] == "notes")

    assert ({"action": "refund", "context.arguments.note": ""}, "no") == (reading["reads"], reading["applies"])


def test_an_unknown_vector_ends_with_2() -> None:
    """With the nearest one."""
    result = invoke("policy", "explain", "policies", "vectors.jsonl", "bigg", "--tools", "small_shop:TOOLS")

    assert (2, "error: vector 'bigg' (vectors.jsonl): is not there; did you mean \"big\"?\n") == (
        result.exit_code,
        result.stderr,
    )


def test_a_diff_names_what_changes_and_nothing_else(shop: Path) -> None:
    """A lower limit changes one call; a policy of another name changes none."""
    (shop / "after").mkdir()
    (shop / "after" / "shop.cedar").write_text(POLICIES.replace("100.0", "4.0").replace("reading", "looking"))
    words = ("policy", "diff", "policies", "after", "vectors.jsonl", "--tools", "small_shop:TOOLS")
    result, as_json = invoke(*words), invoke(*words, "--json")
    same = invoke("policy", "diff", "policies", "policies", "vectors.jsonl", "--tools", "small_shop:TOOLS")

    assert (
        "small\n  - allowed by refunds\n"
        "  + needs_approval by big refunds, refunds: the policy asks for an approval\n" == result.stdout
    )
    assert ["small"] == [one["name"] for one in json.loads(as_json.stdout)]
    assert (0, "5 calls: none is judged differently\n") == (same.exit_code, same.stdout)


def test_tools_are_listed_with_their_facts() -> None:
    """As a table, and whole for a program."""
    text = invoke("tools", "list", "small_shop:TOOLS").stdout
    found = json.loads(invoke("tools", "list", "small_shop:TOOLS", "--json").stdout)

    assert ["refund", "irreversible", "high", "key", "untrusted", "untrusted", "1"] == text.splitlines()[2].split()[:-1]
    assert [("refund", "high"), ("orders", "medium")] == [(one["spec"]["name"], one["facts"]["risk"]) for one in found]
    assert found[0]["digest"].startswith(text.splitlines()[2].split()[-1])


@pytest.mark.parametrize(
    ("fields", "code", "told"),
    [
        ({}, 0, "decision  allowed\npolicies  refunds\n"),
        (
            {"labels": MAIL},
            0,
            "decision  needs_approval: something untrusted would decide what is done\npolicies  refunds\n",
        ),
        (
            {"caller": {"tenant": "other", "principal": "jo", "roles": ["support"]}},
            1,
            "decision  denied: no policy permits it\npolicies  none\n",
        ),
        (
            {"arguments": {"order": "o1"}},
            1,
            "decision  denied: the arguments do not fit the tool's schema\npolicies  none\n",
        ),
    ],
    ids=("allowed", "to be approved", "of another tenant", "bad arguments"),
)
def test_a_dry_run_decides_and_runs_nothing(shop: Path, fields: dict[str, object], code: int, told: str) -> None:
    """The tools of this shop would raise; the folder stays as it was."""
    asked = {"tool": "refund", "arguments": {"order": "o1", "amount": 5}, "labels": USER, "caller": JO, **fields}
    (shop / "call.json").write_text(json.dumps(asked))
    result = invoke("tools", "dry-run", "small_shop:TOOLS", "policies", "call.json")

    assert (code, True, True) == (
        result.exit_code,
        told in result.stdout,
        result.stdout.endswith("nothing was run\n"),
    ), result.output
    assert {"call.json", "policies", "small_shop.py", "vectors.jsonl"} == {
        path.name for path in shop.iterdir() if path.name != "__pycache__"
    }


def test_a_dry_run_of_an_unknown_tool_ends_with_2(shop: Path) -> None:
    """With the file and the nearest tool."""
    (shop / "call.json").write_text(json.dumps({"tool": "order", "arguments": {}, "caller": JO}))
    result = invoke("tools", "dry-run", "small_shop:TOOLS", "policies", "call.json")

    assert (2, "error: call (call.json): tool 'order' is not declared; did you mean \"orders\"?\n") == (
        result.exit_code,
        result.stderr,
    )
