"""Pilots, their analysis plans and their runs."""
