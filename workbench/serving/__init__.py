"""Serving: a package's agent behind HTTP, by the runtime alone.

One function to call: `serve(folder)`; `create_app(load_package(folder), runs_db=path)` gives the application
itself. `answer_without_lab` proves from a fresh process that a package needs nothing of the lab.

    POST /v1/runs   GET /v1/runs/{id}   GET /v1/package   GET /livez /readyz /metrics /openapi.json

Why bodies are parsed here and not by the framework: NaN, a key that stands twice, half of a surrogate pair or
a thousand brackets make a server fail that trusts its parser. Why agents run in threads of their own: a model
call takes seconds, and a server that can't say that it lives is restarted. Why an error is a code: what went
wrong inside is for the log; a caller needs something stable to act on.
"""

from workbench.serving.app import create_app, view_package
from workbench.serving.callers import Callers, add_caller
from workbench.serving.isolated import LAB, answer_without_lab
from workbench.serving.server import Access, serve

__all__ = ["LAB", "Access", "Callers", "add_caller", "answer_without_lab", "create_app", "serve", "view_package"]
