"""Mails and webhooks over HTTP. Nothing is sent from here; that is what jobs are for."""

from typing import Annotated

from fastapi import APIRouter, Query

from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.post import service, webhooks
from lab.post.models import Mail, Webhook, WebhookDelivery
from lab.post.schemas import (
    DeliveryAnswer,
    DeliveryList,
    MailAnswer,
    MailList,
    MailState,
    NewWebhook,
    NewWebhookAnswer,
    WebhookAnswer,
    WebhookList,
)

router = APIRouter(prefix="/api/v1", tags=["post"])

Count = Annotated[int, Query(ge=1, le=200, description="at most so many")]


@router.get("/mails", summary="Mails and what became of them, the newest first (staff)")
def list_mails(
    principal: PrincipalDep, database: DatabaseDep, state: MailState | None = None, count: Count = 100
) -> MailList:
    """Without their texts."""
    with database.read() as session:
        found = service.list_mails(session, principal, state=state, count=count)
        return MailList(mails=[MailAnswer.model_validate(mail) for mail in found])


@router.post("/mails/{mail_id}/send", response_model=MailAnswer, summary="Send a mail that did not get through (staff)")
def send_mail_again(
    mail_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, settings: SettingsDep
) -> Mail:
    """Also one that is doubtful: it keeps its `Message-ID`, so that a second copy is known as one."""
    return database.transact(
        lambda session: service.send_mail_again(
            session, principal, mail_id, mail_is_on=settings.smtp_host is not None, now=clock.now()
        )
    )


@router.post("/webhooks", status_code=201, summary="Tell an address of events")
def create_webhook(
    body: NewWebhook, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, settings: SettingsDep
) -> NewWebhookAnswer:
    """Managers for any organisation, members for their own company. The secret is shown only in this answer."""
    webhooks.check_address(principal, body.url, private=settings.webhook_private_addresses)
    webhook = database.transact(
        lambda session: webhooks.create_webhook(session, principal, **body.model_dump(), now=clock.now())
    )
    return NewWebhookAnswer.model_validate(webhook)


@router.get("/webhooks", summary="Webhooks one may see")
def list_webhooks(principal: PrincipalDep, database: DatabaseDep) -> WebhookList:
    """Managers see all, members those of their company; disabled ones too."""
    with database.read() as session:
        found = webhooks.list_webhooks(session, principal)
        return WebhookList(webhooks=[WebhookAnswer.model_validate(webhook) for webhook in found])


@router.post("/webhooks/{webhook_id}/disable", response_model=WebhookAnswer, summary="Tell an address nothing more")
def disable_webhook(webhook_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> Webhook:
    """What waits is not sent either. Saying it again changes nothing."""
    return database.transact(lambda session: webhooks.disable_webhook(session, principal, webhook_id, now=clock.now()))


@router.get("/webhooks/{webhook_id}/deliveries", summary="What went to a webhook or is on its way, the newest first")
def list_deliveries(
    webhook_id: str, principal: PrincipalDep, database: DatabaseDep, count: Count = 100
) -> DeliveryList:
    """With the status of the last answer."""
    with database.read() as session:
        found = webhooks.list_deliveries(session, principal, webhook_id, count=count)
        return DeliveryList(deliveries=[DeliveryAnswer.model_validate(delivery) for delivery in found])


@router.post(
    "/webhooks/{webhook_id}/test",
    status_code=202,
    response_model=DeliveryAnswer,
    summary="Send an event that means nothing",
)
def test_webhook(webhook_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> WebhookDelivery:
    """Tried once; what came of it is among the deliveries a moment later."""
    return database.transact(lambda session: webhooks.test_webhook(session, principal, webhook_id, now=clock.now()))
