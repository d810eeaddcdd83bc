"""Seeds as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from common.seeds import LARGEST, format_seeds, parse_seeds


@pytest.mark.parametrize(
    ("text", "n", "seeds"),
    [
        ("0-99", None, list(range(100))),
        ("0,1,2", None, [0, 1, 2]),
        ("0-4,10", None, [0, 1, 2, 3, 4, 10]),
        (" 3 , 1 - 2 ", None, [3, 1, 2]),
        ("7", None, [7]),
        ("7", 3, [7, 8, 9]),
        ("0", 100, list(range(100))),
        ("0-99", 5, [0, 1, 2, 3, 4]),
        ("5-5", None, [5]),
        ("007", None, [7]),
        (str(LARGEST), None, [LARGEST]),
    ],
)
def test_accepted_forms(text: str, n: int | None, seeds: list[int]) -> None:
    assert parse_seeds(text, n) == seeds


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ",", "5-3", "1,,2", "abc", "1,abc", "-1", "1-", "-", "1-2-3", "1.5", "0x10", "1 2", "1;2", "0-1,1",
        "3,3", "0-99999999999", str(LARGEST + 1), f"0,{LARGEST + 1}", "9" * 5000, "0-" + "9" * 5000, "٣", "1e3",
    ],
    ids=lambda text: ascii(text[:20]),
)  # fmt: skip
def test_anything_else_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(UserError, match="accepted forms: a range 0-99, a list 0,1,2"):
        parse_seeds(text)


@pytest.mark.parametrize(("text", "n"), [("0", 0), ("0-9", -1), ("0-9", 11), ("1,2", 3), ("0", 10**12)])
def test_episodes_that_the_seeds_do_not_give(text: str, n: int) -> None:
    with pytest.raises(UserError, match=f"--n-episodes {n}"):
        parse_seeds(text, n)


def test_a_number_near_the_largest_leaves_no_room_for_more() -> None:
    assert parse_seeds(str(LARGEST - 1), 2) == [LARGEST - 1, LARGEST]
    with pytest.raises(UserError, match="largest seed"):
        parse_seeds(str(LARGEST), 2)


@settings(deadline=None)
@given(st.lists(st.integers(0, LARGEST), min_size=1, max_size=30, unique=True))
def test_round_trip_of_any_seeds_in_any_order(seeds: list[int]) -> None:
    assert parse_seeds(format_seeds(seeds)) == seeds


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 200))
def test_consecutive_seeds_are_written_as_one_range(first: int, n: int) -> None:
    text = format_seeds(list(range(first, first + n)))
    assert text == f"{first}-{first + n - 1}"
    assert len(parse_seeds(text)) == n


@settings(deadline=None)
@given(st.text(alphabet="0123456789-, x", max_size=12))
def test_any_text_gives_seeds_or_a_users_mistake(text: str) -> None:
    try:
        seeds = parse_seeds(text)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert seeds and len(set(seeds)) == len(seeds) and all(0 <= seed <= LARGEST for seed in seeds)
