"""How long messages may have waited in the broker: the recorder sends itself an echo through its own queue.

A broker hands a session its messages in the order in which they came. Whatever arrives after an echo has therefore
entered the broker after that echo was sent. Works with every broker and MQTT version, and needs no device to cooperate.
"""

import time

from paho.mqtt.client import Client

EVERY_SECONDS = 1.0
AGAIN_AFTER_SECONDS = 15.0


class Echo:
    """Sends echoes and remembers the newest one that came back.

    Args:
        lab: the lab.
        client_id: tells own echoes from another recorder's.
        entered_after_ns: what is known from the last time.
    """

    def __init__(self, lab: str, client_id: str, entered_after_ns: int) -> None:
        self.topic = f"pilotlab/{lab}/recorder/echo"
        self.entered_after_ns = entered_after_ns
        """Everything that arrives now has entered the broker at or after this instant."""
        self._mark = client_id.encode()
        self._due = 0.0

    def send(self, client: Client, *, now_ns: int) -> None:
        """Send the next echo if it is time."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + AGAIN_AFTER_SECONDS
            client.publish(self.topic, b"%s %d" % (self._mark, now_ns), qos=1)

    def returned(self, payload: bytes) -> int:
        """An echo has come back; returns what is known now."""
        mark, _, sent_ns = payload.rpartition(b" ")
        if mark == self._mark and sent_ns.isdigit():
            self.entered_after_ns = max(self.entered_after_ns, int(sent_ns))
            self._due = min(self._due, time.monotonic() + EVERY_SECONDS)
        return self.entered_after_ns

    def nothing_waits(self, now_ns: int) -> None:
        """The broker has kept no session: its queue is empty, everything enters from now on."""
        self.entered_after_ns = now_ns
