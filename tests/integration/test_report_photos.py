"""Photos of a report on its page: fetched one by one by whoever may read the report, and never within the page."""

import io
import random
import re
import zipfile
from datetime import timedelta

import pytest
from PIL import Image

from lab.core.audit import changes_of
from lab.core.database import Database
from lab.reports import issuing
from lab.reports.links import service as links
from tests.integration.test_report_attachments import Desk as Attaching
from tests.integration.test_report_attachments import seen_through
from tests.integration.test_report_issuing import Desk, shared, signed_in
from tests.integration.test_reports import Http, Lab
from tests.web_client import browser

LARGEST_PAGE_BYTES = 200_000
PHOTOS = 12
LARGEST_PHOTO_BYTES = 1_500_000
"""1400 by 1400 pixels of nothing but noise."""


def noisy_photo(seed: int, size: tuple[int, int] = (1800, 1200)) -> bytes:
    """Nothing in it repeats, so that it cannot be made small."""
    width, height = size
    buffer = io.BytesIO()
    noise = random.Random(seed).randbytes(3 * width * height)
    Image.frombytes("RGB", size, noise).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def approved(lab: Lab, photos: list[bytes]) -> Desk:
    """An approved report with these photos, a drawing that one sees through, and a table."""
    attaching = Attaching(lab)
    for number, photo in enumerate(photos, start=1):
        attaching.add(f"photo-{number}.jpg", photo, alt=f"Chips after run {number}")
    attaching.add("sketch.png", seen_through(), alt="A sketch of the clamping")
    attaching.add("wear.csv", b"tool;wear_um\n1;12\n")
    found = Desk(lab)
    found.approve()
    return found


@pytest.fixture
def lab(database: Database, tmp_path):
    found = Lab(database, tmp_path / "data").make_runs()
    yield found
    found.store.close()


@pytest.fixture
def desk(lab: Lab) -> Desk:
    return approved(lab, [noisy_photo(1, (60, 40))])


def addresses(page: str) -> list[str]:
    """Of the photos on a page."""
    return re.findall(r'<img src="(/[^"]+/photos/[^"]+)"', page)


def test_a_page_with_twelve_large_photos_is_small_and_each_photo_is_its_own(lab: Lab) -> None:
    desk = approved(lab, [noisy_photo(seed) for seed in range(PHOTOS)])
    link_secret = desk.link()[1]
    for client, path in (
        (signed_in(desk, "engineer"), f"/reports/{desk.report_id}"),
        (signed_in(desk, "member"), f"/reports/{desk.report_id}"),
        (browser(Http(desk.lab).app), f"/shared/{link_secret}"),
    ):
        answer = client.get(path, headers={"Accept-Encoding": "gzip"})
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.num_bytes_downloaded <= LARGEST_PAGE_BYTES
        found = addresses(answer.text)
        assert len(found) == PHOTOS + 1
        assert all(one.startswith(f"{path}/photos/") for one in found)
        for one in found:
            photo = client.get(one)
            assert photo.status_code == 200
            assert photo.num_bytes_downloaded <= LARGEST_PHOTO_BYTES
            with Image.open(io.BytesIO(photo.content)) as shown:
                assert photo.headers["content-type"] == f"image/{(shown.format or '').lower()}"
                said = f'width="{shown.width}" height="{shown.height}" loading="lazy"'
            assert f'src="{one}" alt="' in answer.text
            assert said in answer.text.partition(f'src="{one}"')[2].partition(">")[0]
            assert photo.headers["x-content-type-options"] == "nosniff"


