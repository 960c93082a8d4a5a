"""From one line of configuration to a model that is accounted for."""

import os
from collections.abc import Callable, Sequence
from typing import cast

import dspy
from dspy.clients.costs import estimate_cost
from dspy.clients.engines.lm15_engine import LM15Engine
from dspy.lm15 import LM15Error, LMRouter, Request, Response, RouterConfig, Timeouts

from workbench.core import ConfigError, LMError, Meter, boundary, digest_json, nearest
from workbench.lms.accounted import AccountedEngine, Engine, Pricing, Terms
from workbench.lms.embedded import MODEL_SHA256, embedded_engine
from workbench.lms.redacted import RedactedEngine
from workbench.lms.replay import Recording, ReplayEngine
from workbench.lms.routing import RoutedEngine
from workbench.lms.scope import scope
from workbench.lms.scripted import ScriptedEngine
from workbench.lms.spec import EMBEDDED, LMSpec, Price
from workbench.lms.store import CallStore
from workbench.lms.timed import TimedEngine
from workbench.safety import Redactor, environment_secrets

SCRIPTED = "scripted"
_FREE = Price(prompt_usd=0.0, completion_usd=0.0, date="")
"""What a model inside the process costs."""
_EXAMPLE = '"embedded", "openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5"'


def connect(spec: LMSpec, *, store: CallStore | None = None, meter: Meter | None = None) -> dspy.LM:
    """A dspy model that keeps its answers in `store` and holds to `meter`'s budget.

    Where it fails it is asked again, or its fallbacks are; see `workbench.lms.routing`.

    Nothing is sent before the first call; the embedded model is loaded here.
    Raises: ConfigError for an unknown provider or a missing key; LMError if the weights can't be loaded.
    """
    check(spec)
    return _routed(spec, [(one, _guarded(spec, _reached(one))) for one in spec.models], store, meter)


def check(spec: LMSpec) -> None:
    """Find a missing key or an unknown model before anything is done or paid. Offline; no call is made.

    A model id that only the provider could refuse passes: its first call says so.
    Raises: ConfigError with the nearest known spelling, or the name of the missing variable.
    """
    for one in spec.models:
        _check_alone(one)


def _check_alone(spec: LMSpec) -> None:
    if spec.model == EMBEDDED:
        return
    _, slash, name = spec.model.partition("/")
    if not slash or not name:
        raise ConfigError(
            f"lm {spec.model!r}: is neither embedded nor provider/model; {nearest(spec.model, [EMBEDDED])}"
        )
    if spec.key_env is not None and not os.environ.get(spec.key_env):
        raise ConfigError(f"lm {spec.model!r}: environment variable {spec.key_env!r} is empty; put the key there")
    try:
        engine = LM15Engine(_router(spec))
        resolution = engine.resolve(spec.model)
        LMRouter(_router(spec)).lm(f"{resolution.provider}:{resolution.model}")
    except LM15Error as cause:
        why = str(cause).splitlines()[0].partition(", or pass RouterConfig")[0]
        raise ConfigError(f"lm {spec.model!r}: {why}; known spellings are {_EXAMPLE}") from cause
    _wrapped(spec, engine)
    engine.close()


def greet(lm: dspy.LM) -> None:
    """Ask a model one short question: an unknown model or a refused key shows before anything is done.

    Kept like any answer, so a workspace asks it once.
    Raises: LMError with what the provider says.
    """
    with boundary(LMError, f"lm {lm.model!r}: does not answer"), scope(run="greeting"):
        lm("Answer with the word yes.")


def identity(spec: LMSpec) -> str:
    """Digest of who answers: model, address, weights of the embedded one, whether it is redacted. Holds no key."""
    weights = MODEL_SHA256 if spec.model == EMBEDDED else ""
    asked = {"redacted": True} if spec.redacted else {}
    return digest_json({"model": spec.model, "base_url": spec.base_url or "", "weights": weights, **asked})


