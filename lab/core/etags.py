"""`ETag` and `If-Match`: a change says which version it was decided on (RFC 9110 §13.1.1)."""

import re
from typing import Annotated

from fastapi import Header

from lab.core.errors import InvalidError

_TAG = r'(?:W/)?"[!#-~\x80-\xff]*"'
_TAGS = re.compile(rf"{_TAG}(?:[ \t]*,[ \t]*{_TAG})*")
_STRONG_VERSION = re.compile(r'(?<!W/)"([0-9]{1,9})"')
NO_VERSION = -1
"""Matches nothing: what a tag means that no thing ever had."""

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description='ETag the decision was made on, such as `"3"`; refused with 412 if the thing has changed since',
    ),
]


class SeveralVersionsError(InvalidError):
    """An `If-Match` that names more than one version. Facts: `field`, `rule`."""


def entity_tag(version: int) -> str:
    """The `ETag` of a version."""
    return f'"{version}"'


def version_of(if_match: str | None) -> int | None:
    """The version that an `If-Match` names; None: whichever there is; `NO_VERSION`: a tag that no thing ever had.

    Raises:
        SeveralVersionsError: it leaves open which of several versions the decision was made on.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip()
    named = {int(version) for version in _STRONG_VERSION.findall(text)} if _TAGS.fullmatch(text) else set()
    if len(named) > 1:
        raise SeveralVersionsError(
            "If-Match names several versions; name the one that the decision was made on",
            field="If-Match",
            rule="one-version",
        )
    return named.pop() if named else NO_VERSION
