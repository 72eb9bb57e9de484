"""Tests of Pilot Lab."""
