"""The small real run of `canaries`: each place takes the canaries in every form, and says what it wrote."""

import json
import logging
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from workbench.agents import AgentSpec, build_agent
from workbench.core import (
    Case,
    ExpectedAnswer,
    ExpectedCall,
    Finding,
    Line,
    Prediction,
    Report,
    Step,
    ToolSpec,
    Verdict,
    WorkbenchError,
    catalogue,
)
from workbench.evals import EvaluationRequest, evaluate
from workbench.lms import CallStore, External, LMSpec, journaled, record, scripted_lm
from workbench.packaging import DataSource, PackageParts, Provenance, RecordedCase, export_package
from workbench.retrieval import IndexSpec, build_index
from workbench.safety import USER, Label, Redactor, environment_secrets
from workbench.tools import (
    AuditKeys,
    Call,
    Caller,
    ChainedLog,
    Facts,
    Gate,
    NotDone,
    Policy,
    Result,
    State,
    declare,
    read,
)
from workbench.tracking import ExperimentLog, RunLog, Store, log_experiment, log_run, log_traces, open_store

POLICIES = '@id("all") permit(principal, action, resource);'
_FORECAST = ToolSpec(
    name="weather.forecast",
    description="Forecast the weather of a city.",
    parameters={"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}},
)


def files(folder: Path) -> Iterator[bytes]:
    """Name and bytes of every file below a folder; what is zipped is unpacked."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)).encode()
            yield path.read_bytes()
            if path.suffix == ".zip":
                with zipfile.ZipFile(path) as packed:
                    yield from (packed.read(name) for name in packed.namelist())


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Everything that any logger says while inside, in a file."""
    handler = logging.FileHandler(path)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()


def gate(folder: Path, texts: Sequence[str]) -> Mapping[str, list[bytes]]:
    """Tool arguments, tool results, exceptions, names of tools and labels; what is told, and the audit log in clear."""

    def note(text: str) -> str:
        """Keep a note."""
        return f"kept {text}"

    def lose(text: str) -> str:
        """Lose a note."""
        raise NotDone(f"could not keep {text}")

    def crash(text: str) -> str:
        """Crash."""
        raise RuntimeError(f"crashed on {text}")

    facts = Facts(effect="write", idempotency="key", content=("text",), at_once=100)
    tools = [declare(function, facts) for function in (note, lose, crash)]
    keys = AuditKeys(folder / "keys")
    log = ChainedLog(folder / "audit", keys)
    redactor = Redactor(environment_secrets())
    told: list[Result] = []
    caller = Caller(tenant="acme", principal="jo", roles=("support",), session="s")
    for place, text in enumerate(texts):
        state = folder / f"state-{place % 4}.db"  # a breaker leaves a tool alone that always fails
        gate = Gate(tools, Policy(POLICIES, tools), State(state), log, redactor=redactor)
        mail = Label(integrity="untrusted", sources=(text,))
        for name in ("note", "lose", "crash", text):
            labels = {"": USER, "/text": mail} if name == "note" else {"": USER}
            call = Call(tool=name, arguments={"text": text}, labels=labels, caller=caller, occasion=str(place))
            told.append(gate.call(call))
    log.close()
    kept = [one.model_dump_json().encode() for one in read(folder / "audit", keys)]
    assert len(kept) >= 4 * len(texts)
    return {
        "audit": [*kept, *files(folder / "audit")],
        "errors": [one.message.encode() for one in told],
        "journal, as it is": list(files(folder)),
    }


def model(folder: Path, texts: Sequence[str], *, redacted: bool) -> tuple[list[bytes], list[bytes]]:
    """Requests to a model and results of an external; what the model was asked, and the call store."""
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return f"you wrote: {prompt}"

    store = CallStore(folder / "calls.db")
    lm = scripted_lm(answer, spec=LMSpec(model="scripted", redacted=redacted), store=store)
    for text in texts:
        lm(f"look at {text} please")
    store.close()
    return [prompt.encode() for prompt in asked], list(files(folder))


def external(folder: Path, texts: Sequence[str]) -> list[bytes]:
    """Results of something else outside, which a run that goes on must be given as they were."""
    store = CallStore(folder / "calls.db")
    look = journaled(store, External(kind="tool", name="look"))(_look)
    for text in texts:
        look(text)
    store.close()
    return list(files(folder))


def _look(text: str) -> str:
    return f"found {text}"


def _careless(request: str) -> Prediction:
    """An agent that repeats what it is asked wherever it can, or crashes with it."""
    if request.startswith("crash"):
        raise RuntimeError(request)
    step = Step(
        name=f"tool {request}",
        kind="tool",
        inputs={"text": request, request: 1},
        outputs={"said": [request]},
        start_milliseconds=0,
        milliseconds=1,
        error=f"refused {request}",
    )
    return Prediction(answer=f"an answer to {request}", steps=(step,))


def traces(folder: Path, texts: Sequence[str]) -> list[bytes]:
    """An agent's run in MLflow: requests, steps, errors of steps, crashes, parameters of the model's configuration."""
    cases = tuple(
        Case(
            case_id=f"{kind}-{place}",
            request=f"{kind} {text}",
            expected=ExpectedAnswer(answers=(f"an answer to {text}",)),
            cluster=str(place),
        )
        for place, text in enumerate(texts)
        for kind in ("ask", "crash")
    )
    asked = EvaluationRequest(
        agent="canary", agent_digest="a" * 64, evalset_digest="b" * 64, split="test", metrics=("answer_f1",),
        source="scripted",
    )  # fmt: skip
    run = evaluate(_careless, cases, request=asked)
    store: Store = open_store(folder)
    params = {f"lm {place}": text for place, text in enumerate(texts)}
    log = ExperimentLog(name="canary", question="what leaks?", seed=1, lm="scripted", params={"lm": json.dumps(params)})
    parent = log_experiment(store, log)
    mine = RunLog(
        name="baseline", role="baseline", agent_digest="a" * 64, params={**params}, texts={"prompt.txt": texts[0]}
    )
    log_traces(store, log_run(store, parent, mine), cases, run, model="scripted", limit=None)
    store.client._tracking_client.store.engine.dispose()
    return list(files(folder))


def _forecast(prompt: str) -> str:
    """A model that writes down the city that it is asked for."""
    last = prompt.rsplit("what is the weather, ", maxsplit=1)[-1].split("\n", maxsplit=1)[0]
    return json.dumps({"city": last})


def package(folder: Path, texts: Sequence[str]) -> list[bytes]:
    """A package: requests and the model's answers hold canaries; so does, in other tries, the model's address."""
    index = build_index(catalogue("tools", (_FORECAST,)), IndexSpec(retriever="bm25"))
    spec = AgentSpec(lm=LMSpec(model="scripted"), index=index.spec, k=1)
    store = CallStore(folder / "calls.sqlite3")
    agent = build_agent(spec, index=index, lm=scripted_lm(_forecast, store=store))
    wanted = ExpectedCall(tool=_FORECAST, arguments={"city": ["Rome"]})
    recorded = []
    for place, request in enumerate(
        ("what is the weather in Rome", *(f"what is the weather, {text}" for text in texts))
    ):
        case = Case(case_id=f"q-{place}", request=request, expected=wanted, cluster=str(place))
        recorded.append(RecordedCase(case=case, prediction=agent(request)))
    recordings = record(store, sorted(set(store.frame()["key"])))
    store.close()

    def export(name: str, lm: LMSpec) -> None:
        own = spec.model_copy(update={"lm": lm})
        digest = build_agent(own, index=index, lm=scripted_lm(_forecast)).digest
        export_package(
            folder / "out",
            PackageParts(
                name=name, version="1.0.0", spec=own, index=index, verdict=_verdict(digest), report=_REPORT,
                cases=tuple(recorded) if lm == spec.lm else (), recordings=recordings if lm == spec.lm else (),
                provenance=_PROVENANCE,
            ),
        )  # fmt: skip

    export("canary", spec.lm)
    refusals = []
    for place, address in enumerate(addresses := _addresses(texts)):
        try:
            export(f"address-{place}", LMSpec(model="openai/m", base_url=address))
        except (WorkbenchError, ValueError) as error:
            refusals.append(str(error).encode())
    assert len(refusals) == len(addresses)
    return [*files(folder / "out"), *refusals]


def _addresses(texts: Sequence[str]) -> list[str]:
    """Addresses of models that hold a secret."""
    known = [value for name, value in os.environ.items() if name.startswith("CANARY_")][:5]
    keys = [text for text in texts if text.startswith(("sk-", "ghp_", "glpat-"))][:5]
    hosts = [f"https://{value}.example.org/v1" for value in known]
    return [*hosts, *(f"https://jo:{key}@example.org/v1" for key in keys)]


def _verdict(agent_digest: str) -> Verdict:
    finding = Finding(
        rule="r", status="PASS", metric="m", estimate=0.7, low=0.6, high=0.9, threshold=0.5, cases=4, clusters=4,
        reason="0.7 lies above 0.5",
    )  # fmt: skip
    digests = {name: name[0] * 64 for name in ("champion_digest", "champion_run_digest", "evalset_digest")}
    return Verdict(
        status="PASS", findings=(finding,), agent_digest=agent_digest, run_digest="a" * 64, rules_digest="d" * 64,
        seed=7, **digests,
    )  # fmt: skip


_REPORT = Report(
    agent="canary",
    run_digest="a" * 64,
    evalset_digest="e" * 64,
    split="test",
    lines=(Line(name="m", kind="score", unit="1", estimate=0.7, low=0.6, high=0.9, cases=4, unscored=0, clusters=4),),
)
_PROVENANCE = Provenance(
    data=(DataSource(name="generated", sha256="b" * 64, licence="none", source="generated"),), seed=7, optimizer="none"
)


def commands(folder: Path, texts: Sequence[str]) -> list[bytes]:
    """What the command line says of a file, a model and a field that do not exist, and have canaries for names."""
    said: list[bytes] = []
    for place in range(0, len(texts), 200):
        some = texts[place : place + 200]
        path = folder / f"experiment-{place}.yaml"
        path.write_text(
            f"question: x\nlm: {json.dumps(' '.join(some))}\ngate: [{{metric: task_success, at_least: 0.5}}]\n"
        )
        ended = subprocess.run(
            [sys.executable, "-m", "workbench", "experiment", "check", str(path)],
            capture_output=True,
            check=False,
            cwd=folder,
        )
        assert ended.returncode == 2, ended.stderr
        said += [ended.stdout, ended.stderr]
    return said


Place = Callable[[Path, Sequence[str]], list[bytes]]
