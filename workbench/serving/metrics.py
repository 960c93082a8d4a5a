"""Counters of a server, in the text format that Prometheus reads."""

import threading
from collections import Counter

from workbench.core import Usage

BUCKETS_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the latency buckets."""

_HELP = {
    "workbench_runs_total": ("counter", "Runs that ended, by outcome."),
    "workbench_run_seconds": ("histogram", "Time from the start of work on a run to its end."),
    "workbench_tokens_total": ("counter", "Tokens of language models, by kind."),
    "workbench_runs_open": ("gauge", "Runs that are worked on or waiting."),
}


class Metrics:
    """What a server counted since it started; safe under threads.

    Source of the format: Prometheus, exposition formats, text version 0.0.4.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter({"prompt": 0, "completion": 0})
        self._buckets: Counter[float] = Counter()
        self._seconds = 0.0
        self._open = 0

    def begin(self) -> None:
        """Count a run that begins."""
        with self._lock:
            self._open += 1

    def end(self, outcome: str, seconds: float, usage: Usage) -> None:
        """Count a run that ended; `outcome` is its result's, or the code of its problem."""
        with self._lock:
            self._open -= 1
            self._runs[outcome] += 1
            self._seconds += seconds
            self._buckets[next((bound for bound in BUCKETS_SECONDS if seconds <= bound), float("inf"))] += 1
            self._tokens["prompt"] += usage.prompt_tokens
            self._tokens["completion"] += usage.completion_tokens

    def release(self) -> None:
        """Take back a run that did not begin after all."""
        with self._lock:
            self._open -= 1

    def open(self) -> int:
        """Runs that are worked on or waiting."""
        with self._lock:
            return self._open

    def render(self) -> str:
        """The counters as text."""
        with self._lock:
            runs, tokens, buckets = sorted(self._runs.items()), sorted(self._tokens.items()), dict(self._buckets)
            seconds, still_open = self._seconds, self._open
        total = sum(buckets.values())
        lines = [
            *_heading("workbench_runs_total"),
            *(f'workbench_runs_total{{outcome="{outcome}"}} {count}' for outcome, count in runs),
            *_heading("workbench_run_seconds"),
        ]
        reached = 0
        for bound in BUCKETS_SECONDS:
            reached += buckets.get(bound, 0)
            lines.append(f'workbench_run_seconds_bucket{{le="{bound:g}"}} {reached}')
        lines += [
            f'workbench_run_seconds_bucket{{le="+Inf"}} {total}',
            f"workbench_run_seconds_sum {seconds:.6f}",
            f"workbench_run_seconds_count {total}",
            *_heading("workbench_tokens_total"),
            *(f'workbench_tokens_total{{kind="{kind}"}} {count}' for kind, count in tokens),
            *_heading("workbench_runs_open"),
            f"workbench_runs_open {still_open}",
        ]
        return "\n".join(lines) + "\n"


def _heading(name: str) -> tuple[str, str]:
    kind, text = _HELP[name]
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"
