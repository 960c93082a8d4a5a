"""The desk's tools, for `workbench tools` and `workbench policy`: over the shop as the example left it."""

from pathlib import Path

from experiments.support_desk.shop import Shop

TOOLS = Shop(Path("mlruns/support_desk/shop.json")).tools
