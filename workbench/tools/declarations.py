"""Tools that a person declared in Python, or agreed to in a file, found by the place that they name."""

import importlib
import sys
from pathlib import Path

from workbench.core import boundary, nearest
from workbench.tools.errors import ToolError
from workbench.tools.tool import Tool
from workbench.tools.tool_file import imported


def read_tools(place: str, folder: Path) -> tuple[Tool, ...]:
    """The tools that stand at "module:name" as a list or tuple, or those of a YAML file that names somebody's server.

    A module's code is run to find them; it is looked for in `folder` first, then among what is installed.

    Raises: ToolError if the place is not one, its module can't be imported, or what stands there are no tools.
    """
    if Path(place).suffix in {".yaml", ".yml"}:
        return imported(folder / place)
    module, _, name = place.partition(":")
    if not module or not name.isidentifier():
        raise ToolError(f"tools {place!r}: are not a place; write module:name, such as shop:TOOLS, or a YAML file")
    found = _import(module, place, folder)
    if name not in found:
        listed = [key for key, value in found.items() if _listed(value)]
        hint = nearest(name, listed) if listed else "write a list of what declare(...) returns"
        raise ToolError(f"tools {place!r}: module {module!r} has no {name!r}; {hint}")
    tools = _listed(found[name])
    if not tools:
        raise ToolError(f"tools {place!r}: are not a list of tools; write a list of what declare(...) returns")
    names = [tool.spec.name for tool in tools]
    double = next((one for one in names if names.count(one) > 1), None)
    if double is not None:
        raise ToolError(f"tool {double!r} ({place}): is declared twice; a gate knows tools by their names")
    return tools


def find_tool(name: str, tools: tuple[Tool, ...], whose: str) -> Tool:
    """The tool of that name. Raises: ToolError that says whose call it was, and the nearest name."""
    known = {tool.spec.name: tool for tool in tools}
    if name not in known:
        raise ToolError(f"{whose}: tool {name!r} is not declared; {nearest(name, known)}")
    return known[name]


def _import(module: str, place: str, folder: Path) -> dict[str, object]:
    """What a module holds. The folder is on Python's path only meanwhile."""
    here = str(folder.resolve())
    sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        with boundary(ToolError, f"tools {place!r} ({here}): module {module!r} can't be imported"):
            return vars(importlib.import_module(module))
    finally:
        sys.path.remove(here)


def _listed(value: object) -> tuple[Tool, ...]:
    """The value as tools; none if it is anything but a list or tuple of them."""
    if not isinstance(value, list | tuple):
        return ()
    tools = tuple(one for one in value if isinstance(one, Tool))
    return tools if len(tools) == len(value) else ()
