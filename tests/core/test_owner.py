"""An owner is alive exactly as long as its process."""

import subprocess
import sys
from pathlib import Path

from workbench.core import Owner

CHILD = """
import sys, time
from pathlib import Path
from workbench.core import Owner
print(Owner(Path(sys.argv[1])).name, flush=True)
time.sleep(60)
"""


def test_an_owner_is_alive_until_it_is_closed(tmp_path: Path) -> None:
    """Also in the eyes of another one of the same process; a name that nobody ever had is dead."""
    one, other = Owner(tmp_path / "owners"), Owner(tmp_path / "owners")
    seen = [other.alive(one.name), one.alive(one.name), one.alive("1-none")]
    one.close()

    assert [True, True, False] == seen
    assert [False, True] == [other.alive(one.name), other.alive(other.name)]


def test_a_killed_process_is_dead_and_cleared_away(tmp_path: Path) -> None:
    """kill -9 leaves the file, and not the lock; the next owner removes it, the last one the folder."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "owners")], stdout=subprocess.PIPE)
    assert child.stdout is not None
    name = child.stdout.readline().decode().strip()
    mine = Owner(tmp_path / "owners")
    before = mine.alive(name)
    child.kill()
    child.communicate()
    left = (tmp_path / "owners" / name).exists()
    dead = not mine.alive(name)
    mine.close()
    Owner(tmp_path / "owners").close()

    assert (True, True, True) == (before, left, dead)
    assert [] == list(tmp_path.iterdir())
