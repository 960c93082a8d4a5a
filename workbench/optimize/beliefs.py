"""What is believed of a model before it is asked: tokens of its prompts, length of its answers, seconds, prices."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.agents import examples
from workbench.core import integer
from workbench.lms import EMBEDDED, LMSpec, Price
from workbench.optimize.loop import Setting
from workbench.optimize.ways import DRAWS, Ways
from workbench.optimize.weighing import price_of

Floats = NDArray[np.float64]

TOKENS_A_BYTE = (0.28, 0.25)
"""Median and spread of the tokens in a byte of a prompt. Spreads are standard deviations of logarithms: 0.25 is a
factor of 0.66 to 1.5 in nine cases of ten, here 2.4 to 5.4 bytes a token. OpenAI's rule of thumb for English is 4
characters a token (help.openai.com, "What are tokens and how to count them?"); JSON takes more."""
LENGTH = 0.6
"""Spread of how long a model's answers are against those that are right. An assumption."""
EMBEDDED_TOKENS_A_SECOND = (420.0, 70.0)
"""Of prompt and answer, for the embedded model: measured alone on two cores."""
EMBEDDED_PACE = (1.2, 0.6)
"""Median and spread of the embedded model's seconds against those rates: machines that are slower or do other things,
and prompts whose prefix is warm."""
HOSTED_WAIT_SECONDS = (1.5, 0.9)
HOSTED_SECONDS_A_TOKEN = (0.025, 0.7)
"""Medians and spreads of a hosted model's seconds before its answer and for each token of it. An assumption: 0.3 to
6.6 s and 13 to 126 tokens a second."""
PROPOSAL_BYTES = (4_000.0, 0.8)
"""Median and spread of the prompt of a call that proposes an instruction. An assumption."""
PROPOSAL_SHARE = (0.4, 0.5)
"""Median and spread of the share of its token limit that a proposal takes. An assumption."""
LAST = 0.4
"""Spread of what a single call takes, among those of one search. An assumption."""
SEEN_BEFORE = 0.15
"""Spread that remains where the workspace holds calls of the same model: they asked for something else."""


@dataclass(frozen=True)
class Past:
    """Calls of the same model that a workspace holds already, as they were paid."""

    prompts: Sequence[tuple[int, int]] = ()
    """Bytes and tokens of prompts that were asked and can be written again."""
    completions: Sequence[int] = ()
    """Tokens of its answers."""
    seconds: Sequence[float] = ()


@dataclass(frozen=True)
class Beliefs:
    """What each draw takes a model to be like; every array has an entry for each draw."""

    lm: LMSpec
    tokens_a_byte: Floats
    completion: Floats
    """Tokens of an answer."""
    seconds: Floats | None
    """Of a call; None if they follow from its tokens."""
    pace: Floats
    """By how much the embedded model is slower than where it was measured."""
    hosted: tuple[Floats, Floats]
    """Seconds before a hosted model's answer, and for each token of it."""
    proposal: tuple[Floats, Floats]
    """Tokens of prompt and answer of a proposal."""
    price: Price | None
    proposal_price: Price | None
    unspent: Floats
    """In (0, 1): which share of the last call's cost still fitted before the budget refused the next."""
    scatter: Floats
    """Standard normal: how long prompts are of which the probes say little."""
    variety: Floats
    """Standard normal: how long those are that are left of a part."""

    @property
    def priced(self) -> bool:
        """True if every call's price is known."""
        return self.price is not None and self.proposal_price is not None

    def amounts(self, ways: Ways) -> dict[str, Floats]:
        """Calls, tokens, seconds and US dollars of each part in each draw, if no budget ends it."""
        prompts = ways.prompt_bytes * self.tokens_a_byte * np.exp(ways.vagueness * self.scatter)
        answers = ways.calls * np.minimum(self.completion, self.lm.max_tokens)
        proposed = self.proposed(ways)
        return {
            "calls": ways.calls + ways.proposals,
            "tokens": prompts + answers + proposed["tokens"],
            "seconds": self._seconds(ways, prompts, answers) + proposed["seconds"],
            "usd": _usd(self.price, prompts, answers) + proposed["usd"],
        }

    def proposed(self, ways: Ways) -> dict[str, Floats]:
        """Which of these amounts are those of the model that writes instructions."""
        asked, said = (ways.proposals * tokens for tokens in self.proposal)
        return {
            "calls": ways.proposals,
            "tokens": asked + said,
            "seconds": self._waited(ways.proposals, said),
            "usd": _usd(self.proposal_price, asked, said),
        }

    def margin(self, kind: str, ways: Ways, left: Mapping[str, Floats]) -> Floats:
        """What a limit leaves unspent: the next call is refused if the most that it may cost does not fit."""
        each = left[kind].sum(axis=0) / np.maximum(1.0, left["calls"].sum(axis=0))
        if kind == "calls":
            return np.zeros(DRAWS)
        size = ways.prompt_bytes.sum(axis=0) / np.maximum(1.0, ways.calls.sum(axis=0))
        tokens: Floats = size * np.exp(LAST * self.scatter) + ways.reserved
        if ways.proposals.any():  # as likely as not it is a proposal that does not fit: those are long
            proposal = self.proposal[0] / self.tokens_a_byte + self.proposal[1]
            tokens = np.where(self.variety > 0, np.maximum(tokens, proposal), tokens)
        if kind == "tokens":
            most = tokens
        elif kind == "seconds":
            most = np.full(DRAWS, self.lm.timeout_seconds)
        elif self.listed:
            most = np.full(DRAWS, math.inf)  # a budget in dollars refuses a model whose price nobody wrote down
        else:
            most = _usd(self.price, tokens - self.lm.max_tokens, np.full(DRAWS, float(self.lm.max_tokens)))
        unspent: Floats = np.maximum(0.0, most - self.unspent * each * np.exp(LAST * self.variety))
        return unspent

    @property
    def listed(self) -> bool:
        """True if the price comes from a list of prices: a budget then can't tell the most that a call may cost."""
        return self.lm.price is None and self.price != Price(prompt_usd=0, completion_usd=0, date="")

    def _seconds(self, ways: Ways, prompts: Floats, answers: Floats) -> Floats:
        if self.seconds is not None:
            found: Floats = ways.calls * self.seconds
            return found
        if self.lm.model != EMBEDDED:
            return self._waited(ways.calls, answers)
        read, write = EMBEDDED_TOKENS_A_SECOND
        paced: Floats = (prompts / read + answers / write) * self.pace
        return paced

    def _waited(self, calls: Floats, tokens: Floats) -> Floats:
        before, each = self.hosted
        found: Floats = calls * before + tokens * each
        return found


