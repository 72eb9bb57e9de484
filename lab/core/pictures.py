"""What is to be minded whenever a picture that somebody sent is opened."""

import struct
import zlib

MOST_PIXELS = 60_000_000
"""A picture with more takes too much memory to be looked at."""
DAMAGED = (
    OSError,
    SyntaxError,
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
)
"""What decoders say of damaged pictures; all of it means the same."""
