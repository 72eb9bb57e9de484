"""What only people can say in a report, written on its page: allowed, refused without losing a word, and too late."""

import html

import pytest

from lab.core.jobs import Job
from lab.people.endpoints import SESSION_COOKIE
from lab.pilots.maturity.schemas import MaturityRequest
from lab.pilots.maturity.service import write_assessment
from lab.reports import issuing
from lab.reports.issue import Statement
from lab.reports.models import Report
from tests.integration.test_pages_sealing import Office
from tests.integration.test_reports import Lab, quick_layout  # noqa: F401 - a fixture
from tests.web_client import browser

SAID = {
    "revision": "1",
    "language": "pl",
    "authors": "Piotr Zieliński\n\n Anna  Kowalska ",
    "recommendation": "Begin with\none machine.",
    "transfer": "Your mill has a weaker spindle.",
    "risk_1_text": "",
    "risk_1_likelihood": "medium",
    "risk_1_impact": "medium",
    "risk_2_text": "The chuck wears faster.",
    "risk_2_likelihood": "high",
    "risk_2_impact": "low",
    "risk_2_answer": "Look at it each week.",
    "step_1_text": "Ask for an offer.",
    "step_1_owner": "Anna Kowalska",
    "step_1_due": "2027-01-31",
    "step_2_text": "Train the shift.",
    "step_2_owner": "Jan Nowak",
    "trl_before": "5",
    "trl_after": "7",
    "trl_reason": "Shown on real parts.",
    "funding": "Regional programme\nA loan",
}


@pytest.fixture
def desk(database, tmp_path, quick_layout):  # noqa: F811
    lab = Lab(database, tmp_path / "data").make_runs()
    found = Office(lab)
    found.report_id = lab.report().id
    found.address = f"/reports/{found.report_id}/statement"
    found.worker.run_due()
    yield found
    lab.store.close()


def row(desk) -> Report:
    with desk.lab.database.read() as session:
        return session.get_one(Report, desk.report_id)


def statement(desk) -> Statement:
    return Statement.model_validate(row(desk).issue["statement"])


def test_the_staff_says_it_on_the_page_and_it_is_written_into_the_report(desk):
    engineer = desk.as_("engineer")
    assert f'href="{desk.address}"' in engineer.get(f"/reports/{desk.report_id}").text
    kept = engineer.post(desk.address, data=SAID)
    assert (kept.status_code, kept.headers["location"]) == (303, f"/reports/{desk.report_id}?done=written")
    said = statement(desk)
    assert said.authors == ("Piotr Zieliński", "Anna Kowalska")
    assert said.recommendation == "Begin with one machine."
    assert [(one.text, one.likelihood, one.answer) for one in said.risks] == [
        ("The chuck wears faster.", "high", "Look at it each week.")
    ]
    assert [(one.owner, one.due and one.due.isoformat()) for one in said.next_steps] == [
        ("Anna Kowalska", "2027-01-31"),
        ("Jan Nowak", None),
    ]
    assert (said.readiness.before, said.readiness.after) == (5, 7)
    assert said.funding == ("Regional programme", "A loan")
    page = engineer.get(kept.headers["location"]).text
    assert "What you have written is kept in this report." in page
    assert "This report is being written again" in page
    assert "I have reviewed it" not in page  # nobody reviews what is not written yet
    desk.worker.run_due()
    assert row(desk).results["issue"]["statement"]["authors"] == ["Piotr Zieliński", "Anna Kowalska"]
    page = engineer.get(f"/reports/{desk.report_id}").text
    assert "being written again" not in page
    assert "I have reviewed it" in page
    form = engineer.get(desk.address).text
    for shown in ("Piotr Zieliński\nAnna Kowalska", 'value="2027-01-31"', 'value="The chuck wears faster."'):
        assert shown in form


