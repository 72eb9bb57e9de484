"""Forms of pages with what no database can hold: refused in words, never a fault of ours."""

from pathlib import Path

import pytest

from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from telemetry.stores.duckdb import DuckDBStore
from tests.factories import make_device
from tests.web_client import Town

NUL, HALF = "a\0b", "a\ud800b"
FORMS = {
    "/bookings/new": ("device_ids", "start", "end", "title", "pilot_id", "organisation_id"),
    "/bookings/series": ("device_ids", "start", "end", "title", "times", "instead_1"),
    "/bookings/series/{bad}/move": ("start",),
    "/bookings/series/{bad}/cancel": (),
    "/bookings/{bad}/move": ("version", "start", "end"),
    "/bookings/{bad}/swap": ("other", "version", "other_version"),
    "/waitlist": ("device_ids", "start", "end", "title", "pilot_id", "window"),
    "/waitlist/{bad}/accept": ("version",),
    "/waitlist/{bad}/decline": ("version",),
    "/waitlist/{bad}/leave": ("version",),
    "/calendar-links/{bad}/revoke": (),
    "/preferences": ("language", "theme", "next"),
    "/password": ("old", "new"),
    "/ask": ("company", "contact", "mail", "question", "size_class", "nace", "region"),
    "/manage/approvals/{bad}/approve": (),
    "/manage/approvals/{bad}/decline": ("reason",),
    "/manage/enquiries/{bad}/accept": ("title", "organisation_id", "answer"),
    "/manage/enquiries/{bad}/refer": ("partner_id", "answer"),
    "/manage/outages": ("device_id", "start", "end", "reason"),
    "/manage/outages/{bad}/end": (),
    "/manage/outages/{bad}/withdraw": (),
    "/manage/rules": ("device", "version", "lead_minutes", "hours_mon", "holidays", "closed_days", "special_days"),
    "/manage/prices": ("name", "seen", "valid_from", "supervision", "hour_mill-1", "setup_mill-1", "look"),
    "/manage/support/programmes": ("name", "legal_basis", "price", "share", "first", "last"),
    "/manage/support/programmes/{bad}/companies": ("organisation_id",),
    "/manage/support/programmes/{bad}/companies/{bad}/leave": (),
    "/manage/support/other-aid": ("organisation_id", "grantor", "reference", "granted", "amount"),
    "/manage/support/other-aid/1/take-back": ("reason",),
    "/manage/people/companies": ("name", "kind", "size_class", "nace", "region"),
    "/manage/people/companies/{bad}/change": ("name", "size_class", "nace", "region", "undertaking"),
    "/manage/people/accounts": ("organisation_id", "sign_in", "name", "role", "language"),
    "/manage/people/accounts/change": ("account_id", "role", "organisation_id"),
    "/manage/people/accounts/{bad}/close": (),
    "/manage/people/passwords": ("sign_in",),
    "/manage/people/trainings": ("account_id", "name"),
    "/manage/people/trainings/{bad}/end": (),
    "/manage/alarm-rules/new": ("device", "kind", "signal", "high", "states", "severity"),
    "/manage/alarm-rules/{bad}": ("version", "high"),
    "/manage/alarm-rules/{bad}/end": ("reason",),
    "/manage/devices/{bad}": ("name", "kind", "abilities", "price_eur_per_hour"),
    "/manage/devices/{bad}/signals/{bad}": ("label", "low", "uncertainty", "calibration_due"),
    "/manage/devices/{bad}/photo": ("alt_text",),
    "/manage/devices/mill-1/photo": ("alt_text",),
    "/manage/devices/{bad}/photo/remove": (),
    "/manage/heard/signal": ("device", "heard", "name", "label", "type", "unit", "low", "high", "choices"),
    "/manage/heard/alias": ("device", "heard", "signal"),
    "/manage/heard/device": ("device", "id", "device_name", "kind", "location", "price_eur_per_hour"),
    "/manage/letters/replays": ("device", "signal"),
    "/pilots/{bad}/console/start": ("booking_id",),
    "/pilots/{bad}/console/stop": ("found_x",),
    "/pilots/{bad}/console/note": ("text", "staff_only"),
    "/pilots/{bad}/console/exclude": ("reason",),
    "/pilots/{bad}/seal": (),
    "/pilots/{bad}/late-arrivals": ("version", "reason"),
    "/pilots/{bad}/seal/again": (),
    "/pilots/{bad}/documents": ("caption",),
    "/pilots/{bad}/sketch": ("better", "unit", "pays"),
    "/pilots/{bad}/plan": ("objective", "kpis-0-label", "arms-0-label", "blocks", "seen", "reason"),
    "/pilots/{bad}/plan/lock": ("seen",),
    "/pilots/{bad}/documents/{bad}/describe": ("caption", "alt_text", "in_report"),
    "/pilots/{bad}/documents/{bad}/remove": ("reason",),
    "/pilots/{bad}/notes": ("text", "staff_only", "in_report"),
    "/pilots/{bad}/follow-ups/6": ("invested", "amount", "funding", "source", "comment"),
    "/pilots/{bad}/maturity": ("stage", "assessed_on", "source", "strategy"),
    "/reports/{bad}/accept": ("comment",),
    "/reports/{bad}/correct": ("reason",),
    "/reports/{bad}/statement": ("language", "authors", "transfer", "risk_1_text", "step_1_due", "revision", "more"),
    "/reports/{bad}/writing/again": (),
}
PAGES = (
    "/machines?words={bad}&can={bad}",
    "/machines/{bad}/next-free",
    "/devices/{bad}/photo?v={bad}&small={bad}",
    "/bookings/new?device={bad}&capability={bad}&organisation_id={bad}&pilot_id={bad}&start=2026-11-24T09:00&end=2026-11-24T10:00&find=yes",
    "/bookings/new/terms?device_ids={bad}&start={bad}&end=x&minutes=99999",
    "/bookings/{bad}",
    "/bookings/series/new?device={bad}&title={bad}&times={bad}&start=2026-11-24T09:00&end=2026-11-24T10:00",
    "/bookings/series/{bad}",
    "/bookings/{bad}/live",
    "/bookings/{bad}/light",
    "/pilots/{bad}/console",
    "/pilots/{bad}/seal?done={bad}",
    "/pilots/{bad}/late-arrivals",
    "/pilots/{bad}/documents?done={bad}",
    "/pilots/{bad}/documents/{bad}/content",
    "/pilots/{bad}/afterwards?done={bad}",
    "/pilots/{bad}/plan?like={bad}",
    "/pilots/{bad}/plan/size?differ={bad}&run_minutes={bad}",
    "/pilots/{bad}/sketch?better={bad}&pays={bad}",
    "/manage/rules?device={bad}",
    "/manage/support?organisation_id={bad}&cursor={bad}&done={bad}",
    "/manage/audit?subject={bad}&cursor={bad}",
    "/manage/alarm-rules/new?device={bad}&kind={bad}",
    "/manage/alarm-rules/{bad}",
    "/manage/heard/signal?device={bad}&heard={bad}",
    "/manage/heard/device?device={bad}",
    "/manage/letters?device={bad}&reason={bad}&cursor={bad}",
    "/manage/letters/{bad}",
    "/reports/{bad}/statement",
    "/reports/{bad}/writing",
    "/reports/{bad}/photos/{bad}",
    "/shared/{bad}/photos/{bad}",
    "/?wall={bad}",
)


