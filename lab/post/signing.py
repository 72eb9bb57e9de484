"""Signatures as the Standard Webhooks specification 1.0.0 says, so that receivers find a library for them."""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

from lab.core.time import to_microseconds

_PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """A fresh secret as its receiver keeps it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_headers(secret: str, *, delivery_id: str, sent_at: datetime, body: bytes) -> dict[str, str]:
    """The three headers that let the receiver check who sent the body, and when.

    Args:
        secret: of the webhook, `whsec_…`.
        delivery_id: the same at every attempt, so that the receiver notices what it has already.
        sent_at: of this attempt.
        body: exactly as it is sent.
    """
    timestamp = str(to_microseconds(sent_at) // 1_000_000)
    content = f"{delivery_id}.{timestamp}.".encode() + body
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return {"webhook-id": delivery_id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}
