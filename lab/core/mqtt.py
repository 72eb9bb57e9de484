"""The MQTT connection: one way to make a client, for the recorder, live streams and tests alike.

Devices and embedded brokers speak MQTT 3.1.1 or 5. With version 5 a session survives only if it is not started clean
**and** has an expiry; paho's default clears it at the first connect of every process, so both are said here each time.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PRODUCT_USER = "pilotlab"
"""The product's own sign-in name at a broker of ours."""
SESSION_EXPIRY_SECONDS = 30 * 24 * 3600
KEEP_ALIVE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker answers, and as whom."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls_ca: Path | None = None
    version: Literal[4, 5] = 5
    """4: MQTT 3.1.1; 5: MQTT 5."""


def new_client(address: BrokerAddress, client_id: str, *, persistent: bool = False, manual_ack: bool = False) -> Client:
    """A paho client that is not connected yet.

    Args:
        address: the broker.
        client_id: names the session.
        persistent: whether the broker keeps the session (subscriptions, queued messages) between connections.
        manual_ack: whether the caller acknowledges each message itself.
    """
    version = MQTTProtocolVersion(address.version)
    if address.version == 5:
        client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=version, manual_ack=manual_ack)
    else:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=not persistent,
            protocol=version,
            manual_ack=manual_ack,
        )
    if address.username is not None:
        client.username_pw_set(address.username, address.password)
    if address.tls_ca is not None:
        client.tls_set(ca_certs=str(address.tls_ca), tls_version=ssl.PROTOCOL_TLS_CLIENT)
    client.reconnect_delay_set(min_delay=1, max_delay=10)
    return client


def connect(
    client: Client, address: BrokerAddress, *, persistent: bool = False, receive_maximum: int | None = None
) -> None:
    """Connect (blocking); afterwards `client.loop_start()` keeps it connected, with the same session each time.

    Args:
        client: as `new_client` gives it.
        address: the broker.
        persistent: as `new_client` was told.
        receive_maximum: messages that the broker may send before the first is acknowledged (MQTT 5 only).

    Raises:
        OSError: if the broker does not answer.
    """
    if address.version == 5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        if persistent:
            properties.SessionExpiryInterval = SESSION_EXPIRY_SECONDS
        if receive_maximum is not None:
            properties.ReceiveMaximum = receive_maximum
        client.connect(
            address.host, address.port, KEEP_ALIVE_SECONDS, clean_start=not persistent, properties=properties
        )
    else:
        client.connect(address.host, address.port, KEEP_ALIVE_SECONDS)