@pytest.mark.parametrize("who", ["manager", "founder"])
def test_nothing_that_is_typed_is_a_fault_of_ours(
    each_database: Database, lab_clock: LabClock, tmp_path: Path, who: str
) -> None:
    town = Town(each_database, lab_clock)
    with each_database.write() as session:
        make_device(session, "mill-1")
    store = DuckDBStore(tmp_path / "samples.duckdb")
    app = create_app(settings=Settings(), database=each_database, clock=lab_clock, store=store, live=None)
    client = town.browser(app, who)
    session_cookie = client.cookies["pilotlab_session"]
    faults = []
    for bad, in_path in ((NUL, "a%00b"), (HALF, "a%ED%A0%80b")):
        for path, names in FORMS.items():
            for form in (dict.fromkeys(names, bad), dict.fromkeys(names, "")):
                body = "&".join(f"{name}={in_path if value else ''}" for name, value in form.items()) + "&number=1"
                answer = client.post(
                    path.format(bad=in_path),
                    content=body,
                    headers={"Content-Type": "application/x-www-form-urlencoded"},
                )
                if answer.status_code >= 500:
                    faults.append((path, bad, answer.status_code))
                client.cookies.set("pilotlab_session", session_cookie)
        for path in PAGES:
            answer = client.get(path.format(bad=in_path))
            if answer.status_code >= 500:
                faults.append((path, bad, answer.status_code))
        started = client.post(f"/api/v1/pilots/{in_path}/runs/1/start", json={"booking_id": "bkg"})
        if not started.is_client_error:
            faults.append((started.url.path, bad, started.status_code))
    store.close()
    assert faults == []
