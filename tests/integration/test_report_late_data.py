"""Data are sealed when late messages are in; what comes later still is listed, and enters only by a decision."""

from datetime import timedelta

import pytest

from bookings.models import Booking
from lab.core.audit import changes_of
from lab.core.jobs import Worker
from lab.core.time import to_nanoseconds
from lab.reports import service
from lab.reports.errors import DataSetUnknownError
from lab.reports.jobs import report_handlers
from lab.reports.late import late_arrivals
from lab.reports.models import DataSet, Report
from lab.reports.sealing import read_data_set
from tests.integration.test_reports import Http, Lab, _samples, quick_layout  # noqa: F401 - a fixture


@pytest.fixture
def lab(database, tmp_path, quick_layout):  # noqa: F811
    found = Lab(database, tmp_path / "data").make_runs()
    yield found
    found.store.close()


def worker(lab):
    handlers = report_handlers(lab.database, lab.store, data_dir=lab.folder, clock=lab.clock)
    return Worker(lab.database, lab.clock, {**handlers, "mail": lambda _job: None})


def ask(lab, **facts):
    return lab.write(lambda s: service.ask_to_seal(s, lab.engineer, lab.pilot_id, now=lab.clock.now(), **facts))


def late(lab, who="member"):
    with lab.database.read() as session:
        return late_arrivals(session, lab.store, lab.people[who], lab.pilot_id, data_dir=lab.folder)


def send_late(lab, number=2):
    """Seven samples of a run that the meter kept to itself."""
    with lab.database.read() as session:
        run = next(run for run in service.gather_runs(session, lab.pilot_id) if run.number == number)
    start_ns = to_nanoseconds(run.started_at) + 500_000_000
    lab.store.write(_samples(start_ns, start_ns + 6_000_000_000, 7.0), watermark=100)
    return run


def test_data_are_sealed_some_minutes_after_the_last_slot_ends(lab):
    with lab.database.read() as session:
        ends = session.get_one(Booking, lab.booking_id).end_at
    worker(lab).run_due()  # the lock of the plan is told
    job = ask(lab, settling=timedelta(minutes=10))
    assert job.run_at == ends + timedelta(minutes=10)
    assert worker(lab).run_due() == 0
    assert lab.count(DataSet) == 0
    lab.clock.advance(ends + timedelta(minutes=10) - lab.clock.now())
    assert worker(lab).run_due() == 2
    assert (lab.count(DataSet), lab.count(Report)) == (1, 1)


def test_what_comes_after_the_sealing_is_listed_and_the_sealed_data_stay(lab):
    with pytest.raises(DataSetUnknownError, match="not sealed yet"):
        late(lab)
    data_set = lab.seal()
    assert late(lab) == (1, [])
    run = send_late(lab)
    version, (found,) = late(lab)
    assert version == 1
    assert (found.run, found.device, found.signal) == (run.number, "meter-1", "active_power_kw")
    assert found.now - found.sealed == 7
    kept = read_data_set(lab.folder / data_set.folder, manifest_sha256=data_set.manifest_sha256)
    assert kept.samples(kept.runs[1], device="meter-1", signal="active_power_kw").num_rows == found.sealed
    assert lab.seal().id == data_set.id


def test_sealing_again_is_a_decision_with_a_reason_and_makes_a_new_version_of_both(lab):
    lab.clock.advance(timedelta(hours=4))
    ask(lab)
    worker(lab).run_due()
    send_late(lab)
    assert ask(lab).state == "done"  # without a reason nothing happens
    ask(lab, reason="The meter sent seven seconds late.")
    worker(lab).run_due()
    assert (lab.count(DataSet), lab.count(Report)) == (2, 2)
    assert late(lab) == (2, [])
    with lab.database.read() as session:
        newest, first = service.list_reports(session, lab.member)
        assert (newest.number, first.number) == ("PL-2026-001-R2", "PL-2026-001-R1")
        assert newest.issue["replaces"] == first.number
        assert newest.issue["changes"][0]["reason"] == "The meter sent seven seconds late."
        assert newest.results["identification"]["data_set_version"] == 2
        (told,) = changes_of(session, "pilot", lab.pilot_id)
        assert (told.what, told.reason) == ("sealed again", "The meter sent seven seconds late.")
        sets = {row.version: row for row in session.query(DataSet)}
    for row in sets.values():
        read_data_set(lab.folder / row.folder, manifest_sha256=row.manifest_sha256)


def test_over_http_it_is_the_staffs_decision_and_the_companys_to_see(lab):
    http = Http(lab)
    lab.clock.advance(timedelta(hours=4))
    address = f"/pilots/{lab.pilot_id}"
    asked = http.call("engineer", "POST", f"{address}/seal")
    assert asked.status_code == 202
    assert "due" in asked.json()
    worker(lab).run_due()
    http.app.state.store = lab.store
    send_late(lab)
    assert http.get("stranger", f"{address}/late-arrivals").status_code == 404
    assert len(http.get("member", f"{address}/late-arrivals").json()["arrivals"]) == 1
    assert http.call("member", "POST", f"{address}/seal", json={"reason": "Late."}).status_code == 403
    assert http.call("engineer", "POST", f"{address}/seal", json={"reason": ""}).status_code == 422
    assert http.call("engineer", "POST", f"{address}/seal", json={"reason": "Late."}).status_code == 202
    worker(lab).run_due()
    assert http.get("member", f"{address}/late-arrivals").json() == {"data_set_version": 2, "arrivals": []}
