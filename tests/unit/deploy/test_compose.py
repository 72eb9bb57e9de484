"""`compose.yaml` fits the product: its commands, its settings, its secrets."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from lab.cli import app
from lab.core.settings import Settings

ROOT = Path(__file__).parents[3]
PRODUCT = {"migrate", "broker-files", "web", "worker", "recorder"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return compose["services"]


def test_every_part_of_a_deployment_is_there(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == PRODUCT | {"postgres", "influxdb", "mosquitto"}


@pytest.mark.parametrize("name", sorted(PRODUCT | {"postgres", "influxdb", "mosquitto"}))
def test_a_container_says_only_what_compose_understands(services: dict[str, dict[str, Any]], name: str) -> None:
    """A setting that slips out of `environment` stops all of `docker compose`, and here there is none to say so."""
    known = {
        "build", "cap_add", "cap_drop", "command", "depends_on", "entrypoint", "environment", "expose", "healthcheck",
        "image", "init", "mem_limit", "networks", "ports", "profiles", "read_only", "restart", "security_opt",
        "stop_grace_period", "tmpfs", "user", "volumes",
    }  # fmt: skip
    assert set(services[name]) - known == set()


def test_what_may_be_set_in_env_reaches_every_part_of_the_product(services: dict[str, dict[str, Any]]) -> None:
    named = set(re.findall(r"^#?(PILOTLAB_(?:LAB|SEAL|SPARKPLUG|TIME|OPENING|LANGUAGE)\w*)=",
                           (ROOT / ".env.example").read_text(), re.MULTILINE))  # fmt: skip
    assert {"PILOTLAB_SEAL_SETTLING_MINUTES", "PILOTLAB_SPARKPLUG_GROUP", "PILOTLAB_LAB_ADDRESS"} <= named
    for name in PRODUCT:
        assert named - set(services[name]["environment"]) == set(), name


@pytest.mark.parametrize("name", sorted(PRODUCT))
def test_product_containers_run_commands_that_exist(services: dict[str, dict[str, Any]], name: str) -> None:
    assert services[name]["command"][0] in get_command(app).commands


@pytest.mark.parametrize("name", sorted(PRODUCT))
def test_product_containers_are_given_settings_that_exist_and_fit(
    services: dict[str, dict[str, Any]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in services[name]["environment"].items():
        assert variable.removeprefix("PILOTLAB_").lower() in Settings.model_fields
        if value is None:  # as .env has it, else the product's default
            continue
        monkeypatch.setenv(
            variable,
            re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)\}", lambda found: "secret" if found[1] is None else found[1], value),
        )
    assert Settings().broker == "external"


@pytest.mark.parametrize("name", sorted(PRODUCT))
def test_product_containers_can_write_their_volumes_only(services: dict[str, dict[str, Any]], name: str) -> None:
    assert services[name]["read_only"] is True
    assert services[name]["cap_drop"] == ["ALL"]


def test_servers_that_stay_are_watched_and_come_back(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        if name in {"migrate", "broker-files"}:
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"], name


def test_every_volume_is_declared(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    used = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert {name for name in used if not name.startswith(".")} == set(compose["volumes"])


def test_every_file_that_is_named_exists(services: dict[str, dict[str, Any]]) -> None:
    bound = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    bound = {path for path in bound if path.startswith(".")}
    builds = [service["build"] for service in services.values() if "build" in service]
    assert bound
    assert all((ROOT / path).exists() for path in bound)
    assert builds
    assert all((ROOT / build["context"] / build["dockerfile"]).is_file() for build in builds)


def test_first_start_goes_in_an_order_that_works_out(services: dict[str, dict[str, Any]]) -> None:
    """A schema before anybody reads it, the broker's files before the broker, the broker before those who need it."""
    waits = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in services.items()
    }
    done, well = "service_completed_successfully", "service_healthy"
    assert waits["migrate"] == {"postgres": well}
    assert waits["broker-files"] == {"migrate": done}
    assert waits["mosquitto"] == {"broker-files": done}
    for name in ("web", "recorder"):
        assert waits[name] == {"migrate": done, "mosquitto": well, "influxdb": well}
    assert waits["worker"] == {"migrate": done, "influxdb": well}


def test_database_counts_as_ready_only_when_it_takes_connections_over_tcp(services: dict[str, dict[str, Any]]) -> None:
    """While its image sets itself up it answers on its socket only, and `migrate` would be refused."""
    assert "--host=127.0.0.1" in services["postgres"]["healthcheck"]["test"]


def test_broker_lets_nobody_in_without_a_password() -> None:
    lines = (ROOT / "deploy" / "mosquitto" / "mosquitto.conf").read_text().splitlines()
    assert "allow_anonymous false" in lines
    assert "password_file /broker/passwords" in lines
    assert "acl_file /broker/acl" in lines


def test_every_secret_is_asked_for_and_none_is_written_down(services: dict[str, dict[str, Any]]) -> None:
    example = dict(
        line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if line and line[0] != "#"
    )
    required = set(re.findall(r"\$\{(\w+):\?", (ROOT / "compose.yaml").read_text()))
    assert required == {"POSTGRES_PASSWORD", "BROKER_PASSWORD", "INFLUXDB_PASSWORD", "INFLUXDB_TOKEN"}
    assert all(example[name] == "" for name in required)
    for service in services.values():
        for variable, value in service.get("environment", {}).items():
            if variable.endswith(("PASSWORD", "TOKEN")):
                assert value.startswith("${"), variable


def test_nothing_is_open_to_the_network_unless_asked_for(services: dict[str, dict[str, Any]]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(":-127.0.0.1:" in port for port in ports)
