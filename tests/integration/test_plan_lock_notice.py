"""The hash of a locked plan reaches the company's people by mail, so that nobody can change the plan unseen."""

from email.message import EmailMessage

import pytest

from lab.core.jobs import Worker
from lab.pilots import service as pilots
from lab.pilots.models import Plan
from lab.pilots.plans import plan_sha256
from lab.post.jobs import post_handlers
from lab.reports.jobs import report_handlers
from lab.reports.lock_notices import tell_of_lock
from tests.factories import MONDAY_MORNING, make_account
from tests.integration.test_reports import PLAN, Lab
from tests.post_office import PostOffice

BOSS = "boss@example.org"


class Company:
    """A pilot whose plan was just locked by a member, and the lab's worker with its mail server."""

    def __init__(self, database, folder, office):
        self.lab = lab = Lab(database, folder)
        self.office = office
        with database.write() as session:
            own = lab.organisation_id
            make_account(session, organisation_id=own, sign_in=BOSS, name="Ewa Lis")
            make_account(session, organisation_id=own, sign_in="szef@example.org", language="pl")
            make_account(session, organisation_id=own, sign_in="gone@example.org", disabled_at=MONDAY_MORNING)
            make_account(session, organisation_id=own, sign_in="workshop")  # no mail address
        reports = report_handlers(database, lab.store, data_dir=folder, clock=lab.clock)
        self.worker = Worker(database, lab.clock, {**reports, **post_handlers(database, lab.clock, office.settings())})

    @property
    def plan(self) -> Plan:
        with self.lab.database.read() as session:
            return pilots.get_plan(session, self.lab.member, self.lab.pilot_id)

    def mails(self, to: str = BOSS) -> list[EmailMessage]:
        self.worker.run_due()
        self.worker.run_due()
        return [mail for mail in self.office.mails if mail["to"] == to]


@pytest.fixture
def company(each_database, tmp_path):
    with PostOffice().open() as office:
        found = Company(each_database, tmp_path / "data", office)
        yield found
        found.lab.store.close()


def test_the_company_gets_time_person_and_hash_of_the_plan_that_was_locked(company):
    (mail,) = company.mails()
    assert mail["subject"] == "The plan of pilot PL-2026-001 is locked"
    said = mail.get_content()
    assert plan_sha256(PLAN.model_dump(mode="json")) in said.replace("\n", "")
    assert "Dear Ewa Lis," in said
    flat = " ".join(said.split())
    assert "“Feed” was locked: 2026-11-23 08:00 CET, by Member" in flat  # the lab's wall clock
    assert (
        "neither you nor the lab can change the design, the number of runs or their order, and nothing else unseen"
        in flat
    )
    assert "runs left out are printed in the report as deviations" in flat


def test_only_people_of_the_company_who_can_sign_in_are_told_and_each_once(company):
    lab = company.lab
    company.mails()
    lab.write(lambda s: pilots.lock_plan(s, lab.engineer, lab.pilot_id, now=lab.clock.now()))
    lab.write(lambda s: tell_of_lock(s, company.plan.id, time_zone="Europe/Warsaw", language="en", now=lab.clock.now()))
    assert len(company.mails()) == 1
    told = sorted(str(mail["to"]) for mail in company.office.mails)
    assert len(told) == 3  # Ewa Lis, the Polish reader, and the member who locked it
    assert not {"gone@example.org", "workshop"} & set(told)


def test_a_lock_that_was_not_kept_is_told_to_nobody(company):
    lab = company.lab
    company.mails()
    before = len(company.office.taken)
    pilot = lab.write(
        lambda s: pilots.create_pilot(
            s, lab.member, organisation_id=lab.organisation_id, title="Speed", question="Q?", now=lab.clock.now()
        )
    )

    class LostError(Exception):
        pass

    def lock_and_fail(session):
        pilots.write_plan(session, lab.member, pilot.id, PLAN, now=lab.clock.now())
        pilots.lock_plan(session, lab.member, pilot.id, now=lab.clock.now())
        raise LostError

    with pytest.raises(LostError):
        lab.database.transact(lock_and_fail)
    company.mails()
    assert len(company.office.taken) == before


def test_it_is_written_in_the_language_of_its_reader(company):
    (mail,) = company.mails("szef@example.org")
    assert mail["subject"] == "Plan pilotażu PL-2026-001 jest zamknięty"
    said = " ".join(mail.get_content().split())
    assert "„Feed” został zamknięty: 23.11.2026 08:00 CET, przez: Member" in said
    assert f"SHA-256 planu: {company.plan.sha256}" in said
    assert "ani Państwo, ani laboratorium nie mogą zmienić" in said
