"""Sending as jobs: a mail once, or the doubt is visible; an event until somebody has taken it.

A mail is marked `sending` when the mail server is ready for it and `sent` when it has taken it. Who finds one marked
`sending` comes after a worker that died in between, and cannot know: it marks the mail `doubtful`, for a person to
decide.
"""

import ssl
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from functools import cache

import structlog
from sqlalchemy.orm import Session

from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.jobs import ClaimedJob, Handler
from lab.core.settings import Settings
from lab.people.principals import SYSTEM
from lab.post import repository
from lab.post.delivery import GONE, Attempt, deliver
from lab.post.errors import NotDeliveredError
from lab.post.messages import compose
from lab.post.models import Webhook, WebhookDelivery
from lab.post.service import MAIL_JOB, TRIES, WEBHOOK_JOB
from lab.post.smtp import Outcome, hand_over
from lab.post.webhooks import TEST_EVENT, disable_for_good

log = structlog.get_logger(__name__)

_DIED = "whoever sent it died before noting what came of it"
_GAVE_UP = "given up after the last attempt"


def post_handlers(database: Database, clock: Clock, settings: Settings) -> Mapping[str, Handler]:
    """Handlers of the jobs `mail` and `webhook` (payload `id`)."""
    tls = cache(ssl.create_default_context)  # reads all certificates, so not before it is needed

    def send_mail(job: ClaimedJob) -> None:
        mail_id = job.payload["id"]
        message = database.transact(lambda session: prepare_mail(session, job, settings, now=clock.now()))
        if message is None:
            return
        outcome = hand_over(
            message, settings, begin=lambda: database.transact(lambda session: begin_sending(session, mail_id))
        )
        if outcome is None:
            return
        state = database.transact(
            lambda session: note_outcome(session, mail_id, outcome, last=job.attempt >= TRIES, now=clock.now())
        )
        log.info("mail", mail=mail_id, state=state, reason=outcome.reason)
        if state == "queued":
            raise NotDeliveredError(outcome.reason)  # the job table has it tried again, ever later

    def send_event(job: ClaimedJob) -> None:
        with database.read() as session:
            found = waiting_delivery(session, job.payload["id"])
        if found is None:
            return
        webhook, delivery = found
        if webhook.disabled_at is not None:
            attempt = Attempt(None, "the webhook is disabled")
        else:
            attempt = deliver(webhook, delivery, private=settings.webhook_private_addresses, tls=tls(), now=clock.now())
        last = job.attempt >= TRIES or delivery.event == TEST_EVENT or webhook.disabled_at is not None
        state = database.transact(
            lambda session: note_attempt(session, delivery.id, attempt, last=last, now=clock.now())
        )
        log.info("webhook", webhook=webhook.id, delivery=delivery.id, state=state, error=attempt.error)
        if state == "queued":
            raise NotDeliveredError(attempt.error)

    return {MAIL_JOB: send_mail, WEBHOOK_JOB: send_event}


def prepare_mail(session: Session, job: ClaimedJob, settings: Settings, *, now: datetime) -> EmailMessage | None:
    """Write the mail; None if it is not to be sent."""
    mail = repository.mail(session, job.payload["id"], lock=True)
    if mail is None or mail.state not in {"queued", "sending"}:
        return None
    if mail.state == "sending":
        mail.state, mail.last_error = "doubtful", _DIED
    elif job.attempt > TRIES:
        mail.state, mail.last_error = "failed", _GAVE_UP
    elif settings.smtp_host is None:
        mail.state, mail.last_error = "off", "no mail server was set up"
    else:
        return compose(mail, mail_from=settings.mail_from or "", now=now)
    log.warning("mail not sent", mail=mail.id, state=mail.state, reason=mail.last_error)
    return None


def begin_sending(session: Session, mail_id: str) -> bool:
    """Note that from now on nobody can know; False if somebody else has begun."""
    mail = repository.mail(session, mail_id, lock=True)
    if mail is None or mail.state != "queued":
        return False
    mail.state = "sending"
    return True


def note_outcome(session: Session, mail_id: str, outcome: Outcome, *, last: bool, now: datetime) -> str:
    """Note what became of a mail.

    Returns:
        Its state; `queued`: to be tried again.
    """
    mail = repository.mail(session, mail_id, lock=True)
    assert mail is not None
    if mail.state != ("sending" if outcome.begun else "queued") and outcome.state != "sent":
        return mail.state  # somebody took us for dead and has decided otherwise
    mail.state = "failed" if outcome.state == "queued" and last else outcome.state
    mail.last_error = outcome.reason
    mail.sent_at = now if mail.state == "sent" else None
    return mail.state


def waiting_delivery(session: Session, delivery_id: str) -> tuple[Webhook, WebhookDelivery] | None:
    """A delivery that is still to be made, and where to."""
    delivery = repository.delivery(session, delivery_id)
    if delivery is None or delivery.state != "queued":
        return None
    webhook = repository.webhook(session, delivery.webhook_id)
    assert webhook is not None
    return webhook, delivery


def note_attempt(session: Session, delivery_id: str, attempt: Attempt, *, last: bool, now: datetime) -> str:
    """Note what came of an attempt; a receiver that says "gone" is told nothing more.

    Returns:
        State of the delivery; `queued`: to be tried again.
    """
    delivery = repository.delivery(session, delivery_id)
    assert delivery is not None
    delivery.attempts += 1
    delivery.last_status, delivery.last_error = attempt.status, attempt.error
    if attempt.error is None:
        delivery.state, delivery.delivered_at = "delivered", now
    elif last or attempt.status == GONE:
        delivery.state = "failed"
    webhook = repository.webhook(session, delivery.webhook_id)
    if attempt.status == GONE and webhook is not None:
        disable_for_good(session, webhook, by=SYSTEM.account_id, now=now, reason="its receiver answered 410 Gone")
    return delivery.state
