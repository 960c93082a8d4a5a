"""The desk: takes a request, has the agent answer it in a thread of its own, and keeps what came of it."""

import asyncio
import logging
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor

from workbench.core import AgentError, BudgetExceeded, LMError, WorkbenchError, boundary, digest_json
from workbench.lms import scope
from workbench.packaging import LoadedPackage, RunResult, RunView, to_result
from workbench.retrieval import View
from workbench.safety import redact
from workbench.serving.callers import Caller, view_of
from workbench.serving.metrics import Metrics
from workbench.serving.problems import Refused
from workbench.serving.runs import RunStore

_LOG = logging.getLogger("workbench.serving")


class Desk:
    """Runs of one package. The event loop only waits: agents and disk work in threads."""

    def __init__(self, package: LoadedPackage, store: RunStore) -> None:
        self.package = package
        self.store = store
        self.metrics = Metrics()
        limits = package.limits
        self._most = limits.most_runs_at_once + limits.most_runs_waiting
        self._threads = ThreadPoolExecutor(limits.most_runs_at_once, thread_name_prefix="run")

    def close(self) -> None:
        """End the runs that are worked on, drop those that wait, and close the store."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.store.close()

    async def run(self, request: str, *, key: str | None, trace_id: str, caller: Caller | None) -> tuple[RunView, bool]:
        """The run that answers a caller's request, ended; and whether it is new. A `key` is the caller's own.

        A run that outlives the deadline goes on, and can be read later.
        Raises: Refused.
        """
        if missing := self.package.missing():
            raise Refused("not_ready", reasons=missing)
        if self.metrics.open() >= self._most:
            raise Refused("busy")
        begun, seen = self._new(trace_id), view_of(caller)
        # What a caller may read is part of what is asked: who lost a group is not given an answer of before by a key.
        body = digest_json({"request": request, "view": seen.digest})
        self.metrics.begin()
        try:
            view = await asyncio.to_thread(self.store.begin, begun, key=key, body=body, owner=_owner(caller))
        except BaseException:
            self.metrics.release()
            raise
        if view.run_id != begun.run_id:
            self.metrics.release()
            if view.status == "running":
                raise Refused("run_in_progress", run_id=view.run_id)
            return view, False
        future = self._threads.submit(self._work, view, request, seen)
        return await self._wait(future, view), True

    async def find(self, run_id: str, caller: Caller | None) -> RunView:
        """The caller's run of that id.

        Raises: Refused if there is none; another's is none.
        """
        view = await asyncio.to_thread(self.store.find, run_id, _owner(caller))
        if view is None:
            raise Refused("not_found")
        return view

    def _new(self, trace_id: str) -> RunView:
        package = self.package.info.package_digest
        return RunView(run_id=uuid.uuid4().hex, status="running", package=package, trace_id=trace_id)

    async def _wait(self, future: "Future[RunView]", view: RunView) -> RunView:
        waiting = asyncio.shield(asyncio.wrap_future(future))
        try:
            ended = await asyncio.wait_for(waiting, self.package.deadline_seconds)
        except TimeoutError as cause:
            raise Refused("deadline_exceeded", run_id=view.run_id) from cause
        if ended.problem is not None:
            raise Refused(ended.problem, run_id=ended.run_id)
        return ended

    def _work(self, view: RunView, request: str, seen: View) -> RunView:
        started = time.perf_counter()
        with scope(run=view.run_id) as tally:
            result, code = self._answer(view, request, seen)
        ended = view.model_copy(
            update={
                "status": "succeeded" if result is not None else "failed",
                "result": result,
                "problem": code or None,
                "usage": tally.usage(),
            }
        )
        try:
            self.store.finish(ended)
        finally:
            outcome = code if result is None else result.outcome
            self.metrics.end(outcome, time.perf_counter() - started, ended.usage)
        return ended

    def _answer(self, view: RunView, request: str, seen: View) -> tuple[RunResult | None, str]:
        """The result and no code, or none and the code of the problem."""
        try:
            with boundary(AgentError, "agent"):
                return to_result(self.package.answer(request, seen), shown=self.package.agent.spec.k), ""
        except WorkbenchError as error:
            # The log is for whoever runs the server; the caller gets a code.
            _LOG.error("trace %s run %s: %s", view.trace_id, view.run_id, redact(str(error)))
            return None, "model_unavailable" if isinstance(error, LMError | BudgetExceeded) else "internal"


def _owner(caller: Caller | None) -> str:
    """Whose runs a caller's are; empty where nobody is known."""
    return "" if caller is None else caller.principal
