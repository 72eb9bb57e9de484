"""Rules and trainings over HTTP: who sets them, what they would do, and what everybody may read of them."""

from collections.abc import Callable
from typing import Any

import pytest
from httpx import Response

from bookings.rulebook import setting
from bookings.rulebook.errors import RuleChangedError
from bookings.rulebook.models import RuleEntry
from bookings.rulebook.schemas import RuleSettings
from bookings.rulebook.targets import LAB, Scope, Target
from lab.core.clock import LabClock
from lab.core.database import Database
from tests.booking_lab import RULES, at
from tests.booking_town import API, BookingTown, problem, race, wish
from tests.factories import make_device

LAB_RULES = "/rules/lab"
MILLS = "/rules/class/cnc-mill"
MILL = "/rules/device/mill-1"


@pytest.fixture
def town(each_database: Database, lab_clock: LabClock) -> BookingTown:
    town = BookingTown(each_database, lab_clock)
    with each_database.write() as session:
        make_device(session, "arm-1", kind="robot")
    return town


def put(town: BookingTown, who: str, path: str, body: Any, *, query: str = "", **headers: str) -> Response:
    return town.people[who].call("PUT", API + path + query, json=body, headers=headers)


def remove(town: BookingTown, who: str, path: str, *, query: str = "", **headers: str) -> Response:
    return town.people[who].call("DELETE", API + path + query, headers=headers)


def changes(town: BookingTown, subject_id: str) -> list[tuple[str, Any, Any]]:
    found = town.get("manager", "/audit", subject="rule", subject_id=subject_id).json()
    return [(line["what"], line["before"], line["after"]) for line in reversed(found["changes"])]


def effective(town: BookingTown, who: str, *device_ids: str) -> dict[str, Any]:
    found = town.get(who, "/rules", device_id=list(device_ids))
    assert found.status_code == 200, found.text
    answer: dict[str, Any] = found.json()["effective"]
    return answer


