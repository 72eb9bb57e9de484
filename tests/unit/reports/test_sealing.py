"""Sealed data: the same bytes for the same content, and nothing altered goes unnoticed."""

import json

import pyarrow.parquet as pq
import pytest

from lab.pilots.examples import demo_plan
from lab.reports.assembly import compute_results
from lab.reports.errors import DataSetAlteredError
from lab.reports.sealing import read_data_set
from tests.unit.reports.sealed_examples import constant_power, sealed_device, sealed_run, write_pilot


def seal(folder, *, mixed=False):
    runs = [sealed_run(number, arm, seconds=60) for number, arm in enumerate(["standard", "fast"] * 2, start=1)]

    def samples_of(run):
        table = constant_power(run, 1.0 + run.number / 10)
        return [table.take(list(reversed(range(table.num_rows))))] if mixed else [table]

    devices = [sealed_device("meter-1", {"active_power_kw": "kW"}), sealed_device("mill-1", {})]
    return write_pilot(folder, demo_plan(runs_per_arm=2), runs, devices, samples_of)


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_sealing_twice_gives_the_same_bytes(tmp_path):
    assert seal(tmp_path / "first") == seal(tmp_path / "second")
    assert content(tmp_path / "first") == content(tmp_path / "second")


def test_order_in_which_a_store_answers_does_not_matter(tmp_path):
    assert seal(tmp_path / "first") == seal(tmp_path / "second", mixed=True)


def test_manifest_names_every_other_file(tmp_path):
    seal(tmp_path / "sealed")
    manifest = json.loads((tmp_path / "sealed" / "manifest.json").read_text())
    assert {entry["path"] for entry in manifest["files"]} == set(content(tmp_path / "sealed")) - {"manifest.json"}


def test_hash_of_the_plan_file_is_the_one_it_was_locked_with(tmp_path):
    seal(tmp_path / "sealed")
    data = read_data_set(tmp_path / "sealed")
    entry = next(file for file in data.manifest.files if file.path == "plan.json")
    assert entry.sha256 == data.pilot.plan_sha256


def test_run_table_is_there_for_people_too(tmp_path):
    seal(tmp_path / "sealed")
    lines = (tmp_path / "sealed" / "runs.csv").read_text().splitlines()
    assert lines[0].startswith("run,arm,executed_order,booking,started_at,ended_at,excluded,data,result_finished")
    assert lines[1].startswith("1,standard,1,bkg_1,2026-11-23T07:10:00Z")
    assert len(lines) == 5


def test_samples_are_sorted_by_device_signal_and_time(tmp_path):
    seal(tmp_path / "sealed", mixed=True)
    times = pq.read_table(tmp_path / "sealed" / "data" / "run-01.parquet").column("settled_ns").to_pylist()
    assert times == sorted(times)


@pytest.mark.parametrize("name", ["plan.json", "pilot.json", "runs.json", "runs.csv", "data/run-02.parquet"])
def test_a_flipped_byte_is_found(tmp_path, name):
    seal(tmp_path / "sealed")
    path = tmp_path / "sealed" / name
    altered = bytearray(path.read_bytes())
    altered[len(altered) // 2] ^= 1
    path.write_bytes(altered)
    with pytest.raises(DataSetAlteredError, match=name):
        compute_results(tmp_path / "sealed")


def test_a_missing_file_is_found(tmp_path):
    seal(tmp_path / "sealed")
    (tmp_path / "sealed" / "data" / "run-03.parquet").unlink()
    with pytest.raises(DataSetAlteredError, match=r"run-03.parquet of the sealed data is missing"):
        read_data_set(tmp_path / "sealed")


def test_another_manifest_than_the_sealed_one_is_found(tmp_path):
    sha256 = seal(tmp_path / "sealed")
    path = tmp_path / "sealed" / "manifest.json"
    path.write_bytes(path.read_bytes() + b" ")
    assert read_data_set(tmp_path / "sealed").manifest_sha256 != sha256
    with pytest.raises(DataSetAlteredError, match=r"manifest.json"):
        read_data_set(tmp_path / "sealed", manifest_sha256=sha256)


def test_a_manifest_that_points_outside_its_folder_is_refused(tmp_path):
    seal(tmp_path / "sealed")
    path = tmp_path / "sealed" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][0]["path"] = "../../etc/hostname"
    path.write_text(json.dumps(manifest))
    with pytest.raises(DataSetAlteredError, match="is missing"):
        read_data_set(tmp_path / "sealed")


def test_a_folder_without_manifest_is_no_data_set(tmp_path):
    with pytest.raises(DataSetAlteredError, match=r"manifest.json"):
        read_data_set(tmp_path)
