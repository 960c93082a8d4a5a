"""Child processes: how one of ours ends."""

import subprocess


def end_process(process: "subprocess.Popen[bytes]", *, seconds: float) -> None:
    """Ask a child to end, wait so long, then kill it; it is gone when this returns.

    >>> import sys
    >>> child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    >>> end_process(child, seconds=5)
    >>> child.returncode != 0
    True
    """
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