def test_the_piece_that_waits_has_the_page_taken_anew_once_it_is_written(desk):
    member = desk.as_("member")
    piece = f"/reports/{desk.report_id}/writing"
    desk.as_("engineer").post(desk.address, data=SAID)
    waiting = member.get(piece)
    assert f'hx-get="{piece}"' in waiting.text
    assert "<html" not in waiting.text
    assert "HX-Refresh" not in waiting.headers
    desk.worker.run_due()
    assert member.get(piece).headers["HX-Refresh"] == "true"
    assert desk.as_("stranger").get(piece).status_code == 404


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"trl_after": ""}, "Something is missing: “How ready is the solution (TRL)? – After the pilot”."),
        ({"trl_before": "12"}, "Please check “How ready is the solution (TRL)? – Before the pilot”"),
        ({"step_2_owner": " "}, "Something is missing: “What is to be done now? 2 – Who”."),
        ({"step_1_due": "soon"}, "Please check “What is to be done now? 1 – By when”"),
        ({"risk_2_text": ""}, "Something is missing: “What may go wrong with the investment? 1 – What”."),
        ({"risk_2_impact": "deadly"}, "Please check “What may go wrong with the investment? 1 – How bad”"),
        ({"language": "xx"}, "Please check “Language of the whole report”"),
        ({"authors": "A\n" * 21}, "There is too much at “Who wrote this report?”: 20 at most."),
        ({"transfer": "x" * 2001}, "own site?” is too long: 2000 characters at most."),
    ],
)
def test_a_refusal_names_the_question_and_keeps_what_was_typed(desk, typed, sentence):
    refused = desk.as_("engineer").post(desk.address, data={**SAID, **typed})
    assert refused.status_code == 422
    text = html.unescape(refused.text)
    assert text.count('role="alert"') == 1
    assert sentence in text
    for kept in ("Ask for an offer.", "Regional programme\nA loan", "Look at it each week.", "Shown on real parts."):
        assert kept in text
    assert statement(desk) == Statement()
    polish = desk.as_("engineer", "pl").post(desk.address, data={**SAID, **typed}).text
    assert "Please" not in polish
    assert "Something is missing" not in polish


def test_more_room_keeps_what_was_typed_and_writes_nothing(desk):
    engineer = desk.as_("engineer")
    assert 'name="risk_3_text"' in engineer.get(desk.address).text
    filled = {f"risk_{number}_text": f"Risk {number}." for number in (1, 2, 3)}
    more = engineer.post(desk.address, data={**SAID, **filled, "more": "yes"})
    assert more.status_code == 200
    assert 'name="risk_6_text"' in more.text
    assert 'value="Risk 3."' in more.text
    full = {f"risk_{number}_text": f"Risk {number}." for number in range(1, 21)}
    assert 'name="risk_21_text"' not in engineer.post(desk.address, data={**full, "more": "yes"}).text
    assert statement(desk) == Statement()
    for number in range(1, 21):
        full |= {f"risk_{number}_likelihood": "low", f"risk_{number}_impact": "low"}
    assert engineer.post(desk.address, data={**full, "revision": "1"}).status_code == 303
    assert len(statement(desk).risks) == 20


def test_who_was_slower_is_told_so_and_loses_nothing(desk):
    engineer, manager = desk.as_("engineer"), desk.as_("manager")
    assert manager.post(desk.address, data={"revision": "1", "transfer": "Another spindle."}).status_code == 303
    slower = engineer.post(desk.address, data=SAID)
    assert slower.status_code == 409
    assert "Somebody was faster and has changed this report" in slower.text
    assert "Your mill has a weaker spindle." in slower.text
    assert statement(desk).transfer == "Another spindle."
    assert 'name="revision" value="2"' in slower.text  # whoever has compared may keep it all the same
    assert engineer.post(desk.address, data={**SAID, "revision": "2"}).status_code == 303
    assert statement(desk).transfer == "Your mill has a weaker spindle."
    for rubbish in ("", "x", "99999999999999999999", "-1"):
        assert engineer.post(desk.address, data={**SAID, "revision": rubbish}).status_code == 409


def test_a_report_that_is_no_draft_says_what_to_do_instead(desk):
    desk.lab.write(
        lambda s: issuing.review_report(s, desk.lab.engineer, desk.report_id, version=1, now=desk.lab.clock.now())
    )
    manager = desk.as_("manager")
    page = manager.get(desk.address)
    assert "send it back to draft first" in page.text
    assert 'name="transfer"' not in page.text
    refused = manager.post(desk.address, data={**SAID, "revision": "2"})
    assert refused.status_code == 409
    assert "no draft any more, so nothing was changed" in refused.text
    assert "Your mill has a weaker spindle." in refused.text


def test_only_the_staff_writes_and_strangers_find_nothing(desk):
    for who, status in (("member", 403), ("recipient", 404), ("stranger", 404)):
        assert desk.as_(who).get(desk.address).status_code == status
        assert desk.as_(who).post(desk.address, data=SAID).status_code in {403, 404}
        assert desk.as_(who).post(desk.address, data={**SAID, "more": "yes"}).status_code == status
        assert desk.as_(who).post(f"/reports/{desk.report_id}/writing/again").status_code in {403, 404}
    assert browser(desk.app).post(desk.address, data=SAID).headers["location"].startswith("/sign-in")
    for nowhere in ("rep_nothing", "a%00b"):
        assert desk.as_("engineer").get(f"/reports/{nowhere}/statement").status_code == 404
        assert desk.as_("engineer").post(f"/reports/{nowhere}/statement", data=SAID).status_code == 404
    assert statement(desk) == Statement()
    assert SESSION_COOKIE in desk.as_("member").cookies


