"""The broker as `deploy/mosquitto/mosquitto.conf` sets it up, with the files that `pilotlab broker-files` writes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from paho.mqtt.client import Client

from devices.credentials import hash_mqtt_password
from lab.core.broker import BrokerAccounts, mosquitto_configuration, mosquitto_files
from lab.core.mqtt import connect, new_client
from tests.services import Mosquitto, wait_until

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "mosquitto" / "mosquitto.conf"
OF_THE_MACHINE = ("listener ", "persistence", "include_dir", "log_", "autosave", "pid_file", "user ")
"""What depends on where the broker runs."""


def _lines() -> list[str]:
    text = CONFIGURATION.read_text().replace("/broker/", "{folder}/")
    return [
        line for line in text.splitlines() if line and not line.startswith(("#", "listener ", "persist", "include_dir"))
    ]


@pytest.fixture
def broker(mosquitto_factory: Callable[..., Mosquitto]) -> Mosquitto:
    devices = {name: hash_mqtt_password(f"password of {name}") for name in ("mill-1", "meter-1")}
    accounts = BrokerAccounts("gliwice", hash_mqtt_password("password of pilotlab"), devices)
    # Repeated settings of the fixture (queue, window) are replaced by these.
    return mosquitto_factory(_lines(), files=mosquitto_files(accounts))


class Guest:
    """Somebody at the broker, and what reached them."""

    def __init__(self, broker: Mosquitto, name: str | None, password: str | None = None) -> None:
        self.refused: bool | None = None
        self.got: list[str] = []
        address = broker.address(username=name, password=password or f"password of {name}")
        self.client: Client = new_client(address, f"guest-{name}")
        self.client.on_connect = self._connected
        self.client.on_message = lambda _client, _data, message: self.got.append(message.topic)
        connect(self.client, address)
        self.client.loop_start()
        wait_until(lambda: self.refused is not None, what="an answer to CONNECT")

    def _connected(self, client: Client, _data: object, _flags: object, reason: object, _properties: object) -> None:
        self.refused = bool(reason.is_failure)
        if self.refused:
            client.disconnect()

    def say(self, topic: str) -> None:
        self.client.publish(topic, b"{}", qos=1).wait_for_publish(10)

    def hear(self, topic: str) -> None:
        answered: list[bool] = []
        self.client.on_subscribe = lambda *_: answered.append(True)
        self.client.subscribe(topic, qos=1)
        wait_until(lambda: bool(answered), what="an answer to SUBSCRIBE")

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.mark.parametrize(("name", "password"), [(None, None), ("mill-1", "wrong"), ("stranger", "secret")])
def test_nobody_gets_in_without_a_right_password(broker: Mosquitto, name: str | None, password: str | None) -> None:
    guest = Guest(broker, name, password)
    assert guest.refused
    guest.leave()


def test_device_writes_below_its_own_name_only(broker: Mosquitto) -> None:
    product = Guest(broker, "pilotlab")
    product.hear("pilotlab/#")
    for topic in ("pilotlab/gliwice/meter-1/data", "pilotlab/elsewhere/mill-1/data", "pilotlab/gliwice/mill-1/data"):
        mill = Guest(broker, "mill-1")  # Mosquitto 2.0.11 ends the connection of whoever publishes where it may not
        mill.say(topic)
        mill.leave()
    wait_until(lambda: bool(product.got), what="the mill's own message")
    assert product.got == ["pilotlab/gliwice/mill-1/data"]
    product.leave()


def test_device_hears_its_own_commands_only(broker: Mosquitto) -> None:
    product, mill = Guest(broker, "pilotlab"), Guest(broker, "mill-1")
    mill.hear("pilotlab/#")
    mill.hear("pilotlab/gliwice/mill-1/command")
    product.say("pilotlab/gliwice/meter-1/command")
    product.say("pilotlab/gliwice/meter-1/data")
    product.say("pilotlab/gliwice/mill-1/command")
    wait_until(lambda: bool(mill.got), what="the mill's command")
    assert set(mill.got) == {"pilotlab/gliwice/mill-1/command"}
    product.leave()
    mill.leave()


def test_device_cannot_command_itself(broker: Mosquitto) -> None:
    product = Guest(broker, "pilotlab")
    product.hear("pilotlab/#")
    for kind in ("command", "echo", "state"):
        mill = Guest(broker, "mill-1")
        mill.say(f"pilotlab/gliwice/mill-1/{kind}")
        mill.leave()
    wait_until(lambda: bool(product.got), what="the mill's state")
    assert product.got == ["pilotlab/gliwice/mill-1/state"]
    product.leave()


def test_sparkplug_node_speaks_under_its_own_name_only(broker: Mosquitto) -> None:
    product = Guest(broker, "pilotlab")
    product.hear("spBv1.0/#")
    told = [f"spBv1.0/plant/{kind}/mill-1" for kind in ("NBIRTH", "NDATA", "NDEATH")]
    told += [f"spBv1.0/plant/{kind}/mill-1/spindle" for kind in ("DBIRTH", "DDATA", "DDEATH")]
    refused = ["spBv1.0/plant/NDATA/meter-1", "spBv1.0/plant/DDATA/meter-1/mill-1", "spBv1.0/plant/NCMD/mill-1"]
    refused += ["spBv1.0/STATE/pilotlab", "spBv1.0/plant/NCMD/meter-1"]
    for topic in [*refused, *told]:
        mill = Guest(broker, "mill-1")
        mill.say(topic)
        mill.leave()
    wait_until(lambda: len(product.got) >= len(told), what="what the node may say")
    assert product.got == told
    mill = Guest(broker, "mill-1")
    for topic in ("spBv1.0/#", "spBv1.0/STATE/pilotlab", "spBv1.0/+/NCMD/mill-1"):
        mill.hear(topic)
    for topic in ("spBv1.0/plant/NCMD/meter-1", "spBv1.0/plant/NDATA/mill-1", "spBv1.0/plant/NCMD/mill-1"):
        product.say(topic)
    wait_until(lambda: bool(mill.got), what="the node's command")
    assert set(mill.got) == {"spBv1.0/plant/NCMD/mill-1"}
    product.leave()
    mill.leave()


def test_deployed_broker_loses_as_little_as_the_embedded_one(tmp_path: Path) -> None:
    def choices(text: str) -> dict[str, str]:
        lines = [line for line in text.splitlines() if line and not line.startswith(("#", *OF_THE_MACHINE))]
        return {key: value for key, _, value in (line.partition(" ") for line in lines) if not key.endswith("_file")}

    embedded = choices(mosquitto_configuration(tmp_path, host="127.0.0.1", port=1883))
    assert choices(CONFIGURATION.read_text()) == embedded
