"""Photos and documents in a report: sealed with the data, shown in PDF and page, and enough to check it all again."""

import io
import zipfile
from datetime import timedelta

import pypdf
import pytest
from PIL import Image

from lab.core.database import Database
from lab.pilots.documents.errors import DocumentSealedError
from lab.pilots.documents.schemas import DocumentChange
from lab.pilots.documents.service import add_document, describe_document, remove_document
from lab.pilots.errors import PilotStateError
from lab.reports import service
from lab.reports.assembly import compute_results
from lab.reports.issue import ReportIssue, Statement
from lab.reports.photos import sealed_content, sealed_path
from lab.reports.sealing import read_data_set
from lab.reports.verifying import verify_package
from tests.integration.test_report_pdf import judged
from tests.integration.test_reports import Lab

TABLE = b"tool;wear_um\n1;12\n2;14\n"
ALT = "Long curled chips around the tool"


def photo_with_place(size=(3000, 2000)) -> bytes:
    """Taken with the camera on its side, by a telephone that knows where it is."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[2] = (50.0, 17.0, 41.0)
    buffer = io.BytesIO()
    Image.new("RGB", size, "orange").save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def seen_through(size=(300, 200)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", size, (20, 80, 160, 90)).save(buffer, "PNG")
    return buffer.getvalue()


class Desk:
    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def add(self, name: str, content: bytes, *, alt: str | None = None, chosen: bool = True) -> str:
        self.lab.clock.advance(timedelta(seconds=1))
        row = add_document(
            self.lab.database, self.lab.member, self.lab.pilot_id, name=name, content=content, caption=f"About {name}",
            data_dir=self.lab.folder, largest=10**8, now=self.lab.clock.now(),
        )  # fmt: skip
        self.describe(row.id, alt=alt, chosen=chosen)
        return row.id

    def describe(self, document_id: str, *, alt: str | None = None, chosen: bool = True) -> None:
        change = DocumentChange(caption="Chips after run 3", alt_text=alt, in_report=chosen)
        self.lab.write(
            lambda s: describe_document(
                s, self.lab.engineer, self.lab.pilot_id, document_id, change, now=self.lab.clock.now()
            )
        )

    def remove(self, document_id: str) -> None:
        remove_document(
            self.lab.database, self.lab.engineer, self.lab.pilot_id, document_id,
            reason="a face", data_dir=self.lab.folder, now=self.lab.clock.now(),
        )  # fmt: skip


@pytest.fixture
def desk(database: Database, tmp_path):
    lab = Lab(database, tmp_path / "data").make_runs()
    yield Desk(lab)
    lab.store.close()


def test_what_was_chosen_is_sealed_shown_and_checked_with_the_package_alone(desk: Desk, tmp_path) -> None:
    chosen = desk.add("Wióry ŁÓDŹ.jpg", photo_with_place(), alt=ALT)
    desk.add("wear.csv", TABLE)
    desk.add("sketch.png", seen_through(), alt="A sketch of the clamping")
    left = desk.add("private.jpg", photo_with_place((100, 80)), chosen=False)
    report = desk.lab.report()
    folder = desk.lab.folder / report.folder
    with zipfile.ZipFile(folder / "package.zip") as package:
        names = sorted(name for name in package.namelist() if name.startswith("attachments/"))
        assert names == ["attachments/01-wiory-lodz.jpg", "attachments/02-wear.csv", "attachments/03-sketch.png"]
        assert package.read(names[1]) == TABLE
        photo = package.read(names[0])
        assert "attachments/" in package.read("README.txt").decode()
    with Image.open(io.BytesIO(photo)) as shown:
        assert (shown.size, dict(shown.getexif())) == ((933, 1400), {})
    assert b"SecretCamera" not in photo
    findings = verify_package(folder / "package.zip")
    assert [one for one in findings if one.level == "wrong"] == []
    assert findings[-1].fact.startswith("SAME")
    pdf = (folder / "report.pdf").read_bytes()
    assert judged(pdf) == []
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
    assert "Annex G: photos and attachments" in text
    assert "02-wear.csv" in text
    page = (folder / "report.html").read_text("utf-8")
    assert f'alt="{ALT}"' in page
    assert "data:image/jpeg;base64," in page
    with pytest.raises(DocumentSealedError):
        desk.remove(chosen)
    desk.remove(left)


def test_a_photo_changed_in_the_package_is_found(desk: Desk, tmp_path) -> None:
    desk.add("chips.jpg", photo_with_place(), alt=ALT)
    report = desk.lab.report()
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(desk.lab.folder / report.folder / "package.zip") as package:
        package.extractall(unpacked)
    photo = unpacked / "attachments/01-chips.jpg"
    photo.write_bytes(photo.read_bytes()[:-1] + b"x")
    wrong = [one.fact for one in verify_package(unpacked) if one.level == "wrong"]
    assert any("attachments/01-chips.jpg" in fact for fact in wrong)


def test_what_is_chosen_after_the_sealing_is_in_the_next_version(desk: Desk) -> None:
    first = desk.lab.seal()
    added = desk.add("chips.jpg", photo_with_place(), alt=ALT)
    assert read_data_set(desk.lab.folder / first.folder).pilot.attachments == ()
    second = service.seal_pilot(
        desk.lab.database, desk.lab.store, desk.lab.engineer, desk.lab.pilot_id,
        data_dir=desk.lab.folder, clock=desk.lab.clock, version=2,
    )  # fmt: skip
    (sealed,) = read_data_set(desk.lab.folder / second.folder).pilot.attachments
    assert (sealed.path, sealed.alt_text) == ("attachments/01-chips.jpg", ALT)
    with pytest.raises(DocumentSealedError, match="version 2"):
        desk.remove(added)


def test_a_document_that_changes_during_the_sealing_seals_nothing(desk: Desk, monkeypatch) -> None:
    document = desk.add("chips.jpg", photo_with_place(), alt=ALT)
    written = service.write_data_set

    def meanwhile(*given):
        sha256 = written(*given)
        desk.describe(document, chosen=False)
        return sha256

    monkeypatch.setattr(service, "write_data_set", meanwhile)
    with pytest.raises(PilotStateError, match="document"):
        desk.lab.seal()
    monkeypatch.undo()
    desk.lab.seal()
    desk.remove(document)


def test_in_polish_the_annex_is_polish_and_the_same_for_everybody_who_prints_it(desk: Desk) -> None:
    desk.add("chips.jpg", photo_with_place(), alt=ALT)
    data_set = desk.lab.seal()
    results = compute_results(desk.lab.folder / data_set.folder, issue=ReportIssue(statement=Statement(language="pl")))
    from lab.reports.charts import draw_charts
    from lab.reports.pdf import render_pdf
    from lab.reports.photos import photos_of

    pictures = {**draw_charts(results), **photos_of(results, desk.lab.folder / data_set.folder)}
    pdf = render_pdf(results, pictures, timestamp=results.identification.dated)
    assert judged(pdf) == []
    assert pdf == render_pdf(results, pictures, timestamp=results.identification.dated)
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
    assert "Załącznik G: zdjęcia i dokumenty" in text


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "CMYK", "LA"])
def test_photos_of_every_kind_of_colour_can_be_shown(mode: str) -> None:
    buffer = io.BytesIO()
    form = "JPEG" if mode == "CMYK" else "PNG"
    Image.new(mode, (20, 10)).save(buffer, form)
    kept = sealed_content(buffer.getvalue(), form.lower())
    with Image.open(io.BytesIO(kept)) as shown:
        assert (shown.mode in {"RGB", "RGBA"}, shown.size) == (True, (20, 10))


def test_names_in_the_package_are_plain_and_never_collide() -> None:
    assert sealed_path(1, "Zażółć gęślą.jpeg", "jpeg") == "attachments/01-zazolc-gesla.jpg"
    assert sealed_path(2, "日本.pdf", "pdf") == "attachments/02-attachment.pdf"
    assert sealed_path(3, "../x.csv", "csv") == "attachments/03-x.csv"