def test_digital_maturity_is_taken_over_as_it_is_noted_by_then(desk):
    lab, engineer = desk.lab, desk.as_("engineer")
    assert "has not been noted yet" in engineer.get(desk.address).text
    scores = dict.fromkeys(("strategy", "readiness", "people", "data", "automation", "green"), 40)
    wish = MaturityRequest.model_validate({"assessed_on": "2026-11-20", "source": "DMA 4711", **scores})
    lab.write(lambda s: write_assessment(s, lab.engineer, lab.pilot_id, "T0", wish, now=lab.clock.now()))
    assert "T0 (Fri 20 Nov 2026)" in engineer.get(desk.address).text
    engineer.post(desk.address, data=SAID)
    assert [(one.stage, one.strategy) for one in statement(desk).maturity] == [("T0", 40)]


def test_files_that_could_not_be_written_are_told_to_the_staff_and_tried_again(desk):
    engineer = desk.as_("engineer")
    engineer.post(desk.address, data=SAID)
    desk.give_up("write-report", "OSError: [Errno 28] No space left on device")
    page = html.unescape(engineer.get(f"/reports/{desk.report_id}").text)
    assert "This report could not be written." in page
    assert "The disk of the lab's computer is full." in page
    assert "every 2s" not in page
    theirs = desk.as_("member").get(f"/reports/{desk.report_id}").text
    assert "disk" not in theirs
    assert "Try again" not in theirs
    again = engineer.post(f"/reports/{desk.report_id}/writing/again")
    assert again.headers["location"] == f"/reports/{desk.report_id}?done=again"
    desk.worker.run_due()
    assert row(desk).is_written
    with desk.lab.database.read() as session:
        assert {job.state for job in session.query(Job).filter(Job.kind == "write-report")} == {"done"}
    assert engineer.post(f"/reports/{desk.report_id}/writing/again").headers["location"].endswith("done=late")


# Correcting an approved report


def approve(desk):
    lab = desk.lab
    for step, who, revision in (
        (issuing.review_report, "engineer", 1),
        (issuing.approve_report, "manager", 2),
    ):
        lab.write(
            lambda s, step=step, who=who, revision=revision: step(
                s, lab.people[who], desk.report_id, version=revision, now=lab.clock.now()
            )
        )
        desk.worker.run_due()


def test_an_approved_report_is_corrected_by_a_new_draft_and_stays(desk):
    engineer, correct = desk.as_("engineer"), f"/reports/{desk.report_id}/correct"
    assert correct not in engineer.get(f"/reports/{desk.report_id}").text
    assert engineer.post(correct, data={"reason": "Typo."}).headers["location"].endswith("done=late")
    approve(desk)
    assert correct in engineer.get(f"/reports/{desk.report_id}").text
    unsaid = engineer.post(correct, data={"reason": "  "})
    assert "Please say what is corrected" in engineer.get(unsaid.headers["location"]).text
    begun = engineer.post(correct, data={"reason": "The customer's name\nwas misspelt."}).headers["location"]
    new_id = begun.split("/")[2].split("?")[0]
    assert new_id != desk.report_id
    page = engineer.get(begun).text
    assert "The correction is begun as a new draft." in page
    assert "being written again" in page
    assert "report.pdf" not in page  # there is none yet
    assert desk.as_("member").get(f"/reports/{new_id}").status_code == 200
    assert engineer.post(correct, data={"reason": "Again."}).headers["location"].endswith("done=late")
    desk.worker.run_due()
    with desk.lab.database.read() as session:
        new, old = session.get_one(Report, new_id), session.get_one(Report, desk.report_id)
        assert (new.number, new.status, new.is_written) == ("PL-2026-001-R2", "draft", True)
        assert new.issue["changes"][0]["reason"] == "The customer's name was misspelt."
        assert old.is_final
    page = engineer.get(f"/reports/{desk.report_id}").text
    assert "There is a newer report of this pilot:" in page
    assert correct not in page
    assert "report.pdf" in engineer.get(f"/reports/{new_id}").text


def test_only_the_staff_corrects(desk):
    approve(desk)
    correct = f"/reports/{desk.report_id}/correct"
    for who in ("member", "recipient", "stranger"):
        assert desk.as_(who).post(correct, data={"reason": "We do not like it."}).status_code == 403
        assert correct not in desk.as_(who).get(f"/reports/{desk.report_id}").text
    assert desk.as_("engineer").post("/reports/rep_nothing/correct", data={"reason": "x"}).status_code == 404
    assert desk.lab.count(Report) == 1
