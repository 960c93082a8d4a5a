"""A small agent, whole: four tools, four cases, a model that answers by rule, and everything a package needs."""

from pathlib import Path

from workbench.agents import AgentSpec, build_agent
from workbench.core import (
    Case,
    ExpectedAbstention,
    ExpectedCall,
    Finding,
    Line,
    Report,
    Status,
    ToolSpec,
    Verdict,
    catalogue,
)
from workbench.lms import CallStore, LMSpec, record, scripted_lm
from workbench.packaging import DataSource, PackageParts, Provenance, RecordedCase
from workbench.retrieval import IndexSpec, build_index

SCRIPTED = LMSpec(model="scripted")
WORDS = IndexSpec(retriever="bm25")


def tool(name: str, description: str, argument: str) -> ToolSpec:
    schema = {"type": "object", "required": [argument], "properties": {argument: {"type": "string"}}}
    return ToolSpec(name=name, description=description, parameters=schema)


TOOLS = (
    tool("weather.forecast", "Forecast the weather of a city.", "city"),
    tool("ride.book", "Book a ride to a place.", "place"),
    tool("music.play", "Play a song by its title.", "title"),
    tool("mail.send", "Send a mail to a person.", "address"),
)
REQUESTS = {
    "q-1": ("what is the weather in Rome", TOOLS[0]),
    "q-2": ("book a ride to the station", TOOLS[1]),
    "q-3": ("play the song Yesterday", TOOLS[2]),
    "q-4": ("zyzzyva quux", None),
}
CASES = tuple(
    Case(
        case_id=case_id,
        request=request,
        expected=ExpectedAbstention()
        if wanted is None
        else ExpectedCall(tool=wanted, arguments={name: ["Rome"] for name in wanted.required}),
        cluster=case_id,
    )
    for case_id, (request, wanted) in REQUESTS.items()
)


def rule(prompt: str) -> str:
    """Fills the argument of the tool that the prompt shows with Rome."""
    shown = prompt.rsplit("Tool: ", maxsplit=1)[-1]
    name = next(name for tool in TOOLS for name in tool.required if f'"{name}"' in shown)
    return f'{{"{name}": "Rome"}}'


def make_parts(
    folder: Path, *, lm: LMSpec = SCRIPTED, status: Status = "PASS", cases=CASES, found_by=WORDS, **changes
) -> PackageParts:
    """Parts of a package whose recordings were cut from a call store in `folder`."""
    index = build_index(catalogue("tools", TOOLS), found_by)
    spec = AgentSpec(lm=lm, index=index.spec, k=1)
    store = CallStore(folder / "calls.sqlite3")
    agent = build_agent(spec, index=index, lm=scripted_lm(rule, store=store))
    recorded = tuple(RecordedCase(case=case, prediction=agent(case.request)) for case in cases)
    recordings = record(store, sorted(set(store.frame()["key"])))
    store.close()
    fields = {
        "name": "toolbox",
        "version": "1.0.0",
        "spec": spec,
        "index": index,
        "verdict": make_verdict(agent.digest, status),
        "report": REPORT,
        "cases": recorded,
        "recordings": recordings,
        "provenance": PROVENANCE,
    }
    return PackageParts(**{**fields, **changes})


def make_verdict(agent_digest: str, status: Status) -> Verdict:
    """A verdict with one finding."""
    finding = Finding(
        rule="ast_match is at least 0.5",
        status=status,
        metric="ast_match",
        estimate=0.75,
        low=0.6,
        high=0.9,
        threshold=0.5,
        cases=4,
        clusters=4,
        reason="0.75 lies above 0.5",
    )
    digests = {name: name[0] * 64 for name in ("champion_digest", "champion_run_digest", "evalset_digest")}
    return Verdict(
        status=status,
        findings=(finding,),
        agent_digest=agent_digest,
        run_digest="a" * 64,
        rules_digest="d" * 64,
        seed=7,
        **digests,
    )


REPORT = Report(
    agent="toolbox",
    run_digest="a" * 64,
    evalset_digest="e" * 64,
    split="test",
    lines=(
        Line(
            name="ast_match", kind="score", unit="1", estimate=0.75, low=0.6, high=0.9, cases=4, unscored=0, clusters=4
        ),
    ),
)
PROVENANCE = Provenance(
    data=(DataSource(name="bfcl", sha256="b" * 64, licence="Apache-2.0", source="a leaderboard | version 4"),),
    seed=7,
    optimizer="random_search",
)
