"""A manager shows a machine by a photo; everybody sees it, and nothing of where and with what it was taken."""

import io
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select

from devices.models import DevicePhoto
from devices.photos import LARGE_SIDE, SMALL_SIDE
from lab.app import create_app
from lab.core.audit import AuditEntry
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from telemetry.stores.duckdb import DuckDBStore
from tests.factories import MONDAY_MORNING, make_device
from tests.web_client import Client, Town

WORDS = "A blue milling machine, its door open"


class Lab:
    """A mill and a printer, and their pages."""

    def __init__(self, database: Database, folder: Path) -> None:
        clock = LabClock(MONDAY_MORNING)
        self.town, self.database = Town(database, clock), database
        with database.write() as session:
            make_device(session, "mill-1", name="CNC mill")
            make_device(session, "printer-1", name="Printer")
        self.store = DuckDBStore(folder / "samples.duckdb")
        settings = Settings(data_dir=folder, largest_document_bytes=3_000_000)
        self.app = create_app(settings=settings, database=database, clock=clock, store=self.store, live=None)

    def browser(self, who: str = "manager") -> Client:
        return self.town.browser(self.app, who)

    def show(self, content: bytes, words: str = WORDS, *, who: str = "manager", device: str = "mill-1"):
        return self.browser(who).post(
            f"/manage/devices/{device}/photo", files={"file": ("mill.jpg", content)}, data={"alt_text": words}
        )

    def photos(self) -> list[str]:
        with self.database.read() as session:
            return list(session.scalars(select(DevicePhoto.alt_text)))


@pytest.fixture
def lab(each_database: Database, tmp_path: Path):
    lab = Lab(each_database, tmp_path)
    yield lab
    lab.store.close()


def photographed(size: tuple[int, int] = (1600, 900), kind: str = "JPEG", mode: str = "RGB") -> bytes:
    """Lying on its side, as phones write photos, with camera and place."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[2] = (50.0, 17.0, 41.0)
    buffer = io.BytesIO()
    Image.effect_noise(size, 90).convert(mode).save(buffer, kind, exif=exif)
    return buffer.getvalue()


def test_everybody_sees_the_photo_upright_small_and_without_camera_and_place(lab: Lab) -> None:
    assert "No photo yet" in lab.browser().get("/manage/devices/mill-1").text
    answer = lab.show(photographed())
    assert (answer.status_code, answer.headers["location"]) == (303, "/manage/devices/mill-1?done=photo#photo")
    for who in ("founder", "engineer"):
        browser = lab.browser(who)
        listed, own, form = (
            browser.get(path).text for path in ("/machines", "/devices/mill-1", "/bookings/new?device=mill-1")
        )
        assert f'alt="{WORDS}"' in listed
        assert f'alt="{WORDS}"' in own
        assert "/devices/mill-1/photo?v=" in form
        assert "static/machines/" in listed, "the printer keeps its drawing"
        large, small = (browser.get(f"/devices/mill-1/photo?v=1{size}") for size in ("", "&small=yes"))
        for photo, side, most in ((large, LARGE_SIDE, 60_000), (small, SMALL_SIDE, 10_000)):
            assert photo.headers["content-type"] == "image/jpeg"
            assert photo.headers["cache-control"].startswith("private")
            assert photo.headers["x-content-type-options"] == "nosniff"
            assert len(photo.content) <= most
            assert b"SecretCamera" not in photo.content
            with Image.open(io.BytesIO(photo.content)) as seen:
                assert (seen.height, dict(seen.getexif())) == (side, {})
        with Image.open(io.BytesIO(large.content)) as seen:
            assert seen.width == 450, "what lay on its side stands"


def test_another_photo_other_words_and_none_again(lab: Lab) -> None:
    lab.show(photographed())
    lab.show(photographed((300, 200), "PNG", "RGBA"), "Seen from the left")
    manager = lab.browser()
    assert lab.photos() == ["Seen from the left"]
    manager.post("/manage/devices/mill-1/photo", data={"alt_text": "Seen from the right"})
    assert lab.photos() == ["Seen from the right"]
    assert "Seen from the right" in lab.browser("founder").get("/devices/mill-1").text
    gone = manager.post("/manage/devices/mill-1/photo/remove", follow_redirects=True)
    assert "The photo is removed." in gone.text
    assert lab.browser("founder").get("/devices/mill-1/photo").status_code == 404
    assert "static/machines/" in lab.browser("founder").get("/devices/mill-1").text
    again = manager.post("/manage/devices/mill-1/photo/remove", follow_redirects=True)
    assert "Nothing was different." in again.text
    with lab.database.read() as session:
        deeds = list(session.scalars(select(AuditEntry.what).where(AuditEntry.subject == "device")))
    assert deeds == ["photo shown", "photo shown", "photo shown", "photo removed"]
    assert "photo shown" in manager.get("/manage/audit").text


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        (photographed(), "", "A photo needs words for who cannot see it"),
        (b"%PDF-1.7 a drawing", WORDS, "This is no photo that is taken; PNG and JPEG are"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", WORDS, "This is no photo that is taken"),
        (photographed()[:20_000], WORDS, "This photo cannot be read, it seems to be damaged"),
        (b"\xff\xd8\xff", WORDS, "it seems to be damaged"),
        (b"", WORDS, "Please choose a file."),
    ],
    ids=["no-words", "pdf", "svg", "cut-off", "nothing-in-it", "no-file"],
)
def test_what_is_no_photo_or_has_no_words_is_refused_and_nothing_is_kept(
    lab: Lab, content: bytes, words: str, said: str
) -> None:
    answer = lab.show(content, words)
    assert answer.status_code == 422
    assert said in answer.text
    assert not words or words in answer.text, "what was typed is still there"
    assert lab.photos() == []


def test_a_photo_of_too_many_pixels_or_bytes_is_refused(lab: Lab) -> None:
    buffer = io.BytesIO()
    Image.new("1", (9000, 7000)).save(buffer, "PNG")
    answer = lab.show(buffer.getvalue())
    assert "This photo has more than 60 million pixels" in answer.text
    assert lab.show(b"\xff\xd8\xff" + bytes(3_200_000)).status_code == 413
    assert lab.photos() == []


def test_only_managers_show_photos_and_only_who_is_signed_in_sees_them(lab: Lab) -> None:
    for who in ("engineer", "founder", "reader"):
        assert lab.show(photographed(), who=who).status_code == 403
        assert lab.browser(who).post("/manage/devices/mill-1/photo/remove").status_code == 403
    assert lab.photos() == []
    assert lab.show(photographed(), device="lathe-9").status_code == 404
    lab.show(photographed())
    stranger = Client(lab.app)
    assert stranger.get("/devices/mill-1/photo", headers={"accept": "image/*"}).status_code in {303, 401}
    assert lab.browser("founder").get("/devices/lathe-9/photo").status_code == 404
