"""Documents, photos and notes of a pilot: whole or not there, and nobody else's business."""

import errno
import hashlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from PIL import Image

from lab.app import create_app
from lab.core.audit import changes_of
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.pilots.documents import service
from lab.pilots.documents.store import folder_of
from lab.pilots.service import create_pilot
from tests.web_client import Client, Town

LARGEST = 50_000
TEXT = "Za dużo wiórów.\n".encode()


def photo(colour: str = "orange") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(buffer, "JPEG")
    return buffer.getvalue()


class Drawer:
    """A pilot of the foundry, and who may look into its drawer."""

    def __init__(self, database: Database, clock: LabClock, data_dir: Path) -> None:
        self.database, self.clock, self.data_dir = database, clock, data_dir
        self.town = Town(database, clock)
        settings = Settings(data_dir=data_dir, largest_document_bytes=LARGEST)
        self.app: FastAPI = create_app(settings=settings, database=database, clock=clock, store=None, live=None)
        founder = self.town.principal("founder")
        self.pilot_id = database.transact(
            lambda session: (
                create_pilot(
                    session,
                    founder,
                    organisation_id=founder.organisation_id,
                    title="Feed",
                    question="Does it pay?",
                    now=clock.now(),
                ).id
            )
        )
        self.address = f"/api/v1/pilots/{self.pilot_id}/documents"
        self._browsers: dict[str, Client] = {}

    @property
    def files(self) -> dict[str, bytes]:
        folder = folder_of(self.data_dir, self.pilot_id)
        return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}

    def as_(self, who: str) -> Client:
        if who not in self._browsers:
            self._browsers[who] = self.town.browser(self.app, who)
        return self._browsers[who]

    def add(self, who: str, content: bytes, name: str = "note.txt", **form: str) -> Any:
        return self.as_(who).post(self.address, files={"file": (name, content, "image/svg+xml")}, data=form)

    def changes(self) -> list[Any]:
        with self.database.read() as session:
            return list(changes_of(session, "pilot", self.pilot_id))


@pytest.fixture
def drawer(each_database: Database, lab_clock: LabClock, tmp_path: Path) -> Drawer:
    return Drawer(each_database, lab_clock, tmp_path)


def test_a_document_comes_back_as_it_was_as_a_download_under_its_own_name(drawer: Drawer) -> None:
    added = drawer.add("founder", photo(), "../Zdjęcie wiórów.exe", caption="Chips after run 3")
    assert added.status_code == 201, added.text
    told = added.json()
    assert (told["name"], told["kind"], told["bytes"]) == ("Zdjęcie wiórów.exe.jpg", "jpeg", len(photo()))
    assert (told["caption"], told["added_by_name"]) == ("Chips after run 3", drawer.town.accounts["founder"].name)
    assert told["sha256"] == hashlib.sha256(photo()).hexdigest()
    fetched = drawer.as_("engineer").get(f"{drawer.address}/{told['id']}/content")
    assert (fetched.status_code, fetched.content) == (200, photo())
    assert fetched.headers["content-type"] == "image/jpeg"
    assert fetched.headers["content-disposition"].startswith("attachment; filename*=utf-8''Zdj%C4%99cie")
    assert fetched.headers["x-content-type-options"] == "nosniff"
    assert drawer.files == {told["sha256"]: photo()}
    (noted,) = drawer.changes()
    assert (noted.what, noted.by, noted.after["name"]) == (
        "document added",
        drawer.town.accounts["founder"].id,
        told["name"],
    )


@pytest.mark.parametrize("who", ["joiner", "reader"])
def test_nobody_else_sees_that_there_is_anything(drawer: Drawer, who: str) -> None:
    document = drawer.add("founder", TEXT).json()["id"]
    client = drawer.as_(who)
    unknown = drawer.address.replace(drawer.pilot_id, "plt_none")
    for address in (drawer.address, unknown):
        answers = [
            client.get(address),
            client.get(f"{address}/{document}/content"),
            client.post(address, files={"file": ("x.txt", b"x")}),
            client.call("PUT", f"{address}/{document}", json={"caption": "x", "in_report": False}),
            client.post(f"{address}/{document}/remove", json={"reason": "x"}),
            client.get(address.replace("documents", "notes")),
            client.post(address.replace("documents", "notes"), json={"text": "x"}),
        ]
        assert {answer.status_code for answer in answers} == {404}, [answer.text for answer in answers]
    assert list(drawer.files.values()) == [TEXT]


