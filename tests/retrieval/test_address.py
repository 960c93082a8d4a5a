"""A store's URL shows no secret, however that is written in it."""

import traceback

import pytest

from workbench.core import RetrievalError
from workbench.retrieval.address import Address


def test_a_url_that_is_none_is_refused_without_being_shown() -> None:
    """The cause names what is odd together with the password."""
    url = "postgresql://app:s3cr\u2100t@h/x"
    with pytest.raises(RetrievalError, match="store URL: is none") as refused:
        Address(url, {})

    assert "s3cr" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("postgresql://app:p%2fw@h/x", ("p%2fw", "p%2Fw", "p/w")),
        ("https://tok3n@h", ("tok3n",)),
        ("https://tok%3dn@h", ("tok%3dn", "tok%3Dn", "tok=n")),
        ("s3://h/x?secret_key=a%2fb", ("a%2fb", "a%2Fb", "a/b")),
    ],
)
def test_a_secret_is_hidden_as_it_is_written_and_as_it_is_meant(url: str, written: tuple[str, ...]) -> None:
    """In what is shown of the URL and in what a driver says; a file does not keep it."""
    address = Address(url, {})

    assert [one for one in written if one in address.shown or one in repr(address)] == []
    assert ["bad ***"] * len(written) == [address.scrub(f"bad {one}") for one in written]
    with pytest.raises(RetrievalError, match="holds a secret"):
        _ = address.kept


def test_a_name_that_lets_nobody_in_stays() -> None:
    """It helps whoever reads the message."""
    address = Address("postgresql://app@h/x", {})

    assert "postgresql://app@h/x" == address.shown == address.kept
