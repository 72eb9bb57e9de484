"""Calendars by secret link (RFC 5545): per person, per device, per company."""
