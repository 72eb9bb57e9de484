"""What machines look like on pages: a photo where a manager has shown one, else the drawing of their kind."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from sqlalchemy.orm import Session

from devices.models import Device
from devices.photos import MEDIA_TYPE, photo_content, photos_of_devices
from lab.core.http import DatabaseDep
from lab.people.endpoints import PrincipalDep
from lab.web.rendering import STATIC, static_address

router = APIRouter()

_VERSION_LETTERS = 12


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a machine."""

    small: str
    """Address of a square one, for lists."""
    large: str
    """Address of one for the machine's own page."""
    alt_text: str = ""
    """Of a photo; a drawing shows nothing that is not said beside it."""

    @property
    def is_photo(self) -> bool:
        """Whether somebody has photographed this very machine."""
        return bool(self.alt_text)


def pictures_of(session: Session, devices: Iterable[Device]) -> dict[str, Picture]:
    """Id of each device → its picture; one query."""
    photos = photos_of_devices(session)
    found = {}
    for device in devices:
        if (photo := photos.get(device.id)) is not None:
            address = f"/devices/{device.id}/photo?v={photo.sha256[:_VERSION_LETTERS]}"
            found[device.id] = Picture(f"{address}&small=yes", address, photo.alt_text)
        else:
            drawing = static_address(_drawing_of(device.kind))
            found[device.id] = Picture(drawing, drawing)
    return found


@router.get("/devices/{device_id}/photo")
def show_photo(
    device_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    small: Annotated[str, Query(max_length=10)] = "",
    v: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """The photo, for everybody who is signed in, as the machine itself; named by its content it may be kept."""
    with database.read() as session:
        content = photo_content(session, device_id, small=small == "yes")
    caching = "private, max-age=31536000, immutable" if v else "no-store"
    return Response(content, media_type=MEDIA_TYPE, headers={"Cache-Control": caching})


def _drawing_of(kind: str) -> str:
    """The drawing for a kind of machine; an unknown kind has the general one."""
    name = f"machines/{kind}.svg"
    return name if "/" not in kind and (STATIC / name).exists() else "machines/machine.svg"
