"""Passwords of devices, in the format of Mosquitto's password file.

`$7$<iterations>$<salt>$<hash>`: PBKDF2 with SHA-512, salt and hash in base 64. Mosquitto computes it at every connect
in its only thread, hence few iterations by default; a device's password is long and random, made by
`new_device_password`, and not a word that somebody remembers.
"""

import base64
import binascii
import hashlib
import hmac
import secrets

from devices.errors import WeakPasswordError

DEFAULT_ITERATIONS = 1000
_SALT_BYTES = 12  # what Mosquitto 2 reads
_HASH_BYTES = 64
MIN_PASSWORD_LENGTH = 8
MAX_PASSWORD_LENGTH = 500


def new_device_password() -> str:
    """A password with 192 random bits."""
    return secrets.token_urlsafe(24)


def hash_mqtt_password(password: str, *, iterations: int = DEFAULT_ITERATIONS, salt: bytes | None = None) -> str:
    """The password's hash for Mosquitto's password file.

    Args:
        password: 8 to 500 characters without control characters.
        iterations: of PBKDF2, at least 1.
        salt: 12 bytes; random when not given.

    Raises:
        WeakPasswordError: if the password is too short, too long, or has control characters.
    """
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH or not password.isprintable():
        raise WeakPasswordError(
            f"a device's password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters and no control "
            f"characters; leave the choice to the program if in doubt",
            field="password",
            rule="password-length",
        )
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations, _HASH_BYTES)
    return f"$7${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def mqtt_password_matches(password: str, stored: str) -> bool:
    """Whether the password is the one of which this hash was made; `False` for a hash that is none."""
    try:
        _, scheme, iterations, salt, digest = stored.split("$")
        if scheme != "7":
            return False
        expected = base64.b64decode(digest, validate=True)
        actual = hashlib.pbkdf2_hmac(
            "sha512", password.encode(), base64.b64decode(salt, validate=True), int(iterations), len(expected)
        )
    except (ValueError, binascii.Error, OverflowError):
        return False
    return hmac.compare_digest(actual, expected)
