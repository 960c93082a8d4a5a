"""`python -m workbench` is `workbench`."""

from workbench.cli.main import app

app(prog_name="workbench")
