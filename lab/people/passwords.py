"""Passwords and tokens: how they are kept, and how they are compared."""

import hashlib
import secrets
import threading
from functools import cache

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

_HASHING = PasswordHash((Argon2Hasher(),))
_AT_ONCE = threading.BoundedSemaphore(4)  # each takes 64 MiB: a crowd at the door must not fill the memory


def hash_password(password: str) -> str:
    """The argon2id hash of a password, with its salt and parameters."""
    with _AT_ONCE:
        return _HASHING.hash(password)


def verify_password(password: str, password_hash: str | None) -> bool:
    """Whether the password fits the hash.

    Args:
        password: as typed.
        password_hash: of the account; `None` when there is no such account: then a fixed hash is verified all the
            same, so that the time taken does not tell which sign-in names exist.
    """
    with _AT_ONCE:
        try:
            fits = _HASHING.verify(password, password_hash or _hash_of_nobody())
        except UnknownHashError:  # an account made without a password
            return False
    return fits and password_hash is not None


@cache
def _hash_of_nobody() -> str:
    return _HASHING.hash("a password that belongs to nobody")


def new_token(prefix: str) -> str:
    """A secret with 256 random bits; the prefix lets scanners and people recognise what it is."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def hash_token(token: str) -> str:
    """SHA-256 in hex: enough for a secret that is random and long, and quick enough for every request."""
    return hashlib.sha256(token.encode()).hexdigest()