def test_a_document_of_one_pilot_is_not_found_in_another(drawer: Drawer) -> None:
    document = drawer.add("founder", TEXT).json()["id"]
    other = drawer.as_("joiner").post("/api/v1/pilots", json={"title": "T", "question": "Q?"}).json()["id"]
    assert drawer.as_("joiner").get(f"/api/v1/pilots/{other}/documents/{document}/content").status_code == 404
    assert drawer.as_("manager").get(f"/api/v1/pilots/{other}/documents/{document}/content").status_code == 404


@pytest.mark.parametrize(
    ("content", "status", "rule"),
    [
        (b"", 422, "size"),
        (b"x" * (LARGEST + 1), 422, "size"),
        (b"MZ\x90\x00", 422, "known-kind"),
        (photo()[:200], 422, "readable-photo"),
    ],
    ids=["empty", "too large", "a program", "half a photo"],
)
def test_what_is_not_taken_leaves_nothing(drawer: Drawer, content: bytes, status: int, rule: str) -> None:
    refused = drawer.add("founder", content, "photo.jpg")
    assert (refused.status_code, refused.json()["rule"], refused.json()["field"]) == (status, rule, "file")
    assert drawer.files == {}
    assert drawer.changes() == []
    assert drawer.as_("founder").get(drawer.address).json() == []


def test_a_request_far_larger_than_a_document_is_not_even_read(drawer: Drawer) -> None:
    assert drawer.add("founder", b"x" * 1_200_000).status_code == 413
    assert drawer.as_("founder").post("/api/v1/bookings", content=b"x" * 1_200_000).status_code == 413


def test_the_same_content_is_kept_once_until_it_is_removed(drawer: Drawer) -> None:
    first = drawer.add("founder", TEXT).json()
    again = drawer.add("engineer", TEXT, "other.txt")
    assert (again.status_code, again.json()["document_id"]) == (409, first["id"])
    drawer.as_("founder").post(f"{drawer.address}/{first['id']}/remove", json={"reason": "wrong pilot"})
    assert drawer.files == {}
    assert drawer.add("engineer", TEXT, "other.txt").status_code == 201
    assert list(drawer.files.values()) == [TEXT]


def test_a_removal_says_who_and_why_and_deletes_the_content(drawer: Drawer) -> None:
    mine, theirs = drawer.add("founder", TEXT).json()["id"], drawer.add("engineer", photo()).json()["id"]
    founder, engineer = drawer.as_("founder"), drawer.as_("engineer")
    assert founder.post(f"{drawer.address}/{theirs}/remove", json={"reason": "x"}).status_code == 403
    assert founder.post(f"{drawer.address}/{mine}/remove", json={"reason": " "}).status_code == 422
    removed = engineer.post(f"{drawer.address}/{mine}/remove", json={"reason": "shows a face"})
    assert (removed.status_code, removed.json()["removal_reason"]) == (200, "shows a face")
    assert founder.get(f"{drawer.address}/{mine}/content").status_code == 404
    assert engineer.post(f"{drawer.address}/{mine}/remove", json={"reason": "again"}).status_code == 404
    listed = {one["id"]: one for one in founder.get(drawer.address).json()}
    assert listed[mine]["removed_by_name"] == drawer.town.accounts["engineer"].name
    assert list(drawer.files.values()) == [photo()]
    assert (drawer.changes()[-1].what, drawer.changes()[-1].reason) == ("document removed", "shows a face")


def test_a_photo_in_the_report_needs_words_and_the_staffs_choice(drawer: Drawer) -> None:
    document = drawer.add("founder", photo()).json()["id"]
    wish = {"caption": "Chips", "in_report": True}
    address = f"{drawer.address}/{document}"
    assert drawer.as_("founder").call("PUT", address, json=wish).status_code == 403
    refused = drawer.as_("engineer").call("PUT", address, json=wish)
    assert (refused.status_code, refused.json()["field"]) == (422, "alt_text")
    chosen = drawer.as_("engineer").call("PUT", address, json={**wish, "alt_text": "Long curled chips"})
    assert (chosen.status_code, chosen.json()["in_report"]) == (200, True)
    noted = drawer.changes()[-1]
    assert (noted.before["in_report"], noted.after["in_report"]) == (False, True)


