"""`Idempotency-Key`: the same call twice has one effect and one answer.

The key and the answer are written in the transaction of the effect itself, so there is never one without the other.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class IdempotencyKey(Base):
    """A key that somebody has used, and what was answered."""

    __tablename__ = "idempotency_keys"

    account_id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    request_hash: Mapped[str] = mapped_column(sa.String(64))
    """SHA-256 over method, path and body: the same key with another request is a mistake."""
    status: Mapped[int]
    answer: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    headers: Mapped[dict[str, str]] = mapped_column(sa.JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