def believe(setting: Setting, past: Past) -> Beliefs:
    """What is believed of the setting's models, from past calls where there are any."""
    lm, proposer = setting.start.lm, setting.proposer or setting.start.lm
    drawn = np.random.default_rng(integer(setting.task.seed, "beliefs"))

    def around(centre: float, spread: float) -> Floats:
        found: Floats = centre * np.exp(spread * drawn.standard_normal(DRAWS))
        return found

    rate = _rate(past)
    expected = rate[0] * _solved_bytes(setting)
    completion = _seen(past.completions) or (expected, LENGTH)
    seconds = _seen(past.seconds)
    return Beliefs(
        lm=lm,
        tokens_a_byte=around(*rate),
        completion=around(*completion),
        seconds=None if seconds is None else around(*seconds),
        pace=around(*EMBEDDED_PACE),
        hosted=(around(*HOSTED_WAIT_SECONDS), around(*HOSTED_SECONDS_A_TOKEN)),
        proposal=(
            around(PROPOSAL_BYTES[0] * TOKENS_A_BYTE[0], PROPOSAL_BYTES[1]),
            np.minimum(around(PROPOSAL_SHARE[0] * proposer.max_tokens, PROPOSAL_SHARE[1]), proposer.max_tokens),
        ),
        price=price_of(lm),
        proposal_price=price_of(proposer),
        unspent=drawn.random(DRAWS),
        scatter=drawn.standard_normal(DRAWS),
        variety=drawn.standard_normal(DRAWS),
    )


def _rate(past: Past) -> tuple[float, float]:
    """Tokens in a byte: from prompts whose tokens are known, or the rule of thumb."""
    size = sum(prompt for prompt, _ in past.prompts)
    tokens = sum(counted for _, counted in past.prompts)
    return (tokens / size, SEEN_BEFORE / 2) if size and tokens else TOKENS_A_BYTE


def _seen(values: Sequence[float]) -> tuple[float, float] | None:
    """Median and spread of what further calls will take on average; None if there were none."""
    if not values or not sum(values):
        return None
    mean, error = float(np.mean(values)), float(np.std(values)) / math.sqrt(len(values))
    return mean, math.hypot(SEEN_BEFORE, error / mean)


def _solved_bytes(setting: Setting) -> float:
    """How long the right answers of the training cases are, on average."""
    solved = [example.toDict() for example in examples(setting.task.train)]
    texts = [str(one.get("arguments", one.get("answer", ""))) for one in solved]
    return float(np.mean([len(text.encode()) for text in texts])) if texts else float(len(json.dumps("an answer")))


def _usd(price: Price | None, prompts: Floats, answers: Floats) -> Floats:
    if price is None:
        return np.zeros_like(prompts)
    found: Floats = (prompts * price.prompt_usd + answers * price.completion_usd) / 1e6
    return found
