"""Utilisation: booked, used, idle and not shown up for, by device, company and week."""