def test_a_photo_is_seen_by_exactly_those_who_may_see_its_report(desk: Desk) -> None:
    (first, *_) = addresses(signed_in(desk, "engineer").get(f"/reports/{desk.report_id}").text)
    for who in ("engineer", "manager", "member", "recipient"):
        assert signed_in(desk, who).get(first).status_code == 200
    for who in ("stranger", "other_recipient"):
        answer = signed_in(desk, who).get(first)
        assert answer.status_code == 404
        unknown = signed_in(desk, who).get(first.replace(desk.report_id, "rep_guessed"))
        assert answer.text.replace(desk.report_id, "rep_guessed") == unknown.text
    assert browser(Http(desk.lab).app).get(first).status_code == 303
    new_id = desk.do(issuing.correct_report, "engineer", reason="Typo.")
    (draft, *_) = addresses(signed_in(desk, "engineer").get(f"/reports/{new_id}").text)
    assert signed_in(desk, "recipient").get(draft).status_code == 404, "who only reads reports sees no draft"


def test_a_link_that_is_over_or_closed_shows_no_photo(desk: Desk) -> None:
    (_, short), (closed, long) = desk.link(days=1), desk.link(days=30)
    (first, *_) = addresses(shared(desk, short).text)
    other = first.replace(short, long)
    assert (_status(desk, first), _status(desk, other)) == (200, 200)
    desk.lab.clock.advance(timedelta(days=1))
    assert (_status(desk, first), _status(desk, other)) == (404, 200)
    desk.lab.write(lambda s: links.revoke_link(s, desk.lab.engineer, closed.id, now=desk.lab.clock.now()))
    assert _status(desk, other) == 404


def test_a_link_tells_of_its_openings_and_not_of_every_photo(desk: Desk) -> None:
    _, secret = desk.link()
    for one in addresses(shared(desk, secret).text):
        assert _status(desk, one) == 200
    with desk.lab.database.read() as session:
        (listed,) = links.list_links(session, desk.lab.member, desk.report_id)
    assert listed.opened == 1


def test_a_photo_that_is_fetched_without_its_page_is_an_opening_too(desk: Desk) -> None:
    link, secret = desk.link()
    (first, second, *_) = addresses(shared(desk, secret).text)
    desk.lab.clock.advance(timedelta(minutes=50))
    assert _status(desk, first) == 200  # still reading
    desk.lab.clock.advance(timedelta(hours=2))
    assert (_status(desk, second), _status(desk, f"/shared/{secret}/photos/99-no.jpg")) == (200, 404)
    with desk.lab.database.read() as session:
        told = [one.after["what"] for one in changes_of(session, "report-link", link.id) if one.what == "opened"]
        (listed,) = links.list_links(session, desk.lab.member, desk.report_id)
    assert told == ["page", f"photo {second.rsplit('/', 1)[1]}"]
    assert (listed.opened, listed.last_opened_at) == (2, desk.lab.clock.now())


def test_what_is_no_photo_of_the_report_is_unknown(desk: Desk) -> None:
    _, secret = desk.link()
    member, reader = signed_in(desk, "member"), browser(Http(desk.lab).app)
    for name in ("99-no.jpg", "03-wear.csv", "..%2freport.pdf", "%2e%2e%2freport.pdf", "%00", "a%ED%A0%80", "x" * 300):
        assert member.get(f"/reports/{desk.report_id}/photos/{name}").status_code == 404
        assert reader.get(f"/shared/{secret}/photos/{name}").status_code == 404


def test_what_is_kept_as_a_file_has_its_photos_inside(desk: Desk) -> None:
    folder = desk.lab.folder / desk.report.folder
    page = (folder / "report.html").read_text("utf-8")
    assert (page.count("data:image/jpeg;base64,"), page.count("data:image/png;base64,")) == (1, 1)
    assert addresses(page) == []
    written = re.findall(r'<figure class="report-photo">\n<img src="data:[^"]+" alt="[^"]*">\n<figcaption>', page)
    assert len(written) == 2, "packages of earlier days are held against these bytes"
    with zipfile.ZipFile(folder / "package.zip") as package:
        (kept,) = [name for name in package.namelist() if name.endswith(".html")]
        assert package.read(kept) == page.encode()


def _status(desk: Desk, path: str) -> int:
    return browser(Http(desk.lab).app).get(path).status_code
