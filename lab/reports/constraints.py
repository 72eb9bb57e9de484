"""What the database itself refuses: a sealed data set is neither changed nor deleted (I5).

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
