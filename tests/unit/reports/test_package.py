"""The data package: complete, checkable, the same every time, and never made from altered data."""

import csv
import hashlib
import io
import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from lab.reports.assembly import compute_results
from lab.reports.errors import DataSetAlteredError
from lab.reports.package import write_package
from lab.reports.results import Results
from tests.unit.reports.report_examples import seal_example


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    folder = tmp_path_factory.mktemp("pilot") / "sealed"
    seal_example(folder, customer='Firma "Łódź", sp. z o.o.')
    return folder, compute_results(folder)


def package_of(sealed: tuple[Path, Results], path: Path) -> str:
    folder, results = sealed
    return write_package(
        path, results=results, folder=folder, pdf=b"%PDF", page="<p>é</p>", charts={"a.svg": b"<svg/>"}
    )


@pytest.fixture
def package(sealed, tmp_path):
    package_of(sealed, tmp_path / "p.zip")
    with zipfile.ZipFile(tmp_path / "p.zip") as opened:
        yield opened


def test_everything_is_there_and_in_order(sealed, package):
    names = package.namelist()
    assert names == sorted(names)
    wanted = {
        "report.pdf",
        "report.html",
        "results/results.json",
        "plan.json",
        "runs.csv",
        "manifest.json",
        "README.txt",
    }
    wanted |= {"ro-crate-metadata.json", "datapackage.json", "checksums.sha256", "data/run-01.parquet", "charts/a.svg"}
    assert wanted <= set(names)
    assert {entry.path for entry in sealed[1].manifest.files} <= set(names)
    assert package.testzip() is None


def test_the_same_data_give_the_same_bytes(sealed, tmp_path):
    first, second = package_of(sealed, tmp_path / "1.zip"), package_of(sealed, tmp_path / "2.zip")
    assert first == second == hashlib.sha256((tmp_path / "1.zip").read_bytes()).hexdigest()


def test_anybody_can_check_the_hashes_with_a_common_tool(package, tmp_path):
    package.extractall(tmp_path / "out")
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "checksums.sha256"], cwd=tmp_path / "out", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert len(done.stdout.splitlines()) == len(package.namelist()) - 1


def test_the_manifest_is_the_one_whose_hash_is_printed(sealed, package):
    assert hashlib.sha256(package.read("manifest.json")).hexdigest() == sealed[1].manifest.sha256
    assert b"report.pdf" not in package.read("manifest.json")


def test_the_numbers_in_full_are_in_the_package(sealed, package):
    assert Results.model_validate_json(package.read("results/results.json")) == sealed[1]
    rows = list(csv.DictReader(io.StringIO(package.read("results/run-values.csv").decode())))
    primary = sealed[1].primary
    assert [float(row["energy_per_part"]) for row in rows] == [run.value for run in primary.runs]
    assert [row["energy_per_part_excluded"] or None for row in rows] == [run.excluded for run in primary.runs]


def test_every_run_is_an_action_that_made_its_file(package):
    graph = {part["@id"]: part for part in json.loads(package.read("ro-crate-metadata.json"))["@graph"]}
    actions = [part for part in graph.values() if part["@type"] == "CreateAction"]
    assert len(actions) == 11
    assert graph["#run-03"]["result"] == {"@id": "data/run-03.parquet"}
    assert graph["#run-03"]["startTime"] < graph["#run-03"]["endTime"]
    assert graph["./"]["conformsTo" if "conformsTo" in graph["./"] else "name"]
    assert graph["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    for part in graph["./"]["hasPart"]:
        assert graph[part["@id"]]["sha256"] == hashlib.sha256(package.read(part["@id"])).hexdigest()


def test_every_column_is_described_with_its_ucum_unit(package):
    described = json.loads(package.read("datapackage.json"))
    by_path = {resource["path"]: resource for resource in described["resources"]}
    for path in ("runs.csv", "results/run-values.csv"):
        header = next(csv.reader(io.StringIO(package.read(path).decode())))
        assert [field["name"] for field in by_path[path]["schema"]["fields"]] == header
    units = {field["name"]: field.get("unit") for field in by_path["results/run-values.csv"]["schema"]["fields"]}
    assert (units["energy_per_part"], units["run_time"], units["roughness"]) == ("kW.h", "s", "um")
    assert by_path["data/run-01.parquet"]["pilotlab:signals"][0]["unit"] == "kW"


def test_altered_data_make_no_package(sealed, tmp_path):
    folder, results = sealed
    altered = tmp_path / "altered"
    for file in (path for path in folder.rglob("*") if path.is_file()):
        copy = altered / file.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    data = bytearray((altered / "data/run-02.parquet").read_bytes())
    data[100] ^= 1
    (altered / "data/run-02.parquet").write_bytes(data)
    with pytest.raises(DataSetAlteredError, match=r"run-02.parquet of the sealed data is not what was sealed"):
        package_of((altered, results), tmp_path / "p.zip")
    (altered / "data/run-02.parquet").unlink()
    with pytest.raises(DataSetAlteredError, match="is missing"):
        package_of((altered, results), tmp_path / "p.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["altered"]


def test_a_manifest_cannot_reach_outside_its_folder(sealed, tmp_path):
    document = json.loads(sealed[1].model_dump_json())
    document["manifest"]["files"].append({"path": "../../secret", "bytes": 1, "sha256": "0" * 64})
    with pytest.raises(DataSetAlteredError, match="outside"):
        package_of((sealed[0], Results.model_validate(document)), tmp_path / "p.zip")


def test_the_readme_tells_how_to_check(sealed, package):
    readme = package.read("README.txt").decode()
    assert "sha256sum --check checksums.sha256" in readme
    assert sealed[1].manifest.sha256 in readme
