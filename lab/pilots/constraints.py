"""What the database itself refuses: a locked plan does not change, a run is never deleted (I5).

`create_all` runs the statements after it has made the tables (`attach`); a migration executes `UPGRADE[dialect]` and
`DOWNGRADE[dialect]` after both tables exist.
"""

import sqlalchemy as sa
from sqlalchemy import event

PLAN_LOCKED = "pilotlab a locked plan does not change"
"""What the triggers on plans say."""

RUN_KEPT = "pilotlab a run is excluded with a reason, never deleted"
"""What the triggers on runs say."""

PLANS: dict[str, list[str]] = {
    "postgresql": [
        "CREATE FUNCTION refuse_locked_plan() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{PLAN_LOCKED}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        "CREATE TRIGGER plans_locked BEFORE UPDATE OR DELETE ON plans FOR EACH ROW "
        "WHEN (OLD.locked_at IS NOT NULL) EXECUTE FUNCTION refuse_locked_plan()",
    ],
    "sqlite": [
        "CREATE TRIGGER plans_locked_update BEFORE UPDATE ON plans WHEN OLD.locked_at IS NOT NULL "
        f"BEGIN SELECT RAISE(ABORT, '{PLAN_LOCKED}'); END",
        "CREATE TRIGGER plans_locked_delete BEFORE DELETE ON plans WHEN OLD.locked_at IS NOT NULL "
        f"BEGIN SELECT RAISE(ABORT, '{PLAN_LOCKED}'); END",
    ],
}
"""Statements for the existing table `plans`, by dialect, in order."""

RUNS: dict[str, list[str]] = {
    "postgresql": [
        "CREATE FUNCTION refuse_run_deletion() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{RUN_KEPT}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        "CREATE TRIGGER runs_kept BEFORE DELETE ON runs FOR EACH ROW EXECUTE FUNCTION refuse_run_deletion()",
    ],
    "sqlite": [
        f"CREATE TRIGGER runs_kept BEFORE DELETE ON runs BEGIN SELECT RAISE(ABORT, '{RUN_KEPT}'); END",
    ],
}
"""Statements for the existing table `runs`, by dialect, in order."""

UPGRADE: dict[str, list[str]] = {dialect: PLANS[dialect] + RUNS[dialect] for dialect in PLANS}
"""Everything, for a migration."""

DOWNGRADE: dict[str, list[str]] = {
    "postgresql": [
        "DROP TRIGGER plans_locked ON plans",
        "DROP FUNCTION refuse_locked_plan()",
        "DROP TRIGGER runs_kept ON runs",
        "DROP FUNCTION refuse_run_deletion()",
    ],
    "sqlite": ["DROP TRIGGER plans_locked_update", "DROP TRIGGER plans_locked_delete", "DROP TRIGGER runs_kept"],
}
"""Takes it away again."""


def attach(table: sa.Table, statements: dict[str, list[str]]) -> None:
    """Have `create_all` run the statements of its dialect right after it has made the table."""
    for dialect, lines in statements.items():
        for line in lines:
            event.listen(table, "after_create", sa.DDL(line).execute_if(dialect=dialect))  # type: ignore[no-untyped-call]
