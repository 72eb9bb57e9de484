"""What the database itself refuses: sealed data and approved reports are neither changed nor deleted (I5).

`create_all` runs the statements after it has made the table; a migration executes `UPGRADE[dialect]` and
`DOWNGRADE[dialect]`.
"""

SEALED = "pilotlab a sealed data set does not change"
"""What the triggers say."""

UPGRADE: dict[str, list[str]] = {
    "postgresql": [
        "CREATE FUNCTION refuse_sealed_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{SEALED}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        "CREATE TRIGGER data_sets_sealed BEFORE UPDATE OR DELETE ON data_sets FOR EACH ROW "
        "EXECUTE FUNCTION refuse_sealed_change()",
    ],
    "sqlite": [
        f"CREATE TRIGGER data_sets_sealed_update BEFORE UPDATE ON data_sets BEGIN SELECT RAISE(ABORT, '{SEALED}'); END",
        f"CREATE TRIGGER data_sets_sealed_delete BEFORE DELETE ON data_sets BEGIN SELECT RAISE(ABORT, '{SEALED}'); END",
    ],
}
"""Statements for the existing table `data_sets`, by dialect, in order."""

DOWNGRADE: dict[str, list[str]] = {
    "postgresql": ["DROP TRIGGER data_sets_sealed ON data_sets", "DROP FUNCTION refuse_sealed_change()"],
    "sqlite": ["DROP TRIGGER data_sets_sealed_update", "DROP TRIGGER data_sets_sealed_delete"],
}
"""Takes it away again."""

APPROVED = "pilotlab an approved report does not change; a correction is a new version"
"""What the triggers on reports say."""

_FINAL = "OLD.status = 'approved' AND OLD.written_revision = OLD.revision"

REPORTS: dict[str, list[str]] = {
    "postgresql": [
        "CREATE FUNCTION refuse_approved_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{APPROVED}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        f"CREATE TRIGGER reports_approved BEFORE UPDATE OR DELETE ON reports FOR EACH ROW WHEN ({_FINAL}) "
        "EXECUTE FUNCTION refuse_approved_change()",
    ],
    "sqlite": [
        f"CREATE TRIGGER reports_approved_update BEFORE UPDATE ON reports WHEN {_FINAL} "
        f"BEGIN SELECT RAISE(ABORT, '{APPROVED}'); END",
        f"CREATE TRIGGER reports_approved_delete BEFORE DELETE ON reports WHEN {_FINAL} "
        f"BEGIN SELECT RAISE(ABORT, '{APPROVED}'); END",
    ],
}
"""Statements for the existing table `reports`, by dialect, in order."""

REPORTS_DOWNGRADE: dict[str, list[str]] = {
    "postgresql": ["DROP TRIGGER reports_approved ON reports", "DROP FUNCTION refuse_approved_change()"],
    "sqlite": ["DROP TRIGGER reports_approved_update", "DROP TRIGGER reports_approved_delete"],
}
"""Takes it away again."""
