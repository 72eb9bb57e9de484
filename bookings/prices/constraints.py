"""What the database itself refuses: an entry of the ledger of support is countered, never changed or deleted.

`create_all` runs the statements after it has made the table (`attach`); the migration executes the same ones.
"""

import sqlalchemy as sa
from sqlalchemy import event

LEDGER_KEPT = "pilotlab an entry of support is countered, never changed or deleted"
"""What the triggers say."""

LEDGER: dict[str, list[str]] = {
    "postgresql": [
        "CREATE FUNCTION refuse_support_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{LEDGER_KEPT}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        "CREATE TRIGGER support_entries_kept BEFORE UPDATE OR DELETE ON support_entries "
        "FOR EACH ROW EXECUTE FUNCTION refuse_support_change()",
        "CREATE TRIGGER support_entries_all_kept BEFORE TRUNCATE ON support_entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_support_change()",
    ],
    "sqlite": [
        "CREATE TRIGGER support_entries_kept_on_update BEFORE UPDATE ON support_entries "
        f"BEGIN SELECT RAISE(ABORT, '{LEDGER_KEPT}'); END",
        "CREATE TRIGGER support_entries_kept_on_delete BEFORE DELETE ON support_entries "
        f"BEGIN SELECT RAISE(ABORT, '{LEDGER_KEPT}'); END",
    ],
}
"""Statements for the existing table `support_entries`, by dialect, in order."""

OTHER_AID: dict[str, list[str]] = {
    "postgresql": [
        "CREATE FUNCTION refuse_other_aid_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{LEDGER_KEPT}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        "CREATE TRIGGER other_aids_kept BEFORE UPDATE OR DELETE ON other_aids "
        "FOR EACH ROW EXECUTE FUNCTION refuse_other_aid_change()",
        "CREATE TRIGGER other_aids_all_kept BEFORE TRUNCATE ON other_aids "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_other_aid_change()",
    ],
    "sqlite": [
        "CREATE TRIGGER other_aids_kept_on_update BEFORE UPDATE ON other_aids "
        f"BEGIN SELECT RAISE(ABORT, '{LEDGER_KEPT}'); END",
        "CREATE TRIGGER other_aids_kept_on_delete BEFORE DELETE ON other_aids "
        f"BEGIN SELECT RAISE(ABORT, '{LEDGER_KEPT}'); END",
    ],
}
"""The same for `other_aids`."""


def attach(table: sa.Table, statements: dict[str, list[str]]) -> None:
    """Have `create_all` run the statements of its dialect right after it has made the table."""
    for dialect, lines in statements.items():
        for line in lines:
            event.listen(table, "after_create", sa.DDL(line).execute_if(dialect=dialect))  # type: ignore[no-untyped-call]
