"""`pilotlab verify`: whoever has a package and nothing else can say whether it is what the lab wrote."""

import json
import random
import shutil
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.cli import app
from lab.core.errors import InvalidError
from lab.reports.assembly import compute_results
from lab.reports.files import write_report
from lab.reports.results import Results
from lab.reports.verifying import verify_package
from lab.reports.verifying.comparing import compare
from lab.reports.verifying.unpacking import NotAPackageError
from tests.unit.reports.report_examples import in_polish, said, seal_example

FLIPS = 25


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pilot")
    seal_example(folder / "sealed")
    write_report(folder / "report", compute_results(folder / "sealed"), folder / "sealed")
    return folder / "report" / "package.zip"


@pytest.fixture
def opened(package: Path, tmp_path: Path) -> Path:
    """The package as somebody unpacked it."""
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path / "opened")
    return tmp_path / "opened"


def wrong(package: Path) -> list[str]:
    return [f"{one.part}: {one.fact}" for one in verify_package(package) if one.level == "wrong"]


def repack(folder: Path, package: Path, *, relist: bool = True) -> Path:
    """As a forger would: with a list of hashes that fits."""
    from lab.reports.sealing import file_sha256

    if relist:
        names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        lines = [f"{file_sha256(folder / name)}  {name}\n" for name in names if name != "checksums.sha256"]
        (folder / "checksums.sha256").write_text("".join(lines))
    with zipfile.ZipFile(package, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return package


def test_a_polish_report_is_computed_again_in_polish(tmp_path):
    seal_example(tmp_path / "sealed")
    results = compute_results(tmp_path / "sealed", issue=in_polish(said()))
    write_report(tmp_path / "report", results, tmp_path / "sealed")
    assert wrong(tmp_path / "report" / "package.zip") == []


def test_a_package_as_the_lab_wrote_it_is_the_same(package):
    findings = verify_package(package)
    assert [one for one in findings if one.level == "wrong"] == []
    assert findings[-1].fact.startswith("SAME")
    numbers = next(one for one in findings if one.part == "numbers")
    assert int(numbers.fact.split()[0]) > 100


def test_the_unpacked_folder_is_the_same_too(opened):
    assert wrong(opened) == []


def test_the_command_says_so_with_its_exit_code(package, opened):
    runner = CliRunner()
    assert runner.invoke(app, ["verify", str(package)]).exit_code == 0
    (opened / "runs.csv").write_bytes(b"run\n")
    answer = runner.invoke(app, ["verify", str(opened)])
    assert answer.exit_code == 1
    assert "runs.csv" in answer.output
    assert "DIFFERENT" in answer.output


@pytest.mark.parametrize("seed", range(FLIPS))
def test_one_flipped_byte_anywhere_is_found(package, tmp_path, seed):
    content = bytearray(package.read_bytes())
    place = random.Random(seed).randrange(len(content))
    content[place] ^= 0x40
    (tmp_path / "p.zip").write_bytes(content)
    try:
        found = wrong(tmp_path / "p.zip")
    except NotAPackageError as refused:
        found = [refused.message]
    assert found, f"byte {place} of {len(content)}"


def test_a_number_changed_together_with_its_hashes_is_found_by_computing_it_again(opened, tmp_path):
    path = opened / "results" / "results.json"
    results = json.loads(path.read_text())
    results["kpis"][0]["comparison"]["difference"] *= 1.0000001
    path.write_text(json.dumps(results))
    found = wrong(repack(opened, tmp_path / "forged.zip"))
    assert any("kpis.0.comparison.difference" in one for one in found), found


def test_another_pdf_with_hashes_that_fit_is_found_by_drawing_it_again(opened, tmp_path):
    (opened / "report.pdf").write_bytes(b"%PDF-1.7 Invest!")
    assert any("report.pdf" in one for one in wrong(repack(opened, tmp_path / "forged.zip")))


def test_a_sealed_file_changed_with_hashes_that_fit_is_not_what_the_manifest_names(opened, tmp_path):
    (opened / "runs.json").write_bytes((opened / "runs.json").read_bytes() + b" ")
    assert any("runs.json" in one for one in wrong(repack(opened, tmp_path / "forged.zip")))


def test_missing_added_and_doubled_files_are_named(opened, package, tmp_path):
    (opened / "README.txt").unlink()
    (opened / "extra.txt").write_text("by the way")
    found = wrong(repack(opened, tmp_path / "p.zip", relist=False))
    assert any("README.txt is missing" in one for one in found)
    assert any("extra.txt is not in the list" in one for one in found)
    shutil.copy(package, tmp_path / "twice.zip")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "twice.zip", "a") as archive:
        archive.writestr("runs.csv", "x")
    assert any("runs.csv stands twice" in one for one in wrong(tmp_path / "twice.zip"))


