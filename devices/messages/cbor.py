"""Data in CBOR (RFC 8949) on `data/cbor`: the shapes of the native messages, waves as typed arrays (RFC 8746).

Only what the shapes need is read: a tag that would build something else (dates, decimals, shared references, …) is
refused, because a few bytes of those can stand for very much memory. What a head announces must be there before
anything is allocated, and nesting is limited.
"""

import io
from collections.abc import Callable
from typing import Any, cast

import cbor2
import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.messages.native import Data, MessageError, printable, recorded_earlier, require_usable_data

DEEPEST = 32
_TYPED_ARRAYS = {
    64: ">u1",
    65: ">u2",
    66: ">u4",
    67: ">u8",
    68: ">u1",  # clamped: the same numbers
    69: "<u2",
    70: "<u4",
    71: "<u8",
    72: ">i1",
    73: ">i2",
    74: ">i4",
    75: ">i8",
    77: "<i2",
    78: "<i4",
    79: "<i8",
    80: ">f2",
    81: ">f4",
    82: ">f8",
    84: "<f2",
    85: "<f4",
    86: "<f8",
}
"""Tag → NumPy type. 76 is reserved; 83 and 87 are 128-bit floats, which nothing here keeps."""
_DTYPES = {tag: np.dtype(code) for tag, code in _TYPED_ARRAYS.items()}
_TAGS = {dtype: tag for tag, dtype in reversed(_DTYPES.items())}
_LONG_INTEGERS = [dtype for dtype in _DTYPES.values() if dtype.kind in "iu" and dtype.itemsize == 8]
_BUILT_IN = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
"""Tags that cbor2 would give a meaning of its own."""
_LONGEST_BIGNUM_BYTES = 128
_LARGEST_EXACT = 2**53
_SELF_DESCRIBED = b"\xd9\xd9\xf7"
"""Tag 55799, which only says that this is CBOR."""


def decode_cbor(payload: bytes) -> Data:
    """Read a payload that came on `data/cbor`.

    Returns:
        The message; a wave that came as a typed array is a float64 NumPy array (n,), any other one, and one with whole
        numbers that a float64 would round, a list.

    Raises:
        MessageError: if the message as a whole cannot be used.
    """
    if not payload:
        raise MessageError("empty", "the payload has no bytes")
    plain = _plain(payload.removeprefix(_SELF_DESCRIBED))
    if not isinstance(plain, dict):
        raise MessageError("wrong-form", f"a message is a map, this is of type {type(plain).__name__}")
    arrays: dict[str, NDArray[np.float64]] = {}
    waves = plain.get("waves")
    if isinstance(waves, dict):
        arrays = {name: wave for name, wave in waves.items() if isinstance(name, str) and isinstance(wave, np.ndarray)}
        plain["waves"] = {name: [] if name in arrays else wave for name, wave in waves.items()}
    try:
        message = msgspec.convert(plain, Data)
    except AttributeError as error:  # msgspec asks whatever stands where a map belongs for its keys
        raise MessageError("wrong-form", "a typed array stands where a map belongs") from error
    except (msgspec.ValidationError, RecursionError, OverflowError, UnicodeEncodeError) as error:
        raise MessageError("wrong-form", printable(str(error))) from error
    if message.waves is not None:
        message.waves.update(cast(dict[str, list[Any]], arrays))
    require_usable_data(message)
    return recorded_earlier(message)


def encode_cbor(message: Data) -> bytes:
    """The message as CBOR; a wave that is a NumPy array becomes a typed array of its type."""
    content = {name: getattr(message, name) for name in message.__struct_fields__}
    present = {name: value for name, value in content.items() if value is not None and value is not False}
    return cbor2.dumps(present, default=_encode_array)


def _encode_array(encoder: cbor2.CBOREncoder, value: Any) -> None:
    if not isinstance(value, np.ndarray) or value.dtype not in _TAGS:
        raise cbor2.CBOREncodeTypeError(f"a {type(value).__name__} cannot be sent")
    encoder.encode_semantic(_TAGS[value.dtype], value.tobytes())


def _plain(payload: bytes) -> Any:
    stream = io.BytesIO(payload)
    decoder = cbor2.CBORDecoder(
        stream,
        tag_hook=_read_tag,
        semantic_decoders=_OUR_TAGS,
        max_depth=DEEPEST,
        allow_duplicate_keys=False,
        strict_hashable_types=True,
    )
    try:
        plain = decoder.decode()
    except (cbor2.CBORDecodeError, RecursionError, ValueError, TypeError, OverflowError) as error:
        cause = error.__cause__
        if isinstance(error, MessageError):
            raise
        if isinstance(cause, MessageError):
            raise cause from None
        raise MessageError("not-cbor", printable(str(error) or type(error).__name__)) from error
    if stream.tell() != len(payload):
        raise MessageError("not-cbor", f"{len(payload) - stream.tell()} bytes follow after the message")
    return plain


def _read_tag(tag: cbor2.CBORTag, _immutable: bool) -> Any:
    dtype = _DTYPES.get(tag.tag)
    if dtype is None:
        raise MessageError("wrong-form", f"CBOR tag {tag.tag} has no place in a message")
    content = tag.value
    if not isinstance(content, bytes):
        raise MessageError("wrong-form", f"a typed array (tag {tag.tag}) is a byte string")
    if len(content) % dtype.itemsize:
        raise MessageError("wrong-form", f"{len(content)} bytes are no array of {dtype.itemsize} bytes each")
    array = np.frombuffer(content, dtype)
    if dtype in _LONG_INTEGERS and ((array > _LARGEST_EXACT) | (array < -_LARGEST_EXACT)).any():
        return array.tolist()  # whole numbers, so that whoever checks them can say which are kept rounded
    return array.astype(np.float64)


def _text_time(content: Any, _immutable: bool) -> str:
    if not isinstance(content, str):
        raise MessageError("wrong-form", "a time (tag 0) is text")
    return content


def _bignum(content: Any, *, negative: bool) -> float:
    """As a float: a number of this size is no exact one for any signal."""
    if not isinstance(content, bytes):
        raise MessageError("wrong-form", "a large number (tags 2, 3) is a byte string")
    if len(content.lstrip(b"\0")) > _LONGEST_BIGNUM_BYTES:
        return float("-inf") if negative else float("inf")
    number = int.from_bytes(content, "big")
    try:
        return float(-1 - number if negative else number)
    except OverflowError:
        return float("-inf") if negative else float("inf")


def _refusal(tag: int) -> Callable[[Any, bool], Any]:
    def refuse(_content: Any, _immutable: bool) -> Any:
        raise MessageError("wrong-form", f"CBOR tag {tag} has no place in a message")

    return refuse


_OUR_TAGS: dict[int, Callable[[Any, bool], Any]] = {
    **{tag: _refusal(tag) for tag in _BUILT_IN},
    0: _text_time,
    2: lambda content, _immutable: _bignum(content, negative=False),
    3: lambda content, _immutable: _bignum(content, negative=True),
}
