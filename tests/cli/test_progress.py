"""Progress: a line for each stage, also where there is no terminal."""

import io
import re

from rich.console import Console

from workbench.cli.progress import Terminal


def told(*, terminal: bool) -> tuple[Terminal, io.StringIO]:
    text = io.StringIO()
    return Terminal(Console(file=text, force_terminal=terminal, highlight=False, soft_wrap=True)), text


def test_plain_lines_without_a_terminal():
    """Each stage ends with a line: what it was, how it ended, how much of it, how long."""
    progress, text = told(terminal=False)
    with progress:
        progress.stage("index", skipped=True)
        progress.stage("baseline", skipped=False)
        progress.advance(3, 16)
        progress.note("a word")
        progress.advance(16, 16)
        progress.stage("gate", skipped=False)
    lines = [re.sub(r"[\d.]+ s$", "0 s", line.rstrip()) for line in text.getvalue().splitlines()]

    assert [
        "start      done, 0 s",
        "index      skipped, nothing that goes into it has changed",
        "           a word",
        "baseline   done, 16 of 16, 0 s",
        "gate       done, 0 s",
    ] == lines


def test_an_interrupted_stage_says_so():
    """The stage at work when it was stopped does not look done."""
    progress, text = told(terminal=False)
    try:
        with progress:
            progress.stage("optimize", skipped=False)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass

    assert "optimize   stopped" in text.getvalue()


def test_a_terminal_gets_the_same_lines():
    """The bar goes; the lines stay."""
    progress, text = told(terminal=True)
    with progress:
        progress.stage("baseline", skipped=False)
        progress.advance(16, 16)

    assert "baseline   done, 16 of 16" in text.getvalue()
