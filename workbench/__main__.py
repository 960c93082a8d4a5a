"""`python -m workbench` is `workbench`."""

from workbench.cli.main import app

if __name__ == "__main__":
    app(prog_name="workbench")
