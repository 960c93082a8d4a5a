"""The application: a package's agent behind HTTP."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from workbench.packaging import LoadedPackage, PackageInfo, PackageView, require_pass
from workbench.serving.bodies import read_request
from workbench.serving.callers import Caller, Callers
from workbench.serving.desk import Desk
from workbench.serving.problems import Refused, respond, respond_http, trace_id
from workbench.serving.runs import RunStore

_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_BODY_SECONDS = 10.0
"""Longest a body may take to arrive."""


def create_app(package: LoadedPackage, *, runs_db: Path, callers: Callers | None = None) -> FastAPI:
    """A server of one package; its runs are kept in `runs_db`.

    Answers rest on what the caller may read, by the key in the header Authorization. Without `callers` nobody is known,
    and each answer rests on what everyone may read.

    Raises: GateNotPassed if the package has neither a passing verdict nor an override; PackageError if the run store
    can't be opened.
    """
    info = package.info
    require_pass(info.name, info.verdict, info.override, agent_digest=package.agent.digest)
    desk = Desk(package, RunStore(runs_db))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(desk.close)

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan, redirect_slashes=False)
    _add_runs(app, desk, callers)
    _add_health(app, desk)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _internal)
    return app


def view_package(info: PackageInfo) -> PackageView:
    """What a server says of its package; an override is never left out."""
    return PackageView(
        name=info.name,
        version=info.version,
        package_digest=info.package_digest,
        agent_digest=info.verdict.agent_digest,
        evalset_digest=info.verdict.evalset_digest,
        verdict=info.verdict.status,
        verdict_digest=info.verdict.digest,
        override=info.override,
        model=info.model,
    )


def _add_runs(app: FastAPI, desk: Desk, callers: Callers | None) -> None:
    def asking(request: Request) -> Caller | None:
        return None if callers is None else callers.recognise(request.headers.get("authorization"))

    @app.post("/v1/runs")
    async def create_run(request: Request) -> Response:
        """Answer one request."""
        caller = asking(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused("unsupported_media_type")
        key = request.headers.get("idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            raise Refused("invalid_idempotency_key")
        text = read_request(await _body(request, desk.package.limits.most_body_bytes), desk.package.limits)
        view, new = await desk.run(text, key=key, trace_id=trace_id(request), caller=caller)
        headers = {"Location": f"/v1/runs/{view.run_id}"}
        return JSONResponse(view.model_dump(mode="json"), status_code=201 if new else 200, headers=headers)

    @app.get("/v1/runs/{run_id}")
    async def read_run(run_id: str, request: Request) -> Response:
        """A run of before, for who asked it."""
        return JSONResponse((await desk.find(run_id, asking(request))).model_dump(mode="json"))


def _add_health(app: FastAPI, desk: Desk) -> None:
    @app.get("/livez")
    async def live() -> Response:
        """The process answers."""
        return JSONResponse({"status": "live"})

    @app.get("/readyz")
    async def ready() -> Response:
        """Whether a run could be answered now. A verdict or an override is there, or there would be no server."""
        if missing := desk.package.missing():
            raise Refused("not_ready", reasons=missing)
        return JSONResponse({"status": "ready"})

    @app.get("/metrics")
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return PlainTextResponse(desk.metrics.render(), media_type="text/plain; version=0.0.4")

    @app.get("/openapi.json")
    async def openapi() -> Response:
        """The contract that the package carries."""
        return JSONResponse(desk.package.openapi)

    @app.get("/v1/package")
    async def package() -> Response:
        """What is served."""
        return JSONResponse(view_package(desk.package.info).model_dump(mode="json"))


async def _body(request: Request, most_bytes: int) -> bytes:
    """The body, never more of it than is allowed."""
    data = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                data += part
                if len(data) > most_bytes:
                    raise Refused("body_too_large")
    except (TimeoutError, ClientDisconnect) as cause:
        raise Refused("body_timeout") from cause
    return bytes(data)


async def _refused(request: Request, error: Exception) -> Response:
    return respond(request, error if isinstance(error, Refused) else Refused("internal"))


async def _http(request: Request, error: Exception) -> Response:
    return respond_http(request, error) if isinstance(error, HTTPException) else respond(request, Refused("internal"))


async def _internal(request: Request, _error: Exception) -> Response:
    return respond(request, Refused("internal"))
