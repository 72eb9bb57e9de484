"""InfluxDB 2, or Debian's 1.6.7 behind nginx.

Debian's InfluxDB has the storage engine and InfluxQL of version 2 but only `/write`. nginx in front maps
`/api/v2/write?bucket=B&precision=P` to `/write?db=B&precision=P`, which is what 1.8 does inside, and asks for
the token.
"""

import itertools
import json
import os
import signal
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.services.containers import Container, docker_answers
from tests.services.programs import Program, ServiceMissingError, answers, find_program, free_port

IMAGE = "influxdb:2.7"
TOKEN = "token-of-the-tests"
ORG = "pilotlab"

_INFLUXD = """\
reporting-disabled = true
bind-address = "127.0.0.1:{inner_port}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
  index-version = "tsi1"
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
  max-body-size = 0
"""

_NGINX = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $arg_precision $precision {{ default n; us u; ms ms; s s; }}
    map "$http_authorization" $stranger {{ default 1; "Token {token}" 0; }}
    server {{
        listen 127.0.0.1:{port};
        location = /ping {{ proxy_pass http://127.0.0.1:{influxd}; }}
        location = /health {{
            default_type application/json;
            return 200 '{{"name":"influxdb","status":"pass","message":"ready for queries and writes","checks":[]}}';
        }}
        location = /api/v2/write {{
            if ($stranger) {{ return 401 '{{"code":"unauthorized","message":"unauthorized access"}}'; }}
            proxy_pass http://127.0.0.1:{influxd}/write?db=$arg_bucket&precision=$precision;
        }}
        location = /query {{
            if ($stranger) {{ return 401 '{{"code":"unauthorized","message":"unauthorized access"}}'; }}
            proxy_pass http://127.0.0.1:{influxd};
        }}
        location / {{ return 404 '{{"code":"not found","message":"path not found"}}'; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class InfluxDB:
    """What a program needs to know of a store: an empty bucket of its own."""

    url: str
    token: str
    org: str
    bucket: str


class InfluxDBServer:
    """A running InfluxDB in which buckets can be made.

    Args:
        url: where programs reach it.
        token: may do everything.
        org: organisation.
        version_1: address at which version 1 takes `CREATE DATABASE`; `None`: it is version 2.
        runners: what to end at last, first to last.
    """

    def __init__(
        self,
        url: str,
        token: str,
        org: str,
        *,
        version_1: str | None = None,
        runners: "tuple[Program | Container, ...]" = (),
    ) -> None:
        self.url = url
        self.token = token
        self.org = org
        self._version_1 = version_1
        self._runners = runners
        self._count = itertools.count(1)

    def create_bucket(self) -> InfluxDB:
        """Make a new, empty bucket."""
        name = f"pilotlab-test-{os.getpid()}-{next(self._count)}"
        if self._version_1 is not None:
            query = urllib.parse.urlencode({"q": f'CREATE DATABASE "{name}"'})
            _send(f"{self._version_1}/query?{query}", body=b"")
        else:
            headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
            found = _send(f"{self.url}/api/v2/orgs?{urllib.parse.urlencode({'org': self.org})}", headers=headers)
            body = json.dumps({"orgID": found["orgs"][0]["id"], "name": name, "retentionRules": []})
            _send(f"{self.url}/api/v2/buckets", body=body.encode(), headers=headers)
        return InfluxDB(self.url, self.token, self.org, name)

    def remove(self) -> None:
        """End it for good; one from the environment stays."""
        for runner in self._runners:
            if isinstance(runner, Container):
                runner.remove()
            else:
                runner.stop(signal.SIGTERM)


def start_influxdb(folder: Path) -> InfluxDBServer:
    """The server that `TEST_INFLUXDB_URL`, `…_TOKEN` and `…_ORG` name, else a new one.

    Args:
        folder: for the files of a new one.

    Raises:
        ServiceMissingError: when none of the ways works.
    """
    given = os.environ.get("TEST_INFLUXDB_URL")
    if given:
        token = os.environ.get("TEST_INFLUXDB_TOKEN", TOKEN)
        return InfluxDBServer(given.rstrip("/"), token, os.environ.get("TEST_INFLUXDB_ORG", ORG))
    reasons = ["TEST_INFLUXDB_URL is not set", "Docker does not answer"]
    if docker_answers():
        try:
            return _in_container()
        except ServiceMissingError as error:
            reasons[1] = str(error)
    influxd, nginx = find_program("influxd"), find_program("nginx")
    if influxd is None or nginx is None:
        absent = " and ".join(name for name, path in (("influxd", influxd), ("nginx", nginx)) if path is None)
        raise ServiceMissingError(f"InfluxDB: {'; '.join(reasons)}; not installed: {absent}")
    return _installed(influxd, nginx, folder)


def _installed(influxd: Path, nginx: Path, folder: Path) -> InfluxDBServer:
    folder.mkdir(parents=True, exist_ok=True)
    store_port, inner_port, port = free_port(), free_port(), free_port()
    store_file, front_file = folder / "influxdb.conf", folder / "nginx.conf"
    store_file.write_text(_INFLUXD.format(folder=folder, port=store_port, inner_port=inner_port))
    user = "user root root;" if os.geteuid() == 0 else ""
    front_file.write_text(_NGINX.format(folder=folder, port=port, influxd=store_port, token=TOKEN, user=user))
    store = Program([influxd, "-config", store_file], folder=folder)
    store.start(lambda: answers("127.0.0.1", store_port))
    front = Program([nginx, "-e", folder / "nginx-error.log", "-p", folder, "-c", front_file], folder=folder)
    try:
        front.start(lambda: answers("127.0.0.1", port))
    except ServiceMissingError:
        store.stop()
        raise
    return InfluxDBServer(
        f"http://127.0.0.1:{port}",
        TOKEN,
        ORG,
        version_1=f"http://127.0.0.1:{store_port}",
        runners=(front, store),
    )


def _in_container() -> InfluxDBServer:
    port = free_port()
    container = Container(
        IMAGE,
        ready_line=r'"msg":"?Listening"?|msg=Listening|\bListening\b',
        ports={8086: port},
        environment={
            "DOCKER_INFLUXDB_INIT_MODE": "setup",
            "DOCKER_INFLUXDB_INIT_USERNAME": "pilotlab",
            "DOCKER_INFLUXDB_INIT_PASSWORD": "password-of-the-tests",
            "DOCKER_INFLUXDB_INIT_ORG": ORG,
            "DOCKER_INFLUXDB_INIT_BUCKET": "first",
            "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN": TOKEN,
        },
    )
    container.start()
    return InfluxDBServer(f"http://{container.host}:{port}", TOKEN, ORG, runners=(container,))


def _send(url: str, *, body: bytes | None = None, headers: dict[str, str] | None = None) -> dict[str, object]:
    request = urllib.request.Request(url, data=body, headers=headers or {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"{}")
