"""What a broker really does is found out, whatever it says of itself."""

import time
from collections.abc import Callable

import pytest

from lab.core.mqtt import BrokerAddress
from telemetry.broker_probe import BrokerLimits, BrokerProbeError, probe
from tests.services import Mosquitto
from tests.services.programs import wait_until
from tests.services.window_peer import WindowPeer


@pytest.mark.parametrize("version", [4, 5])
def test_a_weak_broker_is_seen_through(version: int) -> None:
    with WindowPeer(20, queue=1000) as peer:
        found = probe(BrokerAddress(peer.host, peer.port, version=version))  # type: ignore[arg-type]
        assert found == BrokerLimits(20, 20 + 1000, None, None, True)
        assert peer.counts.most_unacknowledged == 20
        wait_until(lambda: peer.sessions == {}, what="the probe leaves nothing behind")


def test_a_broker_that_forgets_is_seen_through() -> None:
    with WindowPeer(20, forgets=True, receive_maximum=20, largest_packet=1_000_000) as peer:
        found = probe(BrokerAddress(peer.host, peer.port))
    assert not found.keeps_session
    assert (found.queued, found.receive_maximum, found.largest_packet) == (0, 20, 1_000_000)


def test_a_broker_set_up_as_ours_has_no_limit_that_matters(mosquitto_factory: Callable[..., Mosquitto]) -> None:
    lines = ["max_queued_messages 100000000", "max_queued_bytes 1073741824", "max_inflight_messages 2000"]
    broker = mosquitto_factory(lines)
    found = probe(BrokerAddress(broker.host, broker.port))
    assert (found.queued, found.keeps_session) == (None, True)


def test_mosquittos_own_limit_of_the_queue_is_found(mosquitto_factory: Callable[..., Mosquitto]) -> None:
    broker = mosquitto_factory(["max_queued_messages 300", "max_inflight_messages 20"])
    found = probe(BrokerAddress(broker.host, broker.port))
    assert found.queued is not None
    assert 300 <= found.queued <= 340


def test_nobody_there_is_said_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(BrokerProbeError, match="does not answer"):
        probe(BrokerAddress("127.0.0.1", 1))
    assert time.monotonic() - started < 5
