"""Figures as a table for spreadsheets (CSV, RFC 4180)."""

import csv
import io

from bookings.figures.counting import Grouping
from bookings.figures.schemas import FiguresAnswer, names_of
from bookings.figures.service import Utilisation

_COLUMNS = {
    Grouping.WEEK: ("week",),
    Grouping.DEVICE: ("device_id", "device"),
    Grouping.COMPANY: ("organisation_id", "company"),
}


def write_sheet(found: Utilisation, by: frozenset[Grouping]) -> str:
    """One line for each group, without a total; columns only for what is told apart."""
    told = [column for grouping, columns in _COLUMNS.items() if grouping in by for column in columns]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*told, *FiguresAnswer.model_fields])
    for group, figures in found.groups.items():
        names = names_of(group, found)
        cells = [plain(names[column] or "") for column in told]
        writer.writerow([*cells, *FiguresAnswer.numbers(figures).values()])
    return text.getvalue()


def plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula: one that could be gets a leading apostrophe."""
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) or text[:1] in {"\t", "\r", "\n"} else text
