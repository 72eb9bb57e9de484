"""Wishes for slots that are taken, and the offers made when something becomes free."""
