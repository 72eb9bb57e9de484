"""The servers that other tests use are really there."""

import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from lab.core.database import Database
from lab.core.mqtt import connect, new_client
from lab.people.models import Organisation
from tests.factories import make_account, make_device
from tests.services import InfluxDB, Mosquitto, wait_until


def test_rows_of_one_test_do_not_reach_the_next(each_database: Database) -> None:
    with each_database.read() as session:
        assert session.scalars(sa.select(Organisation)).all() == []
    with each_database.write() as session:
        make_account(session)
        make_device(session)


test_rows_of_one_test_do_not_reach_the_next_either = test_rows_of_one_test_do_not_reach_the_next


def test_empty_postgresql_has_no_tables(postgres_url: str) -> None:
    database = Database(postgres_url)
    assert sa.inspect(database.engine).get_table_names() == []
    database.close()


def _retained(broker: Mosquitto, **signed_in: str) -> list[str]:
    address = broker.address(**signed_in)
    client = new_client(address, "reader")
    got: list[str] = []
    client.on_connect = lambda client, *_: client.subscribe("greeting", qos=1)
    client.on_message = lambda _client, _data, message: got.append(message.payload.decode())
    connect(client, address)
    client.loop_start()
    try:
        wait_until(lambda: bool(got), what="a retained message")
    finally:
        client.disconnect()
        client.loop_stop()
    return got


def _publish_retained(broker: Mosquitto, **signed_in: str) -> None:
    address = broker.address(**signed_in)
    client = new_client(address, "writer")
    connect(client, address)
    client.loop_start()
    client.publish("greeting", "hello", qos=1, retain=True).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_broker_keeps_its_messages_over_a_restart(own_mosquitto: Mosquitto) -> None:
    _publish_retained(own_mosquitto)
    own_mosquitto.restart()
    assert _retained(own_mosquitto) == ["hello"]


def test_killed_broker_comes_back_on_its_port(own_mosquitto: Mosquitto) -> None:
    own_mosquitto.kill()
    assert not own_mosquitto.running
    own_mosquitto.start()
    _publish_retained(own_mosquitto)
    assert _retained(own_mosquitto) == ["hello"]


def test_broker_takes_more_configuration(mosquitto_factory: Callable[..., Mosquitto]) -> None:
    broker = mosquitto_factory(
        ["allow_anonymous false", "password_file {folder}/passwords"],
        files={"passwords": "mill-1:$7$101$c2FsdHNhbHRzYWx0$sNPCL1JS0uENgwCTvAOXbAqGBGGvmhy8kE4wmPyPuaQ=\n"},
    )
    assert broker.running


def _status(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_influxdb_takes_points_and_gives_them_back(influxdb: InfluxDB) -> None:
    authorised = {"Authorization": f"Token {influxdb.token}"}
    write = f"{influxdb.url}/api/v2/write?org={influxdb.org}&bucket={influxdb.bucket}&precision=ns"
    line = b"power,device=mill-1 value=1.5 1795420800000000001"
    assert _status(urllib.request.Request(write, data=line, headers=authorised)) == 204
    assert _status(urllib.request.Request(write, data=line)) == 401
    query = f"{influxdb.url}/query?db={influxdb.bucket}&epoch=ns&q=SELECT+value+FROM+power"
    with urllib.request.urlopen(urllib.request.Request(query, headers=authorised), timeout=10) as answer:
        assert b"1795420800000000001,1.5" in answer.read()


def test_browser_is_a_program(chromium: Path) -> None:
    assert chromium.is_file()


def test_settings_of_the_developer_do_not_reach_tests() -> None:
    from lab.core.settings import load_settings

    assert load_settings().database_url is None


@pytest.mark.parametrize("name", ["mill-1", "meter-1"])
def test_devices_have_signals(database: Database, name: str) -> None:
    with database.write() as session:
        assert [signal.name for signal in make_device(session, name).signals] == ["spindle_power_kw", "feed_mm_s"]