def test_a_name_that_leads_out_of_the_package_is_named_and_not_followed(tmp_path):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("checksums.sha256", "0" * 64 + "  ../escaped.txt\n")
        archive.writestr("../escaped.txt", "x")
    assert any("leads out" in one for one in wrong(tmp_path / "p.zip"))
    assert not list(tmp_path.parent.glob("escaped.txt"))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_package_is_refused_with_the_way_out(tmp_path, content):
    (tmp_path / "p.zip").write_bytes(content)
    with pytest.raises(InvalidError, match=r"take the file package\.zip"):
        verify_package(tmp_path / "p.zip")
    with pytest.raises(InvalidError, match="there is no such file"):
        verify_package(tmp_path / "q.zip")


def test_with_another_release_numbers_may_differ_by_a_billionth_and_words_at_all(opened, tmp_path):
    path = opened / "results" / "results.json"
    results = json.loads(path.read_text())
    results["software"][0]["version"] = "0.0.1"
    results["answer"] = "Worded otherwise."
    results["kpis"][0]["comparison"]["difference"] *= 1 + 1e-12
    path.write_text(json.dumps(results))
    findings = verify_package(repack(opened, tmp_path / "old.zip"))
    assert findings[-1].fact.startswith("SAME")
    assert {one.part for one in findings if one.level == "mind"} == {"programs", "words", "report"}


FORMER = {name: Path(__file__).parent / "packages" / f"version-{name}.zip" for name in ("0.1.0", "0.2.0")}
"""Made by these versions of the made-up pilot. PDF and page are one line each, so that the files stay small."""


@pytest.fixture(params=FORMER)
def former(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The package of a former version, unpacked."""
    with zipfile.ZipFile(FORMER[request.param]) as archive:
        archive.extractall(tmp_path / "former")
    return tmp_path / "former"


@pytest.mark.parametrize("name", FORMER)
def test_a_package_of_a_former_version_is_still_computed_again_and_what_is_not_made_again_is_said(name):
    findings = verify_package(FORMER[name])
    assert [one for one in findings if one.level == "wrong"] == []
    told = {one.part: one for one in findings}
    assert f"pilotlab {name} (here {version('pilotlab')})" in told["programs"].fact
    assert int(told["numbers"].fact.split()[0]) > 1000
    assert int(told["results/run-values.csv"].fact.split()[0]) > 30
    assert told["report"].level == "mind"
    assert "were not made again" in told["report"].fact
    said = " ".join(CliRunner().invoke(app, ["verify", str(FORMER[name])]).output.split())
    assert "are as listed is all that is known of them" in said
    assert "SAME: every file is as listed and every number comes out again; PDF and page were not made again" in said


def test_a_changed_number_is_found_in_a_package_of_a_former_version_too(former, tmp_path):
    path = former / "results" / "results.json"
    results = json.loads(path.read_text())
    results["kpis"][0]["comparison"]["difference"] *= 1.0000001
    path.write_text(json.dumps(results))
    table = former / "results" / "run-values.csv"
    head, first, *rest = table.read_text().splitlines()
    cells = first.split(",")
    cells[3] = str(float(cells[3]) * 1.01)
    table.write_text("\n".join([head, ",".join(cells), *rest]) + "\n")
    found = wrong(repack(former, tmp_path / "forged.zip"))
    assert any("kpis.0.comparison.difference" in one for one in found), found
    assert any(one.startswith("results/run-values.csv: 0.") for one in found), found


def test_a_table_changed_with_hashes_that_fit_is_found_in_an_unpacked_folder_too(opened):
    table = opened / "results" / "run-values.csv"
    table.write_text(table.read_text().replace("today", "tomorrow").replace("usual", "other") + "99,fast,99\n")
    repack(opened, opened.parent / "forged.zip")
    assert any("results/run-values.csv" in one for one in wrong(opened))


def test_what_only_this_release_says_makes_no_former_report_wrong(former, tmp_path):
    path = former / "results" / "results.json"
    results = json.loads(path.read_text())
    del results["kpis"][0]["comparison"]["hedges_g"]
    path.write_text(json.dumps(results))
    assert wrong(repack(former, tmp_path / "older.zip")) == []


def test_results_of_two_kinds_of_document_are_compared_place_by_place():
    compared = compare({"a": [1, 2.0], "b": {"c": "x"}}, {"a": [1, 2.5, 3], "b": None}, exact=True)
    assert compared.numbers == 2
    assert {one.place for one in compared.differences} == {"a.1", "a.2", "b.c", "b"}


def test_a_result_object_is_the_same_as_itself(opened):
    results = Results.model_validate_json((opened / "results" / "results.json").read_bytes())
    document = json.loads(results.model_dump_json())
    assert compare(document, document, exact=True).differences == ()
