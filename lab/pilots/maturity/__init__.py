"""Digital maturity of a pilot's company over time: assessments at T0, T1 and T2."""
