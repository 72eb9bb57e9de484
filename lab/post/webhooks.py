"""Who makes webhooks, and where they go. The lab's own organisation is told of everything, a company of its own."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.core.ids import new_id
from lab.people.principals import Principal, Role
from lab.people.service import get_organisation
from lab.post import repository
from lab.post.addresses import checked_url, look_up
from lab.post.errors import (
    WebhookDisabledError,
    WebhookForbiddenError,
    WebhookLimitError,
    WebhookTestWaitingError,
    WebhookUnknownError,
)
from lab.post.models import Webhook, WebhookDelivery
from lab.post.service import queue_delivery
from lab.post.signing import new_secret

TEST_EVENT = "webhook.test"
LIMIT = 20
"""Open webhooks of one organisation."""


def require_may_have(principal: Principal) -> None:
    """Refuse whoever has no webhooks at all.

    Raises:
        WebhookForbiddenError: unless it is a lab manager or a member of a company.
    """
    if principal.role not in {Role.MANAGER, Role.MEMBER}:
        raise WebhookForbiddenError(
            "webhooks are the business of lab managers, and of members for their own company", rule="own-webhooks"
        )


def check_address(principal: Principal, url: str, *, private: bool) -> None:
    """Whether webhooks may go there; looks the name up, so it is called before a transaction is begun.

    Raises:
        WebhookForbiddenError: whoever has no webhooks cannot ask what names stand for either.
        WebhookAddressError: they may not.
    """
    require_may_have(principal)
    look_up(checked_url(url, private=private), private=private)


def create_webhook(
    session: Session,
    principal: Principal,
    *,
    organisation_id: str | None,
    url: str,
    events: Sequence[str],
    now: datetime,
) -> Webhook:
    """Tell an address of events from now on.

    Args:
        session: a write session.
        principal: a lab manager, or a member for the own company.
        organisation_id: whose events; None: one's own organisation.
        url: which `check_address` has found good.
        events: kinds of events; empty: all.
        now: the present instant.

    Raises:
        WebhookForbiddenError, OrganisationUnknownError: not for this organisation.
        WebhookLimitError: it has enough of them.
    """
    require_may_have(principal)
    organisation = get_organisation(session, principal, organisation_id or principal.organisation_id)
    if repository.open_webhooks(session, organisation.id) >= LIMIT:
        raise WebhookLimitError(
            f"{organisation.name} has {LIMIT} webhooks already; disable one of them first", rule="webhooks", limit=LIMIT
        )
    webhook = Webhook(
        id=new_id("wbh"),
        organisation_id=organisation.id,
        url=url,
        secret=new_secret(),
        events=sorted(set(events)),
        created_by=principal.account_id,
        created_at=now,
        disabled_at=None,
    )
    session.add(webhook)
    session.flush()
    note_change(
        session,
        "webhook",
        webhook.id,
        "created",
        by=principal.account_id,
        at=now,
        after={"url": url, "events": webhook.events},
    )
    return webhook


def list_webhooks(session: Session, principal: Principal) -> Sequence[Webhook]:
    """Webhooks, disabled ones included: all for managers, those of the own company for members."""
    require_may_have(principal)
    return repository.webhooks(session, organisation_id=None if principal.is_staff else principal.organisation_id)


def disable_webhook(session: Session, principal: Principal, webhook_id: str, *, now: datetime) -> Webhook:
    """Tell this address nothing any more; what waits is not sent either. Saying it again changes nothing.

    Raises:
        WebhookUnknownError: there is none, or it is another company's.
    """
    webhook = _own(session, principal, webhook_id)
    disable_for_good(session, webhook, by=principal.account_id, now=now)
    return webhook


def disable_for_good(session: Session, webhook: Webhook, *, by: str, now: datetime, reason: str | None = None) -> None:
    """Disable a webhook, and note by whom."""
    if repository.disable(session, webhook.id, now=now):
        note_change(
            session, "webhook", webhook.id, "disabled", by=by, at=now, before={"url": webhook.url}, reason=reason
        )
    session.refresh(webhook)


def list_deliveries(
    session: Session, principal: Principal, webhook_id: str, *, count: int
) -> Sequence[WebhookDelivery]:
    """What went to a webhook or is on its way, the newest first.

    Raises:
        WebhookUnknownError: there is none, or it is another company's.
    """
    return repository.deliveries(session, _own(session, principal, webhook_id).id, count=count)


def test_webhook(session: Session, principal: Principal, webhook_id: str, *, now: datetime) -> WebhookDelivery:
    """Send an event that means nothing; tried once.

    Raises:
        WebhookUnknownError: there is none, or it is another company's.
        WebhookDisabledError, WebhookTestWaitingError: not now.
    """
    webhook = _own(session, principal, webhook_id, lock=True)
    if webhook.disabled_at is not None:
        raise WebhookDisabledError("this webhook is disabled; make a new one", rule="open-webhook")
    if repository.waiting_deliveries(session, webhook.id, TEST_EVENT):
        raise WebhookTestWaitingError("the last test is still on its way; look at its deliveries", rule="one-test")
    delivery_id = queue_delivery(
        session, webhook.id, key=new_id("test"), event=TEST_EVENT, payload={"webhook_id": webhook.id}, now=now
    )
    delivery = repository.delivery(session, delivery_id)
    assert delivery is not None
    return delivery


def _own(session: Session, principal: Principal, webhook_id: str, *, lock: bool = False) -> Webhook:
    require_may_have(principal)
    webhook = repository.webhook(session, webhook_id, lock=lock)
    if webhook is None or not principal.owns(webhook.organisation_id):
        raise WebhookUnknownError("there is no such webhook")
    return webhook
