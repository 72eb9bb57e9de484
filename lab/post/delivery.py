"""One attempt to hand an event to a webhook."""

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from lab.post.addresses import Address, checked_url, look_up
from lab.post.errors import WebhookAddressError
from lab.post.models import Webhook, WebhookDelivery
from lab.post.signing import signed_headers

DEADLINE_SECONDS = 10.0
"""For the whole attempt; whoever answers slowly, byte by byte, gains nothing."""
GONE = 410
"""The status by which a receiver says that it wants no more."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it."""

    status: int | None
    """Of the answer; None: there was none."""
    error: str | None
    """None: delivered."""


def body_of(delivery: WebhookDelivery) -> bytes:
    """The event as it is sent, the same bytes at every attempt."""
    event = {"type": delivery.event, "timestamp": delivery.created_at.isoformat(), "data": delivery.payload}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def deliver(
    webhook: Webhook, delivery: WebhookDelivery, *, private: bool, tls: ssl.SSLContext, now: datetime
) -> Attempt:
    """Send the event, signed, to an address that has just been looked up and checked.

    Args:
        webhook: where to.
        delivery: what.
        private: whether private addresses are allowed here.
        tls: which certificates are believed.
        now: stands in the signature.
    """
    try:
        url = checked_url(webhook.url, private=private)
        addresses = look_up(url, private=private)
    except WebhookAddressError as error:
        return Attempt(None, error.message)
    body = body_of(delivery)
    headers = {
        **signed_headers(webhook.secret, delivery_id=delivery.id, sent_at=now, body=body),
        "content-type": "application/json",
        "user-agent": "PilotLab-Webhooks/1",
    }
    return asyncio.run(_post(url, addresses, body, headers, tls))


async def _post(
    url: httpx.URL, addresses: Sequence[Address], body: bytes, headers: Mapping[str, str], tls: ssl.SSLContext
) -> Attempt:
    attempt = Attempt(None, "the name stands for no address")
    try:
        # Without the environment: a proxy would look the name up anew.
        async with (
            asyncio.timeout(DEADLINE_SECONDS),
            httpx.AsyncClient(verify=tls, trust_env=False, timeout=DEADLINE_SECONDS) as client,
        ):
            for address in addresses:
                try:
                    return await _post_to(client, address, url, body, headers)
                except httpx.ConnectError as error:
                    attempt = Attempt(None, _said(error))  # the host may have another address that answers
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Attempt(None, _said(error))
    return attempt


async def _post_to(
    client: httpx.AsyncClient, address: Address, url: httpx.URL, body: bytes, headers: Mapping[str, str]
) -> Attempt:
    """Connect to this very address; the certificate must still be that of the name."""
    extensions: dict[str, Any] = {"sni_hostname": url.raw_host.decode()} if url.scheme == "https" else {}
    request = client.build_request(
        "POST",
        url.copy_with(host=str(address)),
        content=body,
        headers={**headers, "host": url.netloc.decode()},
        extensions=extensions,
    )
    answer = await client.send(request, stream=True, follow_redirects=False)
    await answer.aclose()  # what it says does not matter, only its status
    if answer.is_success:
        return Attempt(answer.status_code, None)
    return Attempt(answer.status_code, f"the answer was {answer.status_code} {answer.reason_phrase[:100]}".rstrip())


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"no answer within {DEADLINE_SECONDS:g} s"
    return f"{type(error).__name__}: {error}"
