"""What a wish for a slot may say."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bookings.schemas import BookingRequest

WISH: dict[str, Any] = {
    "device_ids": ["mill-1"],
    "start": "2026-11-23T09:00:00+01:00",
    "end": "2026-11-23T12:00:00+01:00",
    "title": "Feed rates",
}


def test_a_wish_is_read_with_its_offset() -> None:
    request = BookingRequest(**WISH)
    assert request.start == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert (request.pilot_id, request.organisation_id) == (None, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start", 1_795_420_800),
        ("start", "1795420800"),
        ("start", "2026-11-23"),
        ("start", "tomorrow"),
        ("start", True),
        ("start", None),
        ("end", "2026-11-23T25:00:00Z"),
        ("end", "10000-01-01T00:00:00Z"),
        ("title", ""),
        ("title", "   "),
        ("title", "a\x00b"),
        ("title", "a" * 201),
        ("device_ids", "mill-1"),
        ("device_ids", [1]),
        ("device_ids", ["mill 1"]),
        ("device_ids", ["mill-1\x00"]),
        ("device_ids", [""]),
        ("pilot_id", "' or 1=1"),
        ("organisation_id", ""),
        ("colour", "red"),
    ],
)
def test_a_wish_with_a_wrong_field_is_refused_by_the_name_of_the_field(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        BookingRequest.model_validate({**WISH, field: value})
    assert refused.value.errors()[0]["loc"][0] == field


@settings(deadline=None)
@given(st.text(max_size=30))
def test_whatever_stands_for_a_time_is_read_or_refused_but_never_fails_otherwise(text: str) -> None:
    with suppress(ValidationError):
        BookingRequest.model_validate({**WISH, "start": text})
