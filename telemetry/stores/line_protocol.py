"""InfluxDB's line protocol for samples, written by hand (the client's `Point` is about 15 times slower). Pure.

One point a sample: measurement `samples`, tags `boot`, `device`, `signal`, the device time as its time. These are the
sample's identity (I3), so a point written again overwrites itself. What is no identity is a field.
"""

import re
from urllib.parse import quote, unquote

import pyarrow as pa

from telemetry.stores.batches import as_batch, numbers_of

_SAFE = ":-._~"
_EMPTY = "%"
"""Stands for the empty text, which a tag cannot hold; no encoded text is a lone per cent sign."""
_STRING_SPECIALS = re.compile(r'(["\\])')


def encode_tag(text: str) -> str:
    """Any text as a tag value, and as text between single quotes in InfluxQL: letters, digits and `%:-._~` only."""
    return quote(text, safe=_SAFE) or _EMPTY


def decode_tag(tag: str) -> str:
    """The inverse of `encode_tag`."""
    return "" if tag == _EMPTY else unquote(tag)


def sample_lines(samples: pa.Table) -> list[bytes]:
    """One line for each sample (schema SAMPLES), times in nanoseconds."""
    batch = as_batch(samples)
    prefixes = [
        f"samples,boot={encode_tag(boot)},device={encode_tag(device)},signal={encode_tag(signal)} ".encode()
        for device, signal, boot in batch.series
    ]
    rows = batch.rows
    series, times, settled, received, flags = (
        numbers_of(rows, name).tolist() for name in ("series", "device_ns", "settled_ns", "received_ns", "flags")
    )
    values, texts = (rows.column(name).to_pylist() for name in ("value", "text"))
    endings: dict[tuple[int, int, int, int], bytes] = {}  # the signals of a message share theirs
    lines = []
    heads = zip(times, settled, received, flags, strict=True)
    for place, head, value, text in zip(series, heads, values, texts, strict=True):
        ending = endings.get(head)
        if ending is None:
            ending = b",settled=%di,received=%di,flags=%di %d" % (head[1], head[2], head[3], head[0])
            endings[head] = ending
        content = f"value={value!r}" if text is None else f"text={_quoted(text)}"
        lines.append(prefixes[place] + content.encode() + ending)
    return lines


def clock_line(device: str, boot: str, low: int, high: int) -> bytes:
    """How far settled times of a boot lie from its device times, at least and at most, in nanoseconds."""
    return f"clocks,boot={encode_tag(boot)},device={encode_tag(device)} low={low}i,high={high}i 0".encode()


def watermark_line(spool: str, watermark: int) -> bytes:
    """The last row of a spool that is stored; always the same point."""
    return f"progress,spool={encode_tag(spool)} watermark={watermark}i 0".encode()


def _quoted(text: str) -> str:
    return '"' + _STRING_SPECIALS.sub(r"\\\1", text) + '"'
