"""What the report says: the real recording against plain pandas, simulated pilots, every way of being short of data."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lab.pilots.examples import demo_plan
from lab.reports.assembly import WRITTEN_AFTER_DATA, compute_results
from lab.reports.results import LAB_OEE, RELATES_ONLY, GuardStatus, Results, Verdict
from tests.unit.reports.sealed_examples import (
    constant_power,
    sealed_device,
    sealed_run,
    write_pilot,
    write_recording,
)

# The recording


@pytest.fixture(scope="module")
def recording_folder(tmp_path_factory, real_recording):
    """The recording, sealed."""
    folder = tmp_path_factory.mktemp("recording") / "data-v1"
    write_recording(folder, real_recording)
    return folder


@pytest.fixture(scope="module")
def recording(recording_folder):
    """What the report on the recording says."""
    return compute_results(recording_folder)


@pytest.fixture(scope="module")
def plain(recording_folder, real_recording):
    """Energy (Wh) and time (s) of every run of the recording by plain pandas, straight from the source."""
    frame = pd.read_parquet(real_recording / "all_18_experiments.parquet")
    table = pd.read_csv(real_recording / "train.csv").set_index("No")
    frame["kw"] = frame["X1_OutputPower"] + frame["Y1_OutputPower"] + frame["S1_OutputPower"]
    for number, rows in frame.groupby("experiment"):
        mid = (rows.kw + rows.kw.shift()) / 2
        table.loc[number, "wh"] = (mid * rows.t_s.diff()).sum() / 3.6
        table.loc[number, "s"] = rows.t_s.max() - rows.t_s.min()
    return table


def test_every_run_of_the_recording_agrees_with_plain_pandas(recording, plain):
    for key, column in (("energy_per_part", "wh"), ("run_time", "s")):
        kpi = next(kpi for kpi in recording.kpis if kpi.key == key)
        for run in kpi.runs:
            # the source has three significant digits; its time stamps are rounded to the microsecond by the replay
            assert run.value == pytest.approx(plain.loc[run.run, column], rel=1e-9)


def test_comparison_of_the_recording_agrees_with_plain_pandas(recording, plain):
    finished = plain[plain.machining_finalized == "yes"]
    slow, fast = (finished[finished.feedrate == feed].wh for feed in (3, 6))
    found = recording.primary.comparison
    assert found.difference == pytest.approx(fast.mean() - slow.mean())
    welch = stats.ttest_ind(fast, slow, equal_var=False).confidence_interval()
    assert (found.interval.low, found.interval.high) == pytest.approx((welch.low, welch.high))
    assert found.difference == pytest.approx(-4.642, abs=5e-4)


def test_recording_says_that_its_criteria_came_after_the_data(recording):
    assert recording.grade.letter == "D"
    assert recording.plan.written_after_data_sentence == WRITTEN_AFTER_DATA
    assert recording.verdict is Verdict.INVEST_UNDER_CONDITIONS
    assert not recording.method.randomised
    assert "grade D" in recording.answer


def test_recording_shows_what_the_faster_feed_costs(recording):
    passed, finished = (next(kpi for kpi in recording.kpis if kpi.key == key) for key in ("passed", "finished"))
    assert [(arm.successes, arm.n) for arm in passed.arms if arm.role != "other"] == [(6, 6), (3, 4)]
    assert [(arm.successes, arm.n) for arm in finished.arms if arm.role != "other"] == [(6, 6), (4, 5)]
    assert [guard.status for guard in recording.guards] == [GuardStatus.UNDECIDED] * 2
    assert "quality is still open" in recording.answer
    assert any("6 of 6 (feed 3 mm/s) and 4 of 5 (feed 6 mm/s)" in risk for risk in recording.risks)
    assert any("6 of 6 (feed 3 mm/s) and 3 of 4 (feed 6 mm/s)" in risk for risk in recording.risks)


def test_recording_keeps_the_unfinished_part_and_the_other_feeds_in_view(recording):
    assert len(recording.quality) == 18
    runs = {run.run: run for run in recording.primary.runs}
    assert runs[4].excluded == "unfinished part"
    assert runs[4].value is not None
    assert runs[10].excluded == "arm not compared by the plan"
    assert [run.arm for run in recording.method.executed_order].count("feed-6") == 5


# Made-up pilots


@pytest.fixture
def pilot(tmp_path):
    """Gives the results of a made-up pilot from each run's power (kW), 100 s a run."""

    def make(powers, *, plan=None, roughness=None, **facts):
        plan = plan or demo_plan()
        runs = [
            sealed_run(
                number,
                arm,
                seconds=100,
                **{
                    "result": {"finished": True, "roughness_um": (roughness or {}).get(arm, 1.0) + 0.01 * (number % 3)},
                    **facts.get(f"run_{number}", {}),
                },
            )
            for number, (arm, _) in enumerate(powers, start=1)
        ]
        levels = dict(enumerate((level for _, level in powers), start=1))
        devices = [sealed_device("meter-1", {"active_power_kw": "kW"}), sealed_device("mill-1", {})]
        write_pilot(
            tmp_path / "sealed",
            plan,
            runs,
            devices,
            lambda run: [constant_power(run, levels[run.number])],
        )
        return compute_results(tmp_path / "sealed")

    return make