def scripted_lm(
    answer: Callable[[str], str] | Engine,
    *,
    spec: LMSpec | None = None,
    store: CallStore | None = None,
    meter: Meter | None = None,
) -> dspy.LM:
    """A model that answers by rule, accounted for like any other; its price is zero.

    `spec` is the model it stands in for in a rehearsal: its answers are then kept under that model's name, so
    never use the same call store for both.
    """
    engine = ScriptedEngine(answer) if callable(answer) else answer
    spec = spec or LMSpec(model=SCRIPTED)
    return _routed(spec, [(spec, _guarded(spec, engine))], store, meter)


def replayed_lm(spec: LMSpec, recordings: tuple[Recording, ...]) -> dspy.LM:
    """A model that answers from a cassette of `spec`'s model, and raises CassetteMiss for anything else."""
    return _routed(spec, [(one, ReplayEngine(recordings, identity(one))) for one in spec.models], None, None)


def _reached(spec: LMSpec) -> Engine:
    if spec.model == EMBEDDED:
        return embedded_engine()
    return TimedEngine(LM15Engine(_router(spec)).complete, spec.timeout_seconds)


def _guarded(spec: LMSpec, engine: Engine) -> Engine:
    return RedactedEngine(engine, Redactor(secrets=environment_secrets())) if spec.redacted else engine


def _routed(
    spec: LMSpec, engines: Sequence[tuple[LMSpec, Engine]], store: CallStore | None, meter: Meter | None
) -> dspy.LM:
    accounted = [_accounted(one, engine, store, meter) for one, engine in engines]
    return _wrapped(spec, RoutedEngine(accounted, deadline_seconds=spec.within_seconds))


def _accounted(spec: LMSpec, engine: Engine, store: CallStore | None, meter: Meter | None) -> AccountedEngine:
    price = _FREE if spec.model in (EMBEDDED, SCRIPTED) else spec.price
    terms = Terms(
        model=spec.model,
        identity=identity(spec),
        max_tokens=spec.max_tokens,
        timeout_seconds=spec.timeout_seconds,
        price=price,
        seeded=spec.model == EMBEDDED,
    )
    pricing = _listed(spec) if price is None else _fixed(price)
    return AccountedEngine(engine, terms, pricing=pricing, store=store, meter=meter)


def _wrapped(spec: LMSpec, engine: Engine) -> dspy.LM:
    """dspy's model over an engine; dspy knows settings that some models refuse.

    Its own cache is off: its keys ignore the address and the key, so one tenant could get another's answer. So are its
    retries: ours are budgeted and set down.
    """
    with boundary(ConfigError, f"lm {spec.model!r}"):
        return dspy.LM(
            spec.model,
            engine=engine,
            cache=False,
            num_retries=0,
            temperature=spec.temperature,
            max_tokens=spec.max_tokens,
        )


def _fixed(price: Price) -> Pricing:
    def usd(_request: Request, response: Response) -> float | None:
        usage = response.usage
        if price == _FREE:
            return 0.0
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        return price.usd(usage.input_tokens, usage.output_tokens)

    return usd


def _listed(spec: LMSpec) -> Pricing:
    provider, _, name = spec.model.partition("/")

    def price(request: Request, response: Response) -> float | None:
        with boundary(LMError, f"lm {spec.model!r}: can't be priced"):
            usd, _ = estimate_cost(response, provider=provider, requested_model=name, request=request)
        return cast("float | None", usd)

    return price


def _router(spec: LMSpec) -> RouterConfig:
    # The door that this model goes through: "openai/…" takes that of chat completions, as compatible servers speak.
    door = LM15Engine(RouterConfig()).resolve(spec.model).provider
    key = os.environ.get(spec.key_env) if spec.key_env else None
    return RouterConfig(
        api_keys={door: key} if key else None,
        base_urls={door: spec.base_url} if spec.base_url else None,
        timeouts=Timeouts(read=spec.timeout_seconds, write=spec.timeout_seconds, pool=spec.timeout_seconds),
    )
