"""Streams of a PDF must end so that nobody can count them wrongly.

typst ends a stream's data by LF before `endstream`. Where the data's own last byte is CR, the two together look like
one CRLF, and a strict validator (ISO 19005-3, 6.1.7.1: /Length must match) counts a byte less than /Length says: one
stream in 256, so about one report in ten. Such a stream is given CRLF as its end of line; the table of offsets is moved
along.
"""

import re

_HEADER = re.compile(rb"/Length (\d+)\b(?:(?!endobj|stream).)*?>>\s*stream\n", re.DOTALL)
_TABLE = re.compile(rb"\nxref\n0 (\d+)\n((?:\d{10} \d{5} [nf][ \r\n]{2})+)trailer\n")
_START = re.compile(rb"startxref\n(\d+)\n")
_END = b"\nendstream"


def end_streams_clearly(pdf: bytes) -> bytes:
    """The same PDF with no stream whose end can be misread.

    Args:
        pdf: with one classic table of offsets, as typst writes it; anything else is returned as it is.
    """
    table = _TABLE.search(pdf, max(0, pdf.rfind(b"\nxref\n")))
    if table is None:
        return pdf
    entries = [(int(line[:10]), line) for line in _lines(table.group(2))]
    places = sorted(_doubtful(pdf, [offset for offset, line in entries if line[17:18] == b"n"], table.start()))
    if not places:
        return pdf

    def moved(offset: int) -> int:
        return offset + sum(1 for place in places if place < offset)

    body = b"\r".join(pdf[start:end] for start, end in zip([0, *places], [*places, table.start()], strict=True))
    lines = b"".join(b"%010d" % moved(offset) + line[10:] for offset, line in entries)
    tail = _START.sub(lambda found: b"startxref\n%d\n" % moved(int(found.group(1))), pdf[table.end(2) :])
    return body + pdf[table.start() : table.start(2)] + lines + tail


def _lines(table: bytes) -> list[bytes]:
    return [table[start : start + 20] for start in range(0, len(table), 20)]


def _doubtful(pdf: bytes, offsets: list[int], end_of_objects: int) -> list[int]:
    """Where the LF stands that follows a CR of the data."""
    places = []
    ordered = sorted(offsets)
    for start, end in zip(ordered, [*ordered[1:], end_of_objects], strict=True):
        header = _HEADER.search(pdf, start, end)
        if header is None:
            continue
        after = header.end() + int(header.group(1))
        if pdf[after : after + len(_END)] == _END and pdf[after - 1 : after] == b"\r":
            places.append(after)
    return places