def test_a_full_disk_leaves_nothing_and_says_so(drawer: Drawer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("lab.pilots.documents.store.os.fsync", full)
        refused = drawer.add("founder", TEXT)
    assert refused.status_code == 503
    assert "No space left" in refused.json()["detail"]
    assert drawer.files == {}
    assert drawer.as_("founder").get(drawer.address).json() == []
    assert drawer.add("founder", TEXT).status_code == 201


_DIES = """
import sys, time
from pathlib import Path
from lab.pilots.documents.store import ComingFile
with ComingFile(Path(sys.argv[1]), b"half") as coming:
    print("here", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_process_has_left_is_cleared_away_but_not_what_a_living_one_writes(drawer: Drawer) -> None:
    kept = drawer.add("founder", TEXT).json()["sha256"]
    folder = folder_of(drawer.data_dir, drawer.pilot_id)
    (folder / ("0" * 64)).write_bytes(b"its transaction never ended")
    writers = [subprocess.Popen([sys.executable, "-c", _DIES, str(folder)], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"here\n"
        writers[0].send_signal(signal.SIGKILL)
        writers[0].wait()
        assert len(drawer.files) == 6
        assert service.clear_documents_away(drawer.database, drawer.data_dir) == 3
        assert len(drawer.files) == 3  # the kept one, and the one that is being written with its lock
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    service.clear_documents_away(drawer.database, drawer.data_dir)
    assert drawer.files == {kept: TEXT}


def test_content_that_is_not_there_is_told_as_what_it_is(drawer: Drawer) -> None:
    document = drawer.add("founder", TEXT).json()
    (folder_of(drawer.data_dir, drawer.pilot_id) / document["sha256"]).unlink()
    gone = drawer.as_("founder").get(f"{drawer.address}/{document['id']}/content")
    assert gone.status_code == 503
    assert "backup" in gone.json()["detail"]


def test_notes_say_who_and_when_and_some_are_for_the_staff_alone(drawer: Drawer) -> None:
    notes = f"/api/v1/pilots/{drawer.pilot_id}/notes"
    founder, engineer = drawer.as_("founder"), drawer.as_("engineer")
    assert founder.post(notes, json={"text": "We bring the parts.\nOn Monday."}).status_code == 201
    secret = {"text": "They have no money.", "staff_only": True}
    assert founder.post(notes, json=secret).status_code == 403
    assert engineer.post(notes, json=secret).status_code == 201
    assert engineer.post(notes, json={"text": " "}).status_code == 422
    assert [one["text"] for one in founder.get(notes).json()] == ["We bring the parts.\nOn Monday."]
    told = engineer.get(notes).json()
    assert {one["name"] for one in told} == {drawer.town.accounts[who].name for who in ("founder", "engineer")}
    assert [one["staff_only"] for one in told if one["text"] == secret["text"]] == [True]
    assert [one.what for one in drawer.changes()] == ["note written"] * 2


def test_on_the_page_the_staff_chooses_a_note_for_the_report_and_never_a_secret_one(drawer: Drawer) -> None:
    address = f"/pilots/{drawer.pilot_id}/notes"
    chosen = {"text": "Coolant was topped up.", "in_report": "yes"}
    both = drawer.as_("engineer").post(address, data={**chosen, "staff_only": "yes"})
    assert "never printed in the report" in both.text
    assert drawer.as_("founder").post(address, data=chosen).status_code == 403
    assert drawer.as_("engineer").get(f"/api/v1/pilots/{drawer.pilot_id}/notes").json() == []
    assert drawer.as_("engineer").post(address, data=chosen).status_code == 303
    (note,) = drawer.as_("founder").get(f"/api/v1/pilots/{drawer.pilot_id}/notes").json()
    assert (note["text"], note["in_report"], note["staff_only"]) == (chosen["text"], True, False)
