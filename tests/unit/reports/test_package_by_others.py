"""The data package, read by programs that know nothing of Pilot Lab: Frictionless Data and RO-Crate."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from frictionless import Package, validate
from rocrate.rocrate import ROCrate

from lab.reports.assembly import compute_results
from lab.reports.package import write_package
from tests.unit.reports.report_examples import seal_example


def make_package(folder: Path) -> Path:
    """Seal the example in a new folder and pack it."""
    seal_example(folder / "sealed", customer='Firma "Łódź", sp. z o.o.')
    results = compute_results(folder / "sealed")
    write_package(
        folder / "package.zip", results=results, folder=folder / "sealed", pdf=b"%PDF", page="<p>é</p>",
        charts={"a.svg": b"<svg/>"},
    )  # fmt: skip
    return folder / "package.zip"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    with zipfile.ZipFile(make_package(folder)) as package:
        package.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_frictionless_finds_every_table_valid(unpacked: Path) -> None:
    report = validate(unpacked / "datapackage.json")
    assert report.valid, report.flatten(["name", "rowNumber", "fieldName", "message"])
    assert [task.place for task in report.tasks if task.place.endswith(".csv")] == [
        "runs.csv",
        "results/run-values.csv",
    ]
    assert sum(task.place.endswith(".parquet") for task in report.tasks) == 11


def test_frictionless_finds_a_column_that_is_not_as_described(unpacked: Path) -> None:
    described = json.loads((unpacked / "datapackage.json").read_bytes())
    for resource in described["resources"]:
        for field in resource["schema"]["fields"]:
            if field["name"] == "boot":
                field["name"] = "start"
    (unpacked / "other.json").write_text(json.dumps(described))
    report = validate(unpacked / "other.json")
    assert {task.valid for task in report.tasks if task.place.endswith(".parquet")} == {False}


def test_frictionless_reads_the_numbers_of_the_runs(unpacked: Path) -> None:
    package = Package(unpacked / "datapackage.json")
    rows = package.get_resource("run-values").read_rows()
    assert [row["run"] for row in rows] == list(range(1, 12))
    counted = [row for row in rows if row["energy_per_part_excluded"] is None]
    assert counted
    assert all(row["energy_per_part"] > 0 for row in counted)
    first = package.get_resource("run-01").read_rows()[0]
    assert first["settled_ns"] > 10**18
    assert first["device"]


def test_a_crate_is_read_back_with_its_report_runs_and_files(unpacked: Path) -> None:
    crate = ROCrate(unpacked)
    assert crate.root_dataset["mainEntity"].id == "report.pdf"
    assert crate.publisher.type == "Organization"
    actions = [entity for entity in crate.get_entities() if entity.type == "CreateAction"]
    assert [action["result"].id for action in actions] == [f"data/run-{number:02}.parquet" for number in range(1, 12)]
    for action in actions:
        assert action["instrument"]
        assert {machine.type for machine in action["instrument"]} == {"Product"}
        assert action["agent"] == crate.publisher
    for file in crate.data_entities:
        content = (unpacked / file.id).read_bytes()
        assert (file["contentSize"], file["sha256"]) == (str(len(content)), hashlib.sha256(content).hexdigest())


def test_no_entity_of_the_crate_is_named_but_not_described(unpacked: Path) -> None:
    graph = json.loads((unpacked / "ro-crate-metadata.json").read_bytes())["@graph"]
    known = [entity["@id"] for entity in graph]
    assert len(known) == len(set(known))
    named = {part["@id"] for entity in graph for value in entity.values() for part in _references(value)}
    assert {name for name in named if "://" not in name} <= set(known)


def test_two_processes_make_the_same_bytes(tmp_path: Path) -> None:
    made = [_in_a_process(tmp_path / name, hash_seed=name) for name in ("1", "2")]
    assert made[0] == made[1]


def _references(value: object) -> list[dict[str, str]]:
    listed = value if isinstance(value, list) else [value]
    return [part for part in listed if isinstance(part, dict) and set(part) == {"@id"}]


def _in_a_process(folder: Path, *, hash_seed: str) -> bytes:
    folder.mkdir()
    code = f"from pathlib import Path; from {__name__} import make_package; make_package(Path({str(folder)!r}))"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONHASHSEED": hash_seed})
    return (folder / "package.zip").read_bytes()
