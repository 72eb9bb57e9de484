"""What a file is, told from its content, and what it is called here."""

import contextlib
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lab.pilots.documents.errors import DocumentKindError
from lab.pilots.documents.kinds import ENDINGS, LONGEST_NAME, kind_of, safe_name


def photo(form: str, size: tuple[int, int] = (8, 6)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "orange").save(buffer, form)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "pdf"),
        (photo("PNG"), "png"),
        (photo("JPEG"), "jpeg"),
        (b"time;power_kw\n1;2.5\n2;2.6\n", "csv"),
        ("\ufeffnazwa,wartość\nżelazo,3\n".encode(), "csv"),
        ("Za dużo wiórów.\nJutro wymiana noża.\n".encode(), "text"),
        (b"<html><script>alert(1)</script></html>", "text"),
    ],
)
def test_the_content_says_what_it_is(content: bytes, kind: str) -> None:
    assert kind_of(content) == kind


@pytest.mark.parametrize(
    "content",
    [
        b"MZ\x90\x00\x03",
        b"PK\x03\x04\x14\x00",
        b"GIF89a\x01\x00\x01\x00\x80\x00\x00",
        "Zażółć".encode("cp1250"),
        b"a\x00b",
        photo("PNG")[:50],
        photo("JPEG")[: len(photo("JPEG")) // 3],
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n" + b"x" * 100,
    ],
    ids=range(9),
)
def test_what_no_report_could_show_and_nobody_could_open_is_refused(content: bytes) -> None:
    with pytest.raises(DocumentKindError):
        kind_of(content)


def test_a_photo_that_takes_too_much_memory_is_refused() -> None:
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    with pytest.raises(DocumentKindError, match="60 million pixels"):
        kind_of(buffer.getvalue())


@given(st.binary(max_size=300))
def test_any_bytes_are_of_a_kind_or_refused(content: bytes) -> None:
    with contextlib.suppress(DocumentKindError):
        assert kind_of(content) in ENDINGS


@pytest.mark.parametrize(
    ("given_name", "kind", "name"),
    [
        ("photo.jpeg", "jpeg", "photo.jpeg"),
        ("C:\\Users\\anna\\zdjęcie 1.JPG", "jpeg", "zdjęcie 1.JPG"),
        ("../../etc/passwd", "text", "passwd.txt"),
        ("invoice.exe", "pdf", "invoice.exe.pdf"),
        ("report.pdf.exe", "text", "report.pdf.exe.txt"),
        ("a\r\nSet-Cookie: x=1.csv", "csv", "aSet-Cookie_ x=1.csv"),
        ("\u202egnp.exe", "png", "gnp.exe.png"),
        ("NUL", "text", "_NUL.txt"),
        ("", "png", "document.png"),
        ("...", "csv", "document.csv"),
    ],
)
def test_a_name_loses_what_hurts_and_ends_as_its_content(given_name: str, kind: str, name: str) -> None:
    assert safe_name(given_name, kind) == name


@given(st.text(), st.sampled_from(sorted(ENDINGS)))
def test_no_name_hurts(given_name: str, kind: str) -> None:
    name = safe_name(given_name, kind)
    assert 0 < len(name) <= LONGEST_NAME + 1
    assert not set(name) & set('/\\<>:"|?*')
    assert not any(unicodedata.category(letter)[0] == "C" for letter in name)
    assert name.strip(". ") == name
    assert safe_name(name, kind) == name
