"""Language models: connect to any, ask each question once, account for every call that leaves the process.

One function to call: `connect(LMSpec(model="embedded"), store=CallStore(path), meter=Meter(budget))` gives a
`dspy.LM`. Wrap what you do in `scope(run=…, candidate=…, case=…)`, and every call is in the ledger under
those names, with tokens, US dollars and milliseconds; `CallStore.frame()` reads it.

Why in the engine layer: dspy's usage tracker loses its counts in threads, its callbacks fail open, and its
cache answers one address with another's answer. Below dspy and above the provider there is exactly one
place that every call of every optimizer passes; it keeps the answer and the ledger row in one transaction,
so what was paid survives a kill, and it reserves from the budget before it asks. Scripted and replayed
models go the same way, so a test exercises what a release runs on.

Tools, retrievers and judges outside the process pass the same place: `journaled(store, External(…))` wraps a
function that calls one. Where several processes spend from one budget, `SharedMeter` keeps it in the call store.

Providers fail: `fallback` names models that stand in, each attempt is budgeted and set down, and who gives no answer in
time raises `NoAnswer` (`routing.py`). `redacted` keeps secrets and personal data from model and store; inside
`scope(tenant=…)` answers are kept for that tenant alone, and `CallStore.erase` removes them.
"""

from workbench.lms.accounted import AccountedEngine, question
from workbench.lms.connect import check, connect, greet, identity, replayed_lm, scripted_lm
from workbench.lms.embedded import EmbeddedEngine, embedded_engine
from workbench.lms.external import External, journaled
from workbench.lms.once import idempotency_key
from workbench.lms.replay import Recording, ReplayEngine, record
from workbench.lms.routing import NoAnswer
from workbench.lms.scope import Call, Miss, Tally, Where, account, here, scope, whose
from workbench.lms.scripted import ScriptedEngine
from workbench.lms.shared_meter import SharedMeter
from workbench.lms.spec import EMBEDDED, Fallback, LMSpec, Price
from workbench.lms.store import CALLS, MISSES, Answer, CallStore, totals

__all__ = [
    "CALLS",
    "EMBEDDED",
    "MISSES",
    "AccountedEngine",
    "Answer",
    "Call",
    "CallStore",
    "EmbeddedEngine",
    "External",
    "Fallback",
    "LMSpec",
    "Miss",
    "NoAnswer",
    "Price",
    "Recording",
    "ReplayEngine",
    "ScriptedEngine",
    "SharedMeter",
    "Tally",
    "Where",
    "account",
    "check",
    "connect",
    "embedded_engine",
    "greet",
    "here",
    "idempotency_key",
    "identity",
    "journaled",
    "question",
    "record",
    "replayed_lm",
    "scope",
    "scripted_lm",
    "totals",
    "whose",
]
