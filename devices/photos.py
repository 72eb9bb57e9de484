"""Photos of devices: upright, small enough for a page, and without what else the camera wrote into the file.

A photo is kept in the database, made anew from its pixels; so it is there as a whole or not at all, and every backup
of the database has it.
"""

import hashlib
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from devices.errors import PhotoUnknownError, PhotoUnreadableError, PhotoWordsMissingError
from devices.models import DevicePhoto
from devices.service import get_device
from lab.core.audit import note_change
from lab.core.database import storable
from lab.core.pictures import DAMAGED, MOST_PIXELS
from lab.people.principals import Principal

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MEDIA_TYPE = "image/jpeg"
LARGE_SIDE, SMALL_SIDE = 800, 160
"""Pixels."""
_LARGE_BYTES, _SMALL_BYTES = 60_000, 10_000
"""What a page can carry, reached by a coarser picture."""
_QUALITIES = (82, 70, 58, 46, 34, 22)


@dataclass(frozen=True, slots=True)
class PreparedPhoto:
    """A photo as it is kept, in both sizes."""

    large: bytes
    small: bytes


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What a list needs to know of a photo."""

    sha256: str
    alt_text: str


def prepare_photo(content: bytes) -> PreparedPhoto:
    """Make a photo for pages of a file; pure.

    Args:
        content: PNG or JPEG, of any size.

    Raises:
        PhotoUnreadableError: if it is neither, damaged, or too large to be looked at.
    """
    from PIL import Image, ImageOps  # 10 MB of code that only photos need

    if not content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        raise PhotoUnreadableError("this is no photo that is taken; PNG and JPEG are", field="file", rule="known-kind")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd photos; whether one can be shown is all that counts
            with Image.open(io.BytesIO(content), formats=["JPEG", "PNG"]) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise _too_many_pixels()
                opened.thumbnail((2 * LARGE_SIDE, 2 * LARGE_SIDE))  # before anything makes a copy of millions of pixels
                upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    except DAMAGED as error:
        raise PhotoUnreadableError(
            "this photo cannot be read, it seems to be damaged", field="file", rule="readable-photo"
        ) from error
    plain = Image.new("RGB", upright.size, "white")
    plain.paste(upright, mask=upright)
    small = ImageOps.fit(plain, (SMALL_SIDE, SMALL_SIDE))
    plain.thumbnail((LARGE_SIDE, LARGE_SIDE))
    return PreparedPhoto(_written(plain, _LARGE_BYTES), _written(small, _SMALL_BYTES))


def keep_photo(
    session: Session, principal: Principal, device_id: str, photo: PreparedPhoto | None, alt_text: str, *, now: datetime
) -> None:
    """Show a device by this photo, instead of one that there was.

    Args:
        session: a write session.
        principal: a manager.
        device_id: which one.
        photo: see `prepare_photo`; None: the one that there is, with other words.
        alt_text: what is to be seen, in plain words.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but a lab manager.
        DeviceUnknownError: if the lab owns none of this name.
        PhotoUnknownError: without a photo where there is none yet.
        PhotoWordsMissingError: without words for who cannot see it.
    """
    principal.require_manager("change devices")
    device = get_device(session, device_id)
    if not alt_text.strip():
        raise PhotoWordsMissingError(
            "a photo needs words for who cannot see it; say what is to be seen", field="alt_text", rule="alt-text"
        )
    row = session.get(DevicePhoto, device.id, populate_existing=True)
    before = _facts(row)
    if row is None:
        if photo is None:
            raise _unknown()
        row = DevicePhoto(device_id=device.id)
        session.add(row)
    row.alt_text, row.changed_at = alt_text.strip(), now
    if photo is not None:
        row.sha256, row.large, row.small = hashlib.sha256(photo.large).hexdigest(), photo.large, photo.small
    session.flush()
    _note(session, principal, device.id, "photo shown", now, before=before, after=_facts(row))


def remove_photo(session: Session, principal: Principal, device_id: str, *, now: datetime) -> None:
    """Show the device by no photo any more.

    Raises:
        ForbiddenError: for anybody but a lab manager.
        DeviceUnknownError, PhotoUnknownError: if there is no such thing.
    """
    principal.require_manager("change devices")
    row = _photo_of(session, get_device(session, device_id).id)
    before = _facts(row)
    session.delete(row)
    session.flush()
    _note(session, principal, device_id, "photo removed", now, before=before, after=None)


def photos_of_devices(session: Session) -> dict[str, PhotoFacts]:
    """Device id → its photo, of those that have one; the content stays in the database."""
    query = sa.select(DevicePhoto.device_id, DevicePhoto.sha256, DevicePhoto.alt_text)
    return {device_id: PhotoFacts(sha256, alt_text) for device_id, sha256, alt_text in session.execute(query)}


def photo_content(session: Session, device_id: str, *, small: bool) -> bytes:
    """The photo of a device, a JPEG, for whoever may see the device.

    Raises:
        PhotoUnknownError: if there is none.
    """
    column = DevicePhoto.small if small else DevicePhoto.large
    known = storable(device_id)
    content = session.scalar(sa.select(column).where(DevicePhoto.device_id == device_id)) if known else None
    if content is None:
        raise _unknown()
    return content


def _photo_of(session: Session, device_id: str) -> DevicePhoto:
    row = session.get(DevicePhoto, device_id, populate_existing=True)
    if row is None:
        raise _unknown()
    return row


def _unknown() -> PhotoUnknownError:
    return PhotoUnknownError("there is no photo of this machine", field="device_id", rule="known-photo")


def _too_many_pixels() -> PhotoUnreadableError:
    return PhotoUnreadableError(
        f"this photo has more than {MOST_PIXELS // 1_000_000} million pixels, the most that is taken",
        field="file", rule="readable-photo",
    )  # fmt: skip


def _written(picture: "Picture", most: int) -> bytes:
    """As fine a JPEG as fits; the coarsest where none does."""
    content = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, optimize=True)
        content = buffer.getvalue()
        if len(content) <= most:
            break
    return content


def _facts(row: DevicePhoto | None) -> Mapping[str, str] | None:
    return None if row is None else {"alt_text": row.alt_text, "sha256": row.sha256}


def _note(
    session: Session,
    who: Principal,
    device_id: str,
    what: str,
    now: datetime,
    *,
    before: Mapping[str, str] | None,
    after: Mapping[str, str] | None,
) -> None:
    note_change(session, "device", device_id, what, by=who.account_id, at=now, before=before, after=after)