def powers(saving_kwh, *, sd=0.05, runs=6, seed=1):
    """Arms in alternation; 3.6 kW is 0.1 kWh in 100 s."""
    rng = np.random.default_rng(seed)
    levels = {"standard": 7.2, "fast": 7.2 - 36 * saving_kwh}
    return [(arm, levels[arm] + rng.normal(0, sd)) for _ in range(runs) for arm in ("standard", "fast")]


def test_a_clear_saving_at_equal_quality_says_invest(pilot):
    found = pilot(powers(0.04))
    assert found.verdict is Verdict.INVEST
    assert found.grade.letter == "A"
    assert found.primary.comparison.improvement == pytest.approx(0.04, abs=0.005)
    assert found.primary.criterion.decision == "above"
    assert found.risks == ()
    assert found.statements == (RELATES_ONLY,)
    assert LAB_OEE not in found.statements
    assert found.further_runs is None
    assert found.answer.startswith("Yes: with feed 9 mm/s, energy per part improves by 0.0")


def test_the_price_of_an_improvement_is_named_even_within_its_margin(pilot):
    found = pilot(powers(0.04), roughness={"standard": 1.0, "fast": 1.15})
    assert found.verdict is Verdict.INVEST
    (risk,) = found.risks
    assert risk.startswith("Surface roughness Ra does get worse, by +0.1")
    assert "within the margin" in risk


def test_unfinished_parts_are_a_risk_even_without_a_kpi_of_their_own(pilot):
    found = pilot(powers(0.04), run_2={"result": {"finished": False}})
    assert "feed 9 mm/s: 1 of 6 parts not finished (run 2)." in found.risks
    assert found.quality[1].excluded == "unfinished part"


def test_a_saving_near_break_even_asks_for_more_runs(pilot):
    found = pilot(powers(0.021, sd=0.2))
    assert found.verdict is Verdict.EXTEND
    assert found.further_runs is not None
    assert found.answer.startswith("Not answered yet")


def test_a_saving_below_break_even_says_do_not_invest(pilot):
    found = pilot(powers(0.005))
    assert found.verdict is Verdict.DO_NOT_INVEST
    assert found.answer.startswith("No: ")


def test_a_failed_guard_says_do_not_invest_and_names_it_first(pilot):
    found = pilot(powers(0.04), roughness={"fast": 1.5})
    assert found.verdict is Verdict.DO_NOT_INVEST
    assert found.guards[0].status is GuardStatus.FAILED
    assert found.verdict_reasons[0].startswith("Surface roughness Ra – failed")
    assert "surface roughness Ra got worse" in found.answer


def test_two_runs_only_is_no_inference_never_a_p_value(pilot):
    found = pilot(powers(0.04, runs=1))
    assert found.verdict is Verdict.EXTEND
    assert found.grade.letter == "E"
    for kpi in found.kpis:
        assert kpi.comparison is None
        assert kpi.no_inference is not None
    assert "no inference possible" in found.primary.sentence


def test_constant_data_is_no_inference(pilot):
    found = pilot(powers(0.04, sd=0.0))
    assert found.primary.comparison is None
    assert "no spread" in found.primary.no_inference
    assert found.verdict is Verdict.EXTEND
    assert found.further_runs.per_arm is None


def test_all_runs_excluded_is_an_honest_report(pilot):
    excluded = {f"run_{number}": {"excluded": "wrong tool"} for number in range(1, 13)}
    found = pilot(powers(0.04), **excluded)
    assert found.primary.comparison is None
    assert found.verdict is Verdict.EXTEND
    assert all(run.excluded == "wrong tool" for run in found.quality)
    assert len(found.method.deviations) == 12


def test_runs_out_of_the_randomised_order_lower_the_grade(pilot):
    orders = {f"run_{number}": {"executed_order": 13 - number} for number in range(1, 13)}
    found = pilot(powers(0.04), **orders)
    assert found.grade.letter == "D"
    assert found.verdict is Verdict.INVEST_UNDER_CONDITIONS
    assert found.method.deviations[0] == "The runs were not made in the planned order."
    assert [run.run for run in found.quality] == list(range(12, 0, -1))


def test_an_oee_is_never_shown_as_the_plants_own(pilot):
    plan = demo_plan()
    renamed = plan.kpis[2].model_copy(update={"key": "oee"})
    found = pilot(powers(0.04), plan=plan.model_copy(update={"kpis": (*plan.kpis[:2], renamed)}))
    assert found.statements == (RELATES_ONLY, LAB_OEE)


def test_results_survive_json_bit_for_bit(pilot):
    found = pilot(powers(0.04))
    assert Results.model_validate_json(found.model_dump_json()) == found
    assert Results.model_validate(found.model_dump(mode="json")) == found


def test_same_folder_gives_the_same_results(pilot, tmp_path):
    assert pilot(powers(0.04)) == compute_results(tmp_path / "sealed")
