"""The simulation behind `benchmarks/calibration.py` goes through the product; there it runs by the thousand."""

import pytest
from scipy import stats

from benchmarks.calibration import EXPECTED, SETTINGS, Setting, _frame, simulate, sized_plan
from lab.reports.results import Verdict

PILOTS = 30


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_simulated_pilots_come_to_verdicts_and_their_intervals_cover_the_truth(setting: Setting) -> None:
    frame = _frame(sized_plan(setting)[0])
    found = [simulate(setting, EXPECTED, seed, frame) for seed in range(PILOTS)]
    assert sum(covered for covered, _ in found) >= stats.binom.ppf(1e-4, PILOTS, 0.95)
    verdicts = [verdict for _, verdict in found]
    assert verdicts.count(Verdict.INVEST) > PILOTS / 3
    assert verdicts.count(Verdict.DO_NOT_INVEST) <= 2
