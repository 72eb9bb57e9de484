"""Identifiers that cannot be guessed: a short prefix that says the kind, and 100 random bits."""

import secrets

_ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case
_LETTERS = _ALPHABET * 8
"""The letter for each byte, every letter for as many of them."""


def new_id(prefix: str) -> str:
    """A new identifier such as `bkg_7w3k…` (20 characters after the prefix, 100 random bits)."""
    return prefix + "_" + secrets.token_bytes(20).translate(_LETTERS).decode()
