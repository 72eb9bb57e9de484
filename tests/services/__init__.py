"""Real servers for tests: from the environment, else in a container, else the installed program, else a reason.

`tests/conftest.py` makes fixtures of them; a test that wants two of a kind, or to kill one, starts them from here.
"""

from tests.services.chromium import chromium_program
from tests.services.containers import docker_answers
from tests.services.influxdb import InfluxDB, InfluxDBServer, start_influxdb
from tests.services.khal import Khal, KhalEvent, start_khal
from tests.services.mosquitto import Mosquitto, start_mosquitto
from tests.services.postgres import PostgresCluster, start_postgres
from tests.services.programs import ServiceMissingError, free_port, wait_until

__all__ = [
    "InfluxDB",
    "InfluxDBServer",
    "Khal",
    "KhalEvent",
    "Mosquitto",
    "PostgresCluster",
    "ServiceMissingError",
    "chromium_program",
    "docker_answers",
    "free_port",
    "start_influxdb",
    "start_khal",
    "start_mosquitto",
    "start_postgres",
    "wait_until",
]
