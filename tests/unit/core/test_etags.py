"""`If-Match`: which version a change was decided on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.etags import NO_VERSION, SeveralVersionsError, entity_tag, version_of


@given(st.integers(min_value=0, max_value=999_999_999))
def test_a_tag_that_was_given_names_its_version(version: int) -> None:
    assert version_of(entity_tag(version)) == version


@pytest.mark.parametrize("header", [None, "*", " * "])
def test_without_a_tag_any_version_will_do(header: str | None) -> None:
    assert version_of(header) is None


@pytest.mark.parametrize("header", [' "3" ', '"3", "3"', '"3" , "other"', 'W/"4", "3"'])
def test_one_version_among_other_tags_is_found(header: str) -> None:
    assert version_of(header) == 3


@pytest.mark.parametrize(
    "header", ["", "3", '"', '"3', '3"', '""', '"x"', 'W/"3"', '"-3"', '"1234567890"', '"3" "3"', '"3",', '"²"', "ÿ"]
)
def test_a_tag_that_nothing_ever_had_matches_nothing(header: str) -> None:
    assert version_of(header) == NO_VERSION


def test_two_versions_at_once_are_refused_by_name() -> None:
    with pytest.raises(SeveralVersionsError) as refused:
        version_of('"3", "4"')
    assert (refused.value.facts["field"], refused.value.facts["rule"]) == ("If-Match", "one-version")
