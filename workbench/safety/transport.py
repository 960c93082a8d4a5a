"""Where a secret may be sent."""

_OWN = frozenset({"localhost", "127.0.0.1", "::1"})


def is_protected(scheme: str, host: str | None) -> bool:
    """Whether nobody on the way reads what is sent to a web address: it is encrypted, or stays on this machine.

    >>> is_protected("https", "db.test"), is_protected("http", "localhost"), is_protected("http", "db.test")
    (True, True, False)
    """
    return scheme == "https" or host in _OWN
