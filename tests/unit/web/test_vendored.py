"""Packages of others: named exactly, fetched at build time, and missed out loud."""

import hashlib
import json
from pathlib import Path

import pytest

import hatch_build
from lab.web.vendored import LOCK, VENDOR, VendoredMissingError, vendored_packages

NAMED = json.loads((LOCK.parent / "package.json").read_text())["dependencies"]


def test_their_versions_are_exact_and_locked_by_content_and_by_no_address() -> None:
    lock = LOCK.read_text()
    packages = {name.removeprefix("node_modules/"): told for name, told in json.loads(lock)["packages"].items() if name}
    assert {name: told["version"] for name, told in packages.items()} == NAMED
    assert all(told["integrity"].startswith("sha512-") for told in packages.values())
    assert "resolved" not in lock
    assert "http" not in lock


def test_all_that_pages_use_is_there_with_its_licence() -> None:
    packages = vendored_packages()
    assert {package.name for package in packages} == set(NAMED) == set(hatch_build.SERVED)
    assert {package.licence for package in packages} == {"MIT", "0BSD"}
    assert all("map" not in file and (VENDOR / file).stat().st_size > 1000 for p in packages for file in p.files)


def filled(folder: Path) -> Path:
    (folder / "htmx").mkdir()
    (folder / "htmx/htmx.min.js").write_text("x")
    package = {"name": "htmx.org", "version": "2", "licence": "0BSD", "author": "", "text": ""}
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    told = {"lock": lock, "packages": [{**package, "files": ["htmx/htmx.min.js"]}]}
    (folder / "manifest.json").write_text(json.dumps(told))
    return folder


def test_what_is_missing_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(VendoredMissingError, match=r"manifest\.json.*make setup"):
        vendored_packages(tmp_path)
    assert [package.name for package in vendored_packages(filled(tmp_path))] == ["htmx.org"]
    (tmp_path / "htmx/htmx.min.js").unlink()
    with pytest.raises(VendoredMissingError, match=r"htmx\.min\.js"):
        vendored_packages(tmp_path)


def test_what_another_release_has_fetched_is_not_taken(tmp_path: Path) -> None:
    lock = tmp_path / "package-lock.json"
    lock.write_text("{}")
    with pytest.raises(VendoredMissingError, match="release"):
        vendored_packages(filled(tmp_path), lock)


def test_the_registry_may_hiccup_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "npm.js"
    script.write_text(
        "const fs = require('fs'); if (!fs.existsSync('seen')) "
        "{ fs.writeFileSync('seen', ''); console.error('E503'); process.exit(1); } fs.writeFileSync('fetched', '');"
    )
    node, _ = hatch_build.node_and_npm()
    monkeypatch.setattr(hatch_build, "node_and_npm", lambda: (node, script))
    monkeypatch.setattr(hatch_build, "_PAUSE_SECONDS", 0)
    hatch_build.fetch_packages(tmp_path)
    assert (tmp_path / "fetched").exists()


def test_a_registry_that_cannot_be_reached_is_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "npm.js"
    script.write_text("console.error('ENOTFOUND registry'); process.exit(1);")
    node, _ = hatch_build.node_and_npm()
    monkeypatch.setattr(hatch_build, "node_and_npm", lambda: (node, script))
    monkeypatch.setattr(hatch_build, "_PAUSE_SECONDS", 0)
    with pytest.raises(hatch_build.FetchError, match=r"(?s)ENOTFOUND registry.*npm_config_registry"):
        hatch_build.fetch_packages(tmp_path)
