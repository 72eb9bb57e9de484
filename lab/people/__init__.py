"""Organisations, accounts and roles."""
