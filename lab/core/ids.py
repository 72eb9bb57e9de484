"""Identifiers that cannot be guessed: a short prefix that says the kind, and 100 random bits."""

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case


def new_id(prefix: str) -> str:
    """A new identifier such as `bkg_7w3k…` (20 characters after the prefix, 100 random bits)."""
    return prefix + "_" + "".join(secrets.choice(_ALPHABET) for _ in range(20))
