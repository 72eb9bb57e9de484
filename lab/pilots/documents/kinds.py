"""What a file is, told from its content and never from its name; and a name that every system can keep. Pure."""

import csv
import io
import unicodedata
import warnings
from pathlib import PurePosixPath

from lab.core.pictures import DAMAGED, MOST_PIXELS
from lab.pilots.documents.errors import DocumentKindError

ENDINGS = {"pdf": ".pdf", "png": ".png", "jpeg": ".jpg", "csv": ".csv", "text": ".txt"}
"""Kind → how names of its files end."""
MEDIA_TYPES = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "csv": "text/csv; charset=utf-8",
    "text": "text/plain; charset=utf-8",
}
PHOTOS = frozenset({"png", "jpeg"})
LONGEST_NAME = 120

_OTHER_ENDINGS = {"jpeg": {".jpg", ".jpeg", ".jpe"}, "text": {".txt", ".md", ".log"}}
_FORBIDDEN = dict.fromkeys(map(ord, '<>:"|?*'), "_")
_DEVICE_NAMES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
_ROWS_LOOKED_AT = 20


def kind_of(content: bytes) -> str:
    """The kind of a file, one of `ENDINGS`.

    Raises:
        DocumentKindError: if it is none of them, or a photo that cannot be shown.
    """
    if content.startswith(b"%PDF-"):
        return "pdf"
    for kind, begin in (("png", b"\x89PNG\r\n\x1a\n"), ("jpeg", b"\xff\xd8\xff")):
        if content.startswith(begin):
            _look_at(content, kind)
            return kind
    text = _as_text(content)
    if text is None:
        raise DocumentKindError(
            "this file is of no kind that is kept here; PDF, PNG, JPEG, CSV and plain text (UTF-8) are",
            field="file", rule="known-kind",
        )  # fmt: skip
    return "csv" if _is_table(text) else "text"


def safe_name(given: str, kind: str) -> str:
    """What a document is called here: the last part of what was given, without what hurts, ending as its kind does.

    Args:
        given: as the browser or program says it; may be anything.
        kind: of the content.
    """
    last = given.replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(letter for letter in last.translate(_FORBIDDEN) if unicodedata.category(letter)[0] != "C")
    name = " ".join(unicodedata.normalize("NFC", plain).split()).strip(". ")
    ending = PurePosixPath(name).suffix
    if ending.lower() in _OTHER_ENDINGS.get(kind, {ENDINGS[kind]}):
        name = name[: -len(ending)].rstrip(". ")
    else:
        ending = ENDINGS[kind]
    name = name[: LONGEST_NAME - len(ending)].rstrip(". ") or "document"
    return f"{'_' if name.lower() in _DEVICE_NAMES else ''}{name}{ending}"


def _look_at(content: bytes, kind: str) -> None:
    """Open a photo wholly, so that none is kept that no report could show."""
    from PIL import Image  # 10 MB of code that only photos need

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd photos; whether one can be shown is all that counts
            with Image.open(io.BytesIO(content), formats=[kind.upper()]) as photo:
                if photo.width * photo.height > MOST_PIXELS:
                    raise _too_many_pixels()
                photo.load()
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    except DAMAGED as error:
        raise DocumentKindError(
            "this photo cannot be read, it seems to be damaged", field="file", rule="readable-photo"
        ) from error


def _too_many_pixels() -> DocumentKindError:
    return DocumentKindError(
        f"this photo has more than {MOST_PIXELS // 1_000_000} million pixels, the most that is taken",
        field="file", rule="readable-photo",
    )  # fmt: skip


def _as_text(content: bytes) -> str | None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if any((letter < " " and letter not in "\t\n\r\f") or letter == "\x7f" for letter in text) else text


def _is_table(text: str) -> bool:
    """Whether the first lines have all the same number of columns, two at least."""
    lines = [line for line in text.splitlines() if line.strip()][:_ROWS_LOOKED_AT]
    for delimiter in (",", ";", "\t"):
        try:
            widths = {len(row) for row in csv.reader(lines, delimiter=delimiter)}
        except csv.Error:
            continue
        if len(lines) > 1 and len(widths) == 1 and widths.pop() > 1:
            return True
    return False