def test_a_manager_sets_changes_and_removes_rules_and_each_step_is_in_the_log(town: BookingTown) -> None:
    made = put(town, "manager", LAB_RULES, {"lead_minutes": 60})
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    assert made.json()["effect"] is None
    entry = made.json()["entry"]
    assert (entry["scope"], entry["name"], entry["version"], entry["settings"]["lead_minutes"]) == ("lab", "", 1, 60)

    read = town.get("engineer", LAB_RULES)
    assert (read.json(), read.headers["etag"]) == (entry, '"1"')

    changed = put(town, "manager", LAB_RULES, {"lead_minutes": 90, "approval": True}, **{"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    gone = remove(town, "manager", LAB_RULES, **{"If-Match": '"2"'})
    assert (gone.status_code, gone.json()) == (200, {"entry": None, "effect": None})
    assert problem(town.get("engineer", LAB_RULES), 404)["rule"] == "known-rules"

    first = {"settings": {"lead_minutes": 60}, "version": 1}
    second = {"settings": {"lead_minutes": 90, "approval": True}, "version": 2}
    assert changes(town, "lab") == [("set", None, first), ("changed", first, second), ("removed", second, None)]


def test_what_is_set_for_the_narrower_wins_and_quotas_add_up(town: BookingTown) -> None:
    put(town, "manager", LAB_RULES, {"lead_minutes": 60, "longest_minutes": 240, "week_quota_minutes": 600})
    put(town, "manager", MILLS, {"longest_minutes": 120, "most_open": 3, "setup_minutes": 30})
    put(town, "manager", MILL, {"lead_minutes": 0, "cleanup_minutes": 0, "needs_devices": ["arm-1"]})

    mill, arm = effective(town, "founder", "mill-1"), effective(town, "founder", "arm-1")
    assert (mill["lead_minutes"], mill["longest_minutes"], mill["needs_devices"]) == (0, 120, ["arm-1"])
    assert (arm["lead_minutes"], arm["longest_minutes"], arm["needs_devices"]) == (60, 240, [])
    assert mill["buffers"] == [{"device_id": "mill-1", "setup_minutes": 30, "cleanup_minutes": 0}]
    assert [(quota["scope"], quota["name"]) for quota in mill["quotas"]] == [("lab", ""), ("class", "cnc-mill")]
    assert [quota["scope"] for quota in arm["quotas"]] == ["lab"]

    both = effective(town, "founder", "mill-1", "arm-1")
    assert (both["device_ids"], both["lead_minutes"], both["longest_minutes"]) == (["arm-1", "mill-1"], 60, 120)
    assert both["needs_devices"] == []


def test_whoever_books_reads_what_holds_for_devices_and_only_the_staff_what_is_set(town: BookingTown) -> None:
    put(town, "manager", MILL, {"opening_hours": {"mon": "06:00-14:00,15:00-24:00"}, "holidays": "PL-24"})
    put(town, "manager", LAB_RULES, {"closed_days": [{"day": "2026-12-24", "name": "Stock-taking"}]})
    facts = effective(town, "founder", "mill-1")
    assert facts["time_zone"] == "Europe/Warsaw"
    assert facts["calendars"] == [
        {
            "opening_hours": {"mon": "06:00-14:00,15:00-24:00"},
            "holidays": "PL-24",
            "closed_days": [{"day": "2026-12-24", "name": "Stock-taking"}],
            "special_days": {},
        }
    ]
    assert (facts["horizon_days"], facts["check_in_minutes"], facts["quotas"]) == (180, None, [])

    assert town.get("founder", "/rules", device_id="mill-1").json()["entries"] is None
    assert problem(town.get("founder", "/rules"), 403)["rule"] == "staff-only"
    for path in (LAB_RULES, MILLS, MILL):
        assert problem(town.get("founder", path), 403)["rule"] == "staff-only"
    assert problem(town.get("reader", "/rules", device_id="mill-1"), 403)["rule"] == "members-book"
    entries = town.get("engineer", "/rules").json()["entries"]
    assert [(entry["scope"], entry["name"]) for entry in entries] == [("lab", ""), ("device", "mill-1")]
    assert town.nobody.get(API + "/rules").status_code == 401


def test_rules_of_devices_that_nobody_can_book_are_refused_by_name(town: BookingTown) -> None:
    for device_ids, rule in (
        (["mill-9"], "known-device"),
        (["lathe-0"], "device-in-service"),
        (["mill-1", "mill-1"], "each-device-once"),
    ):
        assert problem(town.get("founder", "/rules", device_id=device_ids), 422)["rule"] == rule


def test_only_managers_change_rules_or_try_them(town: BookingTown) -> None:
    for who in ("engineer", "founder", "reader"):
        for query in ("", "?dry_run=true"):
            assert problem(put(town, who, LAB_RULES, {}, query=query), 403)["rule"] == "manager-only"
            assert problem(remove(town, who, LAB_RULES, query=query), 403)["rule"] == "manager-only"
    assert town.count(RuleEntry) == 0


def test_rules_for_what_does_not_exist_are_not_found(town: BookingTown) -> None:
    for query in ("", "?dry_run=true"):
        unknown = problem(put(town, "manager", "/rules/device/mill-9", {}, query=query), 404)
        assert (unknown["field"], unknown["rule"]) == ("device_id", "known-device")
        unknown = problem(put(town, "manager", "/rules/class/laser", {}, query=query), 404)
        assert (unknown["field"], unknown["rule"]) == ("kind", "known-class")
        assert "cnc-mill, robot" in unknown["detail"]
        for path in (LAB_RULES, MILLS, MILL, "/rules/class/%00", "/rules/device/%E2%82%AC"):
            assert problem(remove(town, "manager", path, query=query), 404)["rule"] == "known-rules"
    assert problem(put(town, "manager", "/rules/planet/earth", {}), 404)


NONSENSE: list[tuple[dict[str, Any], str]] = [
    ({"opening_hours": {"monday": "07:00-19:00"}}, "opening_hours"),
    ({"opening_hours": {"mon": "19:00-07:00"}}, "opening_hours"),
    ({"opening_hours": {"mon": "07:00-12:00,11:00-19:00"}}, "opening_hours"),
    ({"holidays": "Atlantis"}, "holidays"),
    ({"holidays": "HolidaySum"}, "holidays"),
    ({"holidays": "PL-99"}, "holidays"),
    ({"closed_days": [{"day": "2026-02-30", "name": "No day"}]}, "closed_days.0.day"),
    ({"special_days": {"2026-12-24": "7-12"}}, "special_days"),
    ({"lead_minutes": -1}, "lead_minutes"),
    ({"horizon_days": 0}, "horizon_days"),
    ({"horizon_days": 10**9}, "horizon_days"),
    ({"granularity_minutes": 1441}, "granularity_minutes"),
    ({"qualifications": ["CNC basics"]}, "qualifications.0"),
    ({"needs_devices": ["mill 1"]}, "needs_devices.0"),
    ({"most_open": 0}, "most_open"),
    ({"colour": "red"}, "colour"),
]


def test_settings_that_make_no_sense_are_refused_by_the_name_of_the_field(town: BookingTown) -> None:
    for settings, field in NONSENSE:
        assert problem(put(town, "manager", LAB_RULES, settings), 422)["field"] == field
    assert town.count(RuleEntry) == 0


UNBOOKABLE: list[tuple[str, dict[str, Any], str, str]] = [
    (MILL, {"needs_devices": ["mill-1"]}, "needs_devices", "needs-other-device"),
    (MILL, {"needs_devices": ["laser-1"]}, "needs_devices", "known-device"),
    (MILL, {"needs_devices": ["lathe-0"]}, "needs_devices", "device-in-service"),
    (MILLS, {"shortest_minutes": 120, "longest_minutes": 60}, "shortest_minutes", "shortest-up-to-longest"),
    (
        LAB_RULES,
        {"shortest_minutes": 50, "longest_minutes": 55, "granularity_minutes": 30},
        "granularity_minutes",
        "granularity-fits",
    ),
    (MILL, {"granularity_minutes": 120, "longest_minutes": 60}, "granularity_minutes", "granularity-fits"),
    (MILL, {"lead_minutes": 2 * 1440, "horizon_days": 2}, "lead_minutes", "lead-within-horizon"),
]


def test_rules_under_which_nothing_could_be_booked_are_refused(town: BookingTown) -> None:
    for path, settings, field, rule in UNBOOKABLE:
        for query in ("", "?dry_run=true"):
            refused = problem(put(town, "manager", path, settings, query=query), 422)
            assert (refused["field"], refused["rule"]) == (field, rule)
    assert town.count(RuleEntry) == 0


def test_rules_that_contradict_those_further_out_are_refused_and_so_is_removing_what_keeps_them_apart(
    town: BookingTown,
) -> None:
    put(town, "manager", MILLS, {"longest_minutes": 240})
    put(town, "manager", MILL, {"shortest_minutes": 180})
    refused = problem(put(town, "manager", MILLS, {"longest_minutes": 120}, **{"If-Match": '"1"'}), 422)
    assert (refused["rule"], refused["device_id"]) == ("shortest-up-to-longest", "mill-1")
    put(town, "manager", LAB_RULES, {"longest_minutes": 60})
    assert problem(remove(town, "manager", MILLS, **{"If-Match": '"1"'}), 422)["rule"] == "shortest-up-to-longest"


def test_devices_that_need_each_other_are_booked_together_and_nothing_runs_in_a_circle(town: BookingTown) -> None:
    for device_id, needed in (("mill-1", "meter-1"), ("meter-1", "arm-1"), ("arm-1", "mill-1")):
        assert put(town, "manager", f"/rules/device/{device_id}", {"needs_devices": [needed]}).status_code == 201
    assert effective(town, "founder", "mill-1")["needs_devices"] == ["arm-1", "meter-1"]
    refused = problem(town.post("founder", "/bookings", wish(at(10), "mill-1")), 422)
    assert refused["instead"] == {"device_ids": ["arm-1", "meter-1", "mill-1"]}
    town.book("founder", at(10), *refused["instead"]["device_ids"])


def test_a_device_cannot_need_more_others_than_one_booking_holds(town: BookingTown) -> None:
    many = [f"probe-{number}" for number in range(19)]
    with town.database.write() as session:
        for device_id in [*many, "probe-last"]:
            make_device(session, device_id, kind="probe")
    assert put(town, "manager", MILL, {"needs_devices": many}).status_code == 201
    refused = problem(put(town, "manager", "/rules/device/probe-3", {"needs_devices": ["probe-last"]}), 422)
    assert (refused["rule"], refused["device_id"]) == ("most-devices", "mill-1")


# Two managers


def test_who_has_not_seen_the_present_rules_cannot_change_them(town: BookingTown) -> None:
    put(town, "manager", MILL, {"lead_minutes": 60})
    for act in (
        lambda **headers: put(town, "manager", MILL, {}, **headers),
        lambda **h: remove(town, "manager", MILL, **h),
    ):
        unsaid = problem(act(), 412)
        assert (unsaid["field"], unsaid["rule"], unsaid["version"]) == ("If-Match", "if-match-needed", 1)
        for stale in ('"2"', '"0"', 'W/"1"', '"lead"'):
            assert problem(act(**{"If-Match": stale}), 412)["rule"] == "present-version"
        assert problem(act(**{"If-Match": '"1", "2"'}), 422)["rule"] == "one-version"
    for new in ('"1"', "*"):
        assert problem(put(town, "manager", LAB_RULES, {}, **{"If-Match": new}), 412)["rule"] == "present-version"
    assert put(town, "manager", MILL, {"lead_minutes": 30}, **{"If-Match": "*"}).headers["etag"] == '"2"'


def test_the_number_of_removed_rules_means_nothing_for_those_set_after_them(town: BookingTown) -> None:
    put(town, "manager", MILL, {"lead_minutes": 60})
    remove(town, "manager", MILL, **{"If-Match": '"1"'})
    assert put(town, "manager", MILL, {"lead_minutes": 30}).headers["etag"] == '"2"'
    assert problem(put(town, "manager", MILL, {}, **{"If-Match": '"1"'}), 412)["rule"] == "present-version"


def managers_at_once(
    town: BookingTown, target: Target, version: int | None
) -> tuple[list[Any], list[Any], list[BaseException]]:
    def deed(minutes: int) -> Callable[[], RuleEntry]:
        return lambda: town.database.transact(
            lambda session: setting.set_rules(
                session,
                town.who("manager"),
                target,
                RuleSettings(lead_minutes=minutes),
                version=version,
                now=town.clock.now(),
                defaults=RULES,
            )
        )

    return race([deed(minutes) for minutes in (10, 20, 30, 40)])


def test_of_managers_who_change_the_same_rules_at_once_one_wins_and_the_others_are_told(town: BookingTown) -> None:
    for version in (None, 1, 2, 3):
        won, refused, failed = managers_at_once(town, LAB, version)
        assert failed == []
        assert len(won) == 1
        assert [type(error) for error in refused] == [RuleChangedError] * 3
    entry = town.get("manager", LAB_RULES).json()
    assert (entry["version"], entry["settings"]["lead_minutes"]) == (4, won[0].settings["lead_minutes"])
    assert len(changes(town, "lab")) == 4


def test_managers_who_change_different_rules_at_once_both_succeed(town: BookingTown) -> None:
    def deed(target: Target) -> Callable[[], RuleEntry]:
        return lambda: town.database.transact(
            lambda session: setting.set_rules(
                session, town.who("manager"), target, RuleSettings(), version=None, now=town.clock.now(), defaults=RULES
            )
        )

    won, refused, failed = race([deed(Target(Scope.DEVICE, name)) for name in ("mill-1", "meter-1", "arm-1")])
    assert (len(won), refused, failed) == (3, [], [])


# What a change would do


def test_a_dry_run_tells_which_upcoming_bookings_would_not_be_allowed_and_changes_nothing(town: BookingTown) -> None:
    kept = town.book("founder", at(9, day=24), "mill-1")
    long = town.book("joiner", at(9, day=25, length=4), "mill-1", "meter-1")
    late = town.book("founder", at(17, day=26, length=2), "mill-1")
    town.book("founder", at(17, day=26, length=2), "arm-1")
    settings = {"longest_minutes": 180, "opening_hours": dict.fromkeys(["mon", "tue", "wed", "thu"], "08:00-18:00")}

    tried = put(town, "manager", MILLS, settings, query="?dry_run=true")
    assert tried.status_code == 200
    assert "etag" not in tried.headers
    effect = tried.json()["effect"]
    assert (effect["judged"], effect["complete"], effect["count"]) == (3, True, 2)
    assert [(one["booking_id"], [reason["rule"] for reason in one["reasons"]]) for one in effect["bookings"]] == [
        (long["id"], ["longest-booking"]),
        (late["id"], ["opening-hours"]),
    ]
    assert tried.json()["entry"] is None
    assert (town.count(RuleEntry), changes(town, "class/cnc-mill")) == (0, [])

    assert put(town, "manager", MILLS, settings).status_code == 201
    for booking in (kept, long, late):  # they stay
        assert town.get("engineer", f"/bookings/{booking['id']}").json()["state"] == "confirmed"
    again = put(town, "manager", MILLS, settings, query="?dry_run=true").json()["effect"]
    assert again["count"] == 0  # they are not allowed now either, so this changes nothing for them


def test_a_dry_run_judges_a_booking_as_of_the_moment_when_it_was_made(town: BookingTown) -> None:
    soon = town.book("founder", at(9), "mill-1")  # made an hour ahead
    town.book("founder", at(9, day=24), "mill-1")
    town.clock.jump_to(at(8.5).start)
    effect = put(town, "manager", MILL, {"lead_minutes": 60}, query="?dry_run=true").json()["effect"]
    assert (effect["count"], effect["judged"]) == (0, 2)
    effect = put(town, "manager", MILL, {"lead_minutes": 61}, query="?dry_run=true").json()["effect"]
    assert [one["booking_id"] for one in effect["bookings"]] == [soon["id"]]


def test_a_dry_run_knows_needs_trainings_supervision_and_quotas(town: BookingTown) -> None:
    trained = town.book("founder", at(9, day=24), "mill-1")
    later = town.book("founder", at(9, day=25), "mill-1", "meter-1")
    town.book("engineer", at(9, day=26), "mill-1")
    founder = town.who("founder").account_id
    town.post(
        "engineer", "/qualifications", {"account_id": founder, "name": "milling", "expires_at": "2026-11-25T00:00:00Z"}
    )

    def affected(**settings: Any) -> list[tuple[str, list[str]]]:
        effect = put(town, "manager", MILL, settings, query="?dry_run=true").json()["effect"]
        return [(one["booking_id"], [reason["rule"] for reason in one["reasons"]]) for one in effect["bookings"]]

    assert affected(qualifications=["milling"]) == [(later["id"], ["qualification"])]
    assert affected(supervision=True) == [(trained["id"], ["supervision"]), (later["id"], ["supervision"])]
    assert [found for found in affected(needs_devices=["meter-1"]) if found[0] in (trained["id"], later["id"])] == [
        (trained["id"], ["needs-device"])
    ]
    assert affected(most_open=1) == [(later["id"], ["open-bookings"])]  # the one that was made last
    assert affected(week_quota_minutes=90) == [(later["id"], ["week-quota"])]
    assert affected(week_quota_minutes=120) == []


def test_removing_rules_can_be_tried_too(town: BookingTown) -> None:
    put(town, "manager", LAB_RULES, {"longest_minutes": 60})
    put(town, "manager", MILL, {"longest_minutes": 300})
    long = town.book("founder", at(9, day=24, length=4), "mill-1")
    effect = remove(town, "manager", MILL, query="?dry_run=true").json()["effect"]
    assert [one["booking_id"] for one in effect["bookings"]] == [long["id"]]
    assert town.count(RuleEntry) == 2


def test_of_many_bookings_all_are_counted_and_the_soonest_are_told(
    town: BookingTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookings.rulebook.answers.MOST_TOLD", 2)
    made = [town.book("founder", at(hour, day=24), "mill-1", "meter-1")["id"] for hour in (14, 8, 10, 12)]
    effect = put(town, "manager", LAB_RULES, {"longest_minutes": 30}, query="?dry_run=true").json()["effect"]
    assert (effect["judged"], effect["complete"], effect["count"]) == (4, True, 4)
    assert [one["booking_id"] for one in effect["bookings"]] == [made[1], made[2]]
    monkeypatch.setattr(setting, "MOST_JUDGED", 3)
    effect = put(town, "manager", LAB_RULES, {"longest_minutes": 30}, query="?dry_run=true").json()["effect"]
    assert (effect["judged"], effect["complete"], effect["count"]) == (3, False, 3)


# Trainings


def grant(town: BookingTown, who: str, name: str = "milling", **fields: Any) -> Response:
    return town.post(who, "/qualifications", {"account_id": town.who("founder").account_id, "name": name, **fields})


def test_the_staff_grants_and_revokes_trainings_and_both_are_in_the_log(town: BookingTown) -> None:
    made = grant(town, "engineer", expires_at="2027-11-23T00:00:00+01:00")
    assert made.status_code == 201
    training = made.json()
    assert (training["name"], training["expires_at"]) == ("milling", "2027-11-22T23:00:00Z")
    assert training["granted_by"] == town.who("engineer").account_id
    town.clock.jump_to(at(9).start)
    path = f"/qualifications/{training['id']}/revoke"
    revoked = town.post("manager", path).json()
    assert revoked["revoked_at"] == "2026-11-23T08:00:00Z"
    town.clock.jump_to(at(10).start)
    assert town.post("manager", path).json() == revoked
    found = town.get("manager", "/audit", subject="qualification", subject_id=training["id"]).json()["changes"]
    assert [line["what"] for line in found] == ["revoked", "granted"]


def test_a_person_sees_the_own_trainings_and_the_staff_everybodys(town: BookingTown) -> None:
    founder, joiner = town.who("founder").account_id, town.who("joiner").account_id
    mine = grant(town, "engineer").json()["id"]
    his = town.post("engineer", "/qualifications", {"account_id": joiner, "name": "welding"}).json()["id"]

    def seen(who: str, **query: Any) -> list[str]:
        answer = town.get(who, "/qualifications", **query)
        assert answer.status_code == 200
        return [training["id"] for training in answer.json()["qualifications"]]

    assert sorted(seen("engineer")) == sorted([mine, his])
    assert seen("engineer", account_id=joiner) == [his]
    assert seen("founder") == seen("founder", account_id=founder) == [mine]
    assert seen("founder", account_id=joiner) == []
    assert seen("reader") == []
    first = town.get("engineer", "/qualifications", limit=1)
    rest = town.get("engineer", "/qualifications", limit=1, cursor=first.json()["next"]).json()
    assert {first.json()["qualifications"][0]["id"], rest["qualifications"][0]["id"]} == {mine, his}
    assert rest["next"] is None


def test_nobody_but_the_staff_grants_or_revokes(town: BookingTown) -> None:
    training = grant(town, "engineer").json()["id"]
    for who in ("founder", "reader"):
        assert problem(grant(town, who), 403)["rule"] == "staff-only"
        assert problem(town.post(who, f"/qualifications/{training}/revoke"), 403)["rule"] == "staff-only"
    assert problem(town.post("engineer", "/qualifications/qual_none/revoke"), 404)["rule"] == "known-training"
    assert problem(town.post("engineer", "/qualifications/%00/revoke"), 404)["rule"] == "known-training"


NO_TRAININGS: list[tuple[dict[str, Any], str, str]] = [
    ({"account_id": "acc_nobody"}, "account_id", "known-account"),
    ({"expires_at": "2026-11-23T07:00:00Z"}, "expires_at", "expiry-ahead"),
    ({"expires_at": "2027-11-23T07:00:00"}, "expires_at", "aware-time"),
    ({"name": "CNC basics"}, "name", "string-pattern-mismatch"),
]


def test_a_training_that_makes_no_sense_is_refused_by_name(town: BookingTown) -> None:
    for fields, field, rule in NO_TRAININGS:
        refused = problem(grant(town, "engineer", **fields), 422)
        assert (refused["field"], refused["rule"]) == (field, rule)
    assert town.get("engineer", "/qualifications").json()["qualifications"] == []


def test_a_training_is_granted_once_for_one_key(town: BookingTown) -> None:
    body = {"account_id": town.who("founder").account_id, "name": "milling"}
    one, again = (town.post("engineer", "/qualifications", body, **{"Idempotency-Key": "k-1"}) for _ in range(2))
    assert one.json() == again.json()
    assert len(town.get("engineer", "/qualifications").json()["qualifications"]) == 1


def test_who_is_trained_books_until_the_training_expires_or_is_revoked(town: BookingTown) -> None:
    put(town, "manager", MILL, {"qualifications": ["milling"]})
    refused = problem(town.post("founder", "/bookings", wish(at(9, day=24))), 422)
    assert (refused["rule"], refused["instead"]) == ("qualification", {"supervised": True})
    short = grant(town, "engineer", expires_at=at(10, day=24).start.isoformat()).json()["id"]
    town.book("founder", at(9, day=24))
    assert "expires before" in problem(town.post("founder", "/bookings", wish(at(10.5, day=24))), 422)["detail"]
    town.post("engineer", f"/qualifications/{short}/revoke")
    assert "no training" in problem(town.post("founder", "/bookings", wish(at(7, day=24))), 422)["detail"]
    grant(town, "engineer")
    town.book("founder", at(10.5, day=24))
    assert problem(town.post("joiner", "/bookings", wish(at(14, day=24))), 422)["rule"] == "qualification"
    town.book("joiner", at(14, day=24), supervised=True)
