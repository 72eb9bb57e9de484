"""Our password hashes at a real Mosquitto."""

import threading
from collections.abc import Callable

from paho.mqtt.client import Client

from devices.credentials import hash_mqtt_password
from lab.core.mqtt import connect, new_client
from tests.services import Mosquitto


def sign_in(broker: Mosquitto, username: str, password: str) -> bool:
    address = broker.address(username=username, password=password)
    client = new_client(address, f"test-{username}")
    answered = threading.Event()
    accepted: list[bool] = []

    def connected(_: Client, __: object, ___: object, reason: object, ____: object) -> None:
        accepted.append(not reason.is_failure)  # type: ignore[attr-defined]
        answered.set()

    client.on_connect = connected
    connect(client, address)
    client.loop_start()
    assert answered.wait(10)
    client.disconnect()
    client.loop_stop()
    return accepted[0]


def test_mosquitto_lets_in_who_has_the_password_and_nobody_else(
    mosquitto_factory: Callable[..., Mosquitto],
) -> None:
    passwords = {"mill-1": "correct horse", "meter-1": "zażółć gęślą jaźń"}
    lines = "".join(f"{name}:{hash_mqtt_password(password)}\n" for name, password in passwords.items())
    broker = mosquitto_factory(
        ["allow_anonymous false", "password_file {folder}/passwords"], files={"passwords": lines}
    )
    assert sign_in(broker, "mill-1", passwords["mill-1"])
    assert sign_in(broker, "meter-1", passwords["meter-1"])
    assert not sign_in(broker, "mill-1", "wrong password")
    assert not sign_in(broker, "meter-1", passwords["mill-1"])
    assert not sign_in(broker, "robot-1", passwords["mill-1"])
