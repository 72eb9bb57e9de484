"""Acknowledgements and exceptions in the recorder's network loop."""

from typing import Any, cast

from lab.core.clock import SystemClock
from lab.core.mqtt import BrokerAddress
from telemetry.echo import Echo
from telemetry.intake import Connection, Intake
from telemetry.wire import Publish


class ToldWire:
    """Remembers what it was told to acknowledge."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []

    def acknowledge(self, ids: list[int]) -> None:
        self.acknowledged += ids


def new_connection() -> Connection:
    connection = Connection(cast(Any, None))
    connection.wire = cast(Any, ToldWire())
    return connection


def new_intake() -> Intake:
    address = BrokerAddress("127.0.0.1", 1)
    return Intake(address, "lab", "recorder", SystemClock(), 1000, lambda _: None, lambda: True)


def test_a_late_acknowledgement_never_reaches_a_newer_connection() -> None:
    old, new = new_connection(), new_connection()
    intake = new_intake()
    intake.acknowledge(old, [1, 2, 3])
    intake.acknowledge(new, [2])
    intake._send_acknowledgements(new)

    assert cast(Any, new.wire).acknowledged == [2]
    assert cast(Any, old.wire).acknowledged == []
    assert intake.counts.acknowledged == 1


def test_a_message_that_cannot_be_taken_as_it_is_is_kept_all_the_same() -> None:
    intake = new_intake()
    intake._echo = Echo("lab", "recorder", 0)
    connection = new_connection()
    intake._arrived(connection, Publish(b"pilotlab/\xff", b"x", 7, retained=False))

    assert intake.counts.faults == 1
    assert [(topic, payload, mid) for topic, payload, _, _, _, mid in connection.arrived] == [
        ("(unreadable topic)", b"x", 7)
    ]


def test_what_arrives_after_an_echo_entered_after_it_was_sent() -> None:
    echo = Echo("lab", "recorder", 5)
    assert echo.returned(b"recorder 20") == 20
    assert echo.returned(b"recorder 10") == 20
    assert echo.returned(b"another-recorder 90") == 20
    assert echo.returned(b"nonsense") == 20
