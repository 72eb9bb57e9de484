"""Alarms: rules, episodes, and who is told."""
