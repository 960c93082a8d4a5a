"""One seed, named streams."""

from workbench.core import integer, stream


def test_a_stream_depends_on_its_seed_and_names_alone() -> None:
    """Equal names draw equally, whatever other streams draw in between; others draw otherwise."""
    alone = stream(7, "split")
    expected = [alone.random() for _ in range(3)]
    one, other = stream(7, "split"), stream(7, "demos")
    mixed = [(one.random(), other.random()) for _ in range(3)]

    assert expected == [mine for mine, _ in mixed]
    assert set(expected).isdisjoint(theirs for _, theirs in mixed)
    assert expected[0] != stream(8, "split").random()


def test_names_are_not_joined_carelessly() -> None:
    """Neither moving a border between names nor a seed that is part of a name gives the same stream."""
    seeds = [integer(1, "ab", "c"), integer(1, "a", "bc"), integer(1, "abc"), integer(11, "abc"), integer(1, "1abc")]

    assert len(seeds) == len(set(seeds))


def test_seeds_fit_what_libraries_take() -> None:
    """63 bits, never negative, for any seed; a golden value holds it still on every machine and version.

    Source of the golden value: the first eight bytes of SHA-256 of "7", unit separator, "split", shifted by one bit.
    """
    seeds = [integer(seed, "x") for seed in (-5, 0, 1, 2**70)]

    assert all(0 <= seed < 2**63 for seed in seeds)
    assert 0x3A4E443AAFAB71E6 == integer(7, "split")


def test_streams_are_not_correlated() -> None:
    """Neighbouring seeds: the mean product of their centred draws is as small as chance makes it."""
    first, second = stream(1, "x"), stream(2, "x")
    product = sum((first.random() - 0.5) * (second.random() - 0.5) for _ in range(4000)) / 4000

    assert abs(product) < 0.006  # 4.5 standard errors of 1/12/sqrt(4000)
