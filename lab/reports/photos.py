"""Photos and attachments of a report: as sealed, as results, and as a section."""

import contextlib
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.core.time import in_zone
from lab.pilots.documents.kinds import ENDINGS, MEDIA_TYPES, PHOTOS
from lab.reports.blocks import Block, Column, Paragraph, Photo, Section, Table
from lab.reports.numbers import format_number
from lab.reports.results import Attachment, Results
from lab.reports.sealed import SealedAttachment, SealedManifest
from lab.reports.words import Words
from lab.reports.writing import write_date

FOLDER = "attachments"
_LONGEST_SIDE = 1400
_JPEG_QUALITY = 82
_FORMATS = tuple(kind.upper() for kind in sorted(PHOTOS))
_PHOTO_ENDINGS = {ENDINGS[kind] for kind in PHOTOS}
_NO_LETTER = re.compile(r"[^a-z0-9]+")


def sealed_path(number: int, name: str, kind: str) -> str:
    """Where an attachment is in the data set: its number and its name in plain letters, `attachments/01-chips.jpg`."""
    plain = unicodedata.normalize("NFKD", name.rsplit(".", 1)[0].translate({ord("ł"): "l", ord("Ł"): "L"})).lower()
    slug = _NO_LETTER.sub("-", plain.encode("ascii", "ignore").decode()).strip("-")[:60].strip("-")
    return f"{FOLDER}/{number:02d}-{slug or 'attachment'}{ENDINGS[kind]}"


def sealed_content(content: bytes, kind: str) -> bytes:
    """What of a file goes into the data set.

    A photo: upright, as large as a page shows it, and without the place and the camera that it may tell of. Anything
    else: as it is.
    """
    if kind not in PHOTOS:
        return content
    from PIL import Image, ImageOps  # 10 MB of code that only photos need

    with Image.open(io.BytesIO(content), formats=[kind.upper()]) as opened:
        photo = ImageOps.exif_transpose(opened)
        photo = photo.convert("RGBA" if kind == "png" and photo.has_transparency_data else "RGB")
        photo.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
        clean = Image.frombytes(photo.mode, photo.size, photo.tobytes())  # without what else the file said
    buffer = io.BytesIO()
    how: dict[str, Any] = {"quality": _JPEG_QUALITY} if kind == "jpeg" else {"optimize": True}
    clean.save(buffer, kind.upper(), **how)
    return buffer.getvalue()


def attachments_of(sealed: Iterable[SealedAttachment], manifest: SealedManifest) -> tuple[Attachment, ...]:
    """The attachments as results, each with the size and hash that the manifest gives it."""
    files = {file.path: file for file in manifest.files}
    return tuple(
        Attachment(**one.model_dump(), bytes=files[one.path].bytes, sha256=files[one.path].sha256) for one in sealed
    )


def photos_of(results: Results, folder: Path) -> dict[str, bytes]:
    """Path → content of the photos of a report, from the folder of its data set or package."""
    return {one.path: (folder / one.path).read_bytes() for one in results.attachments if one.kind in PHOTOS}


def sizes_of_photos(folder: Path) -> dict[str, tuple[int, int]]:
    """Path → width and height in pixels of the photos that are in a report's folder now; none that cannot be read."""
    found = {}
    for path in sorted((folder / FOLDER).glob("*")):
        if path.suffix in _PHOTO_ENDINGS:
            from PIL import Image

            with contextlib.suppress(OSError), Image.open(path, formats=_FORMATS) as photo:
                found[path.relative_to(folder).as_posix()] = photo.size
    return found


def photo_named(attachments: Iterable[Mapping[str, Any]], name: str) -> tuple[str, str] | None:
    """Path and media type of the photo that has this name in a report, if it shows one.

    Args:
        attachments: those of its results, as JSON.
        name: of the file, without its folder.
    """
    for one in attachments:
        if one["path"] == f"{FOLDER}/{name}" and one["kind"] in PHOTOS:
            return one["path"], MEDIA_TYPES[one["kind"]]
    return None


def annex_attachments(results: Results, words: Words) -> Section:
    """The photos one by one, then everything in one list."""
    blocks: list[Block] = [Paragraph(words["attachments_intro"])]
    blocks += [_photo(one) for one in results.attachments if one.kind in PHOTOS]
    blocks.append(_list(results.attachments, results.identification.time_zone, words))
    return Section("annex-attachments", words["annex_attachments"], tuple(blocks))


def _photo(one: Attachment) -> Photo:
    return Photo(one.path, one.caption, one.alt_text or one.caption)


def _list(attachments: Sequence[Attachment], zone: str, words: Words) -> Table:
    columns = (
        Column(words["col_file"], share=1.4),
        Column(words["col_shows"], share=2),
        Column(words["col_added"], share=1.2),
        Column(words["col_bytes"], align="right"),
    )
    rows = tuple(
        (
            one.path.removeprefix(f"{FOLDER}/"),
            one.caption,
            f"{write_date(in_zone(one.added_at, zone))}, {one.added_by}",
            format_number(one.bytes, decimals=0),
        )
        for one in attachments
    )
    return Table(words["attachments"], columns, rows, small=True)
