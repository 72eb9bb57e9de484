"""Documents and notes of a pilot, for the pages that show them."""

import hashlib
import io
from pathlib import Path

from PIL import Image, ImageDraw
from sqlalchemy.orm import Session

from lab.pilots.documents.models import PilotDocument
from lab.pilots.documents.store import folder_of
from lab.pilots.notes.schemas import NoteRequest
from lab.pilots.notes.service import write_note
from tests.factories import MONDAY_MORNING
from tests.web_client import Town


def photo(colour: str = "steelblue") -> bytes:
    """A plain one."""
    buffer = io.BytesIO()
    Image.new("RGB", (320, 200), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def machine_photo() -> bytes:
    """A box with a window, on a floor."""
    picture = Image.linear_gradient("L").resize((1200, 800)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 640, 1200, 800), "#565d66")
    draw.rounded_rectangle((240, 130, 960, 690), 30, "#e9edf1", "#27506e", 10)
    draw.rectangle((320, 220, 720, 540), "#22303c")
    draw.polygon(((480, 220), (560, 220), (540, 400), (500, 400)), "#c8d2da")
    draw.rectangle((790, 220, 890, 400), "#2f7fb5")
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def fill_drawer(session: Session, town: Town, pilot_id: str, data_dir: Path) -> None:
    """A photo that is chosen, a table that the founder may remove, a note for all and one for the staff."""
    folder = folder_of(data_dir, pilot_id)
    folder.mkdir(parents=True)
    for number, (name, kind, content, who) in enumerate(
        (("chips.jpg", "jpeg", photo(), "engineer"), ("wear.csv", "csv", b"tool,wear\n1,12\n", "founder")), start=1
    ):
        sha256 = hashlib.sha256(content).hexdigest()
        (folder / sha256).write_bytes(content)
        account, chosen = town.accounts[who], kind == "jpeg"
        session.add(
            PilotDocument(
                id=f"doc_{number}", pilot_id=pilot_id, name=name, kind=kind, bytes=len(content), sha256=sha256,
                caption=f"About {name}", alt_text="Blue chips" if chosen else None, in_report=chosen,
                added_by=account.id, added_by_name=account.name, added_at=MONDAY_MORNING, sealed_version=None,
                removed_at=None, removed_by=None, removed_by_name=None, removal_reason=None,
            )
        )  # fmt: skip
    session.flush()
    for who, text, alone in (("founder", "We bring the parts on Monday.", False), ("engineer", "Ask for keys.", True)):
        request = NoteRequest(text=text, staff_only=alone)
        write_note(session, town.principal(who), pilot_id, request, now=MONDAY_MORNING)
