"""Every query about mails and webhooks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from lab.core.database import storable
from lab.people.models import Organisation
from lab.post.models import Mail, Webhook, WebhookDelivery


def add_mail(session: Session, values: Mapping[str, Any]) -> bool:
    """Keep a mail; False if there is one with its key already."""
    return _add_unless_there(session, Mail, "key", values)


def mail(session: Session, mail_id: str, *, lock: bool = False) -> Mail | None:
    """The mail with this id; with `lock` nobody else changes it before the transaction ends."""
    return session.get(Mail, mail_id, with_for_update=lock or None) if storable(mail_id) else None


def mails(session: Session, *, state: str | None, count: int) -> Sequence[Mail]:
    """Mails, the newest first, of one state or all."""
    query = sa.select(Mail).order_by(Mail.queued_at.desc(), Mail.id.desc()).limit(count)
    return session.scalars(query if state is None else query.where(Mail.state == state)).all()


def webhook(session: Session, webhook_id: str, *, lock: bool = False) -> Webhook | None:
    """The webhook with this id."""
    return session.get(Webhook, webhook_id, with_for_update=lock or None) if storable(webhook_id) else None


def webhooks(session: Session, *, organisation_id: str | None = None) -> Sequence[Webhook]:
    """Webhooks in the order in which they were made, of one organisation or all, disabled ones included."""
    query = sa.select(Webhook).order_by(Webhook.created_at, Webhook.id)
    return session.scalars(
        query if organisation_id is None else query.where(Webhook.organisation_id == organisation_id)
    ).all()


def open_webhooks(session: Session, organisation_id: str) -> int:
    """How many webhooks of an organisation are not disabled."""
    query = sa.select(sa.func.count()).where(Webhook.organisation_id == organisation_id, Webhook.disabled_at.is_(None))
    return session.scalar(query) or 0


def webhooks_told_of(session: Session, organisation_id: str) -> Sequence[Webhook]:
    """Open webhooks of an organisation and of the lab itself."""
    return session.scalars(
        sa.select(Webhook)
        .join(Organisation, Organisation.id == Webhook.organisation_id)
        .where(
            Webhook.disabled_at.is_(None),
            sa.or_(Webhook.organisation_id == organisation_id, Organisation.kind == "lab"),
        )
        .order_by(Webhook.id)
    ).all()


def disable(session: Session, webhook_id: str, *, now: datetime) -> bool:
    """Disable a webhook; False if it was already."""
    changed = session.scalar(
        sa.update(Webhook)
        .where(Webhook.id == webhook_id, Webhook.disabled_at.is_(None))
        .values(disabled_at=now)
        .returning(Webhook.id)
    )
    return changed is not None


def add_delivery(session: Session, values: Mapping[str, Any]) -> bool:
    """Keep a delivery; False if there is one with its id already."""
    return _add_unless_there(session, WebhookDelivery, "id", values)


def delivery(session: Session, delivery_id: str) -> WebhookDelivery | None:
    """The delivery with this id."""
    return session.get(WebhookDelivery, delivery_id)


def deliveries(session: Session, webhook_id: str, *, count: int) -> Sequence[WebhookDelivery]:
    """What went to a webhook or is on its way, the newest first."""
    return session.scalars(
        sa.select(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook_id)
        .order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.id.desc())
        .limit(count)
    ).all()


def waiting_deliveries(session: Session, webhook_id: str, event: str) -> int:
    """How many events of one kind are on their way to a webhook."""
    query = sa.select(sa.func.count()).where(
        WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.event == event, WebhookDelivery.state == "queued"
    )
    return session.scalar(query) or 0


def _add_unless_there(
    session: Session, model: type[Mail] | type[WebhookDelivery], unique: str, values: Mapping[str, Any]
) -> bool:
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(model).on_conflict_do_nothing(index_elements=[unique]).returning(model.id)
    return session.scalar(statement, dict(values)) is not None
