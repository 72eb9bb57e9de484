"""The first schema.

Revision ID: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

from lab.core.database import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# What the database itself refuses: I1 (no device reserved twice) and I5 (locked and sealed things do not change).
REFUSALS = {
    "postgresql": [
        """CREATE EXTENSION IF NOT EXISTS btree_gist""",
        """ALTER TABLE booking_devices ADD CONSTRAINT ex_booking_devices_device_free EXCLUDE USING gist (device_id WITH =, tstzrange(reserved_start, reserved_end) WITH &&) WHERE (active) DEFERRABLE INITIALLY DEFERRED""",
        """CREATE FUNCTION refuse_locked_plan() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'pilotlab a locked plan does not change' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
        """CREATE TRIGGER plans_locked BEFORE UPDATE OR DELETE ON plans FOR EACH ROW WHEN (OLD.locked_at IS NOT NULL) EXECUTE FUNCTION refuse_locked_plan()""",
        """CREATE FUNCTION refuse_run_deletion() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'pilotlab a run is excluded with a reason, never deleted' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
        """CREATE TRIGGER runs_kept BEFORE DELETE ON runs FOR EACH ROW EXECUTE FUNCTION refuse_run_deletion()""",
        """CREATE FUNCTION refuse_sealed_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'pilotlab a sealed data set does not change' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
        """CREATE TRIGGER data_sets_sealed BEFORE UPDATE OR DELETE ON data_sets FOR EACH ROW EXECUTE FUNCTION refuse_sealed_change()""",
    ],
    "sqlite": [
        """CREATE TRIGGER booking_devices_free_on_insert BEFORE INSERT ON booking_devices BEGIN
  SELECT RAISE(ABORT, 'pilotlab reservation needs whole microseconds and active 0 or 1')
   WHERE typeof(NEW.reserved_start) <> 'integer' OR typeof(NEW.reserved_end) <> 'integer' OR NEW.active NOT IN (0, 1);
  SELECT RAISE(ABORT, 'pilotlab device is reserved at that time')
   WHERE NEW.active = 1 AND NEW.reserved_end > (
     SELECT reserved_start FROM booking_devices
      WHERE device_id = NEW.device_id AND active = 1 AND reserved_end > NEW.reserved_start AND booking_id <> NEW.booking_id
      ORDER BY reserved_end LIMIT 1);
END""",
        """CREATE TRIGGER booking_devices_free_on_update BEFORE UPDATE OF booking_id, device_id, reserved_start, reserved_end, active ON booking_devices BEGIN
  SELECT RAISE(ABORT, 'pilotlab reservation needs whole microseconds and active 0 or 1')
   WHERE typeof(NEW.reserved_start) <> 'integer' OR typeof(NEW.reserved_end) <> 'integer' OR NEW.active NOT IN (0, 1);
  SELECT RAISE(ABORT, 'pilotlab device is reserved at that time')
   WHERE NEW.active = 1 AND NEW.reserved_end > (
     SELECT reserved_start FROM booking_devices
      WHERE device_id = NEW.device_id AND active = 1 AND reserved_end > NEW.reserved_start AND NOT (booking_id = OLD.booking_id AND device_id = OLD.device_id)
      ORDER BY reserved_end LIMIT 1);
END""",
        """CREATE TRIGGER plans_locked_update BEFORE UPDATE ON plans WHEN OLD.locked_at IS NOT NULL BEGIN SELECT RAISE(ABORT, 'pilotlab a locked plan does not change'); END""",
        """CREATE TRIGGER plans_locked_delete BEFORE DELETE ON plans WHEN OLD.locked_at IS NOT NULL BEGIN SELECT RAISE(ABORT, 'pilotlab a locked plan does not change'); END""",
        """CREATE TRIGGER runs_kept BEFORE DELETE ON runs BEGIN SELECT RAISE(ABORT, 'pilotlab a run is excluded with a reason, never deleted'); END""",
        """CREATE TRIGGER data_sets_sealed_update BEFORE UPDATE ON data_sets BEGIN SELECT RAISE(ABORT, 'pilotlab a sealed data set does not change'); END""",
        """CREATE TRIGGER data_sets_sealed_delete BEFORE DELETE ON data_sets BEGIN SELECT RAISE(ABORT, 'pilotlab a sealed data set does not change'); END""",
    ],
}

REFUSALS_TAKEN_AWAY = {
    "postgresql": [
        """DROP TRIGGER data_sets_sealed ON data_sets""",
        """DROP FUNCTION refuse_sealed_change()""",
        """DROP TRIGGER plans_locked ON plans""",
        """DROP FUNCTION refuse_locked_plan()""",
        """DROP TRIGGER runs_kept ON runs""",
        """DROP FUNCTION refuse_run_deletion()""",
        """ALTER TABLE booking_devices DROP CONSTRAINT ex_booking_devices_device_free""",
    ],
    "sqlite": [
        """DROP TRIGGER data_sets_sealed_update""",
        """DROP TRIGGER data_sets_sealed_delete""",
        """DROP TRIGGER plans_locked_update""",
        """DROP TRIGGER plans_locked_delete""",
        """DROP TRIGGER runs_kept""",
        """DROP TRIGGER booking_devices_free_on_update""",
        """DROP TRIGGER booking_devices_free_on_insert""",
    ],
}


def upgrade() -> None:
    op.create_table(
        "clock_offsets",
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.Column("from_device_ns", sa.BigInteger(), nullable=False),
        sa.Column("offset_ns", sa.BigInteger(), nullable=False),
        sa.Column("uncertain", sa.Boolean(), nullable=False),
        sa.Column("noted_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "boot", "from_device_ns", name=op.f("pk_clock_offsets")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("device_id", sa.String(length=200), nullable=True),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("signal", sa.String(length=200), nullable=True),
        sa.Column("reason", sa.String(length=60), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("payload_bytes", sa.Integer(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_dead_letters")),
    )
    op.create_index("ix_dead_letters_device", "dead_letters", ["device_id", "received_at"], unique=False)
    op.create_table(
        "devices",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("location", sa.String(length=200), nullable=False),
        sa.Column("capabilities", sa.JSON(), nullable=False),
        sa.Column("price_cents_per_hour", sa.Integer(), nullable=False),
        sa.Column("setup_minutes", sa.Integer(), nullable=False),
        sa.Column("cleanup_minutes", sa.Integer(), nullable=False),
        sa.Column("software_version", sa.String(length=60), nullable=True),
        sa.Column("mqtt_password_hash", sa.String(length=300), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("retired_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("run_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("key", name=op.f("uq_jobs_key")),
    )
    op.create_index("ix_jobs_due", "jobs", ["state", "run_at"], unique=False)
    op.create_table(
        "machine_events",
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("device_ns", sa.BigInteger(), nullable=False),
        sa.Column("settled_ns", sa.BigInteger(), nullable=False),
        sa.Column("received_ns", sa.BigInteger(), nullable=False),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "boot", "seq", name=op.f("pk_machine_events")),
    )
    op.create_index("ix_machine_events_settled", "machine_events", ["device_id", "settled_ns"], unique=False)
    op.create_table(
        "organisations",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("size_class", sa.String(length=20), nullable=True),
        sa.Column("nace", sa.String(length=10), nullable=True),
        sa.Column("region", sa.String(length=5), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
        sa.UniqueConstraint("name", name=op.f("uq_organisations_name")),
    )
    op.create_table(
        "sequence_ranges",
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "boot", "first", name=op.f("pk_sequence_ranges")),
    )
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("organisation_id", sa.String(length=40), nullable=False),
        sa.Column("sign_in", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_accounts_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("sign_in", name=op.f("uq_accounts_sign_in")),
    )
    op.create_index(op.f("ix_accounts_organisation_id"), "accounts", ["organisation_id"], unique=False)
    op.create_table(
        "bookings",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("organisation_id", sa.String(length=40), nullable=False),
        sa.Column("pilot_id", sa.String(length=40), nullable=True),
        sa.Column("booked_by", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("start_at", UtcDateTime(), nullable=False),
        sa.Column("end_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("cancelled_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("end_at > start_at", name=op.f("ck_bookings_end_after_start")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_bookings_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
    )
    op.create_index(op.f("ix_bookings_organisation_id"), "bookings", ["organisation_id"], unique=False)
    op.create_index(op.f("ix_bookings_pilot_id"), "bookings", ["pilot_id"], unique=False)
    op.create_index("ix_bookings_span", "bookings", ["start_at", "end_at"], unique=False)
    op.create_table(
        "device_births",
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.Column("firmware", sa.String(length=60), nullable=True),
        sa.Column("signals", sa.JSON(), nullable=False),
        sa.Column("device_ns", sa.BigInteger(), nullable=True),
        sa.Column("born_at", UtcDateTime(), nullable=False),
        sa.Column("died_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_device_births_device_id_devices")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device_births")),
    )
    op.create_table(
        "pilots",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("organisation_id", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_pilots_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pilots")),
        sa.UniqueConstraint("number", name=op.f("uq_pilots_number")),
    )
    op.create_index(op.f("ix_pilots_organisation_id"), "pilots", ["organisation_id"], unique=False)
    op.create_table(
        "signals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("unit", sa.String(length=40), nullable=True),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("choices", sa.JSON(), nullable=True),
        sa.Column("expected_interval_ms", sa.Double(), nullable=True),
        sa.Column("sensor", sa.String(length=200), nullable=True),
        sa.Column("uncertainty", sa.Double(), nullable=True),
        sa.Column("calibration_due", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_signals_device_id_devices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signals")),
        sa.UniqueConstraint("device_id", "name", name=op.f("uq_signals_device_id")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_api_tokens_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_index(op.f("ix_api_tokens_account_id"), "api_tokens", ["account_id"], unique=False)
    op.create_table(
        "booking_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_booking_changes_booking_id_bookings")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_changes")),
    )
    op.create_index(op.f("ix_booking_changes_booking_id"), "booking_changes", ["booking_id"], unique=False)
    op.create_table(
        "booking_devices",
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("reserved_start", UtcDateTime(), nullable=False),
        sa.Column("reserved_end", UtcDateTime(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.CheckConstraint("reserved_end > reserved_start", name=op.f("ck_booking_devices_end_after_start")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_booking_devices_booking_id_bookings")),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_booking_devices_device_id_devices")),
        sa.PrimaryKeyConstraint("booking_id", "device_id", name=op.f("pk_booking_devices")),
    )
    op.create_index(
        "ix_booking_devices_reserved",
        "booking_devices",
        ["device_id", "reserved_end", "reserved_start"],
        unique=False,
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    )
    op.create_table(
        "data_sets",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("pilot_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed_at", UtcDateTime(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_data_sets_pilot_id_pilots")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_sets")),
        sa.UniqueConstraint("pilot_id", "version", name=op.f("uq_data_sets_pilot_id")),
    )
    op.create_table(
        "plans",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("pilot_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("locked_at", UtcDateTime(), nullable=True),
        sa.Column("locked_by", sa.String(length=40), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_plans_pilot_id_pilots")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
        sa.UniqueConstraint("pilot_id", "version", name=op.f("uq_plans_pilot_id")),
    )
    op.create_table(
        "web_sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_web_sessions_account_id_accounts")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_web_sessions")),
    )
    op.create_index(op.f("ix_web_sessions_account_id"), "web_sessions", ["account_id"], unique=False)
    op.create_table(
        "reports",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("pilot_id", sa.String(length=40), nullable=False),
        sa.Column("data_set_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("verdict", sa.String(length=40), nullable=False),
        sa.Column("results", sa.JSON(), nullable=False),
        sa.Column("pdf_sha256", sa.String(length=64), nullable=False),
        sa.Column("package_sha256", sa.String(length=64), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["data_set_id"], ["data_sets.id"], name=op.f("fk_reports_data_set_id_data_sets")),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_reports_pilot_id_pilots")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint("number", name=op.f("uq_reports_number")),
        sa.UniqueConstraint("pilot_id", "version", name=op.f("uq_reports_pilot_id")),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("pilot_id", sa.String(length=40), nullable=False),
        sa.Column("plan_id", sa.String(length=40), nullable=False),
        sa.Column("booking_id", sa.String(length=40), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("arm", sa.String(length=40), nullable=False),
        sa.Column("executed_order", sa.Integer(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("completeness", sa.JSON(), nullable=True),
        sa.Column("excluded", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_runs_pilot_id_pilots")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_runs_plan_id_plans")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("pilot_id", "number", name=op.f("uq_runs_pilot_id")),
    )
    for statement in REFUSALS[op.get_bind().dialect.name]:
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    for statement in REFUSALS_TAKEN_AWAY[op.get_bind().dialect.name]:
        op.get_bind().exec_driver_sql(statement)
    op.drop_table("runs")
    op.drop_table("reports")
    op.drop_index(op.f("ix_web_sessions_account_id"), table_name="web_sessions")
    op.drop_table("web_sessions")
    op.drop_table("plans")
    op.drop_table("data_sets")
    op.drop_index(
        "ix_booking_devices_reserved",
        table_name="booking_devices",
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    )
    op.drop_table("booking_devices")
    op.drop_index(op.f("ix_booking_changes_booking_id"), table_name="booking_changes")
    op.drop_table("booking_changes")
    op.drop_index(op.f("ix_api_tokens_account_id"), table_name="api_tokens")
    op.drop_table("api_tokens")
    op.drop_table("signals")
    op.drop_index(op.f("ix_pilots_organisation_id"), table_name="pilots")
    op.drop_table("pilots")
    op.drop_table("device_births")
    op.drop_index("ix_bookings_span", table_name="bookings")
    op.drop_index(op.f("ix_bookings_pilot_id"), table_name="bookings")
    op.drop_index(op.f("ix_bookings_organisation_id"), table_name="bookings")
    op.drop_table("bookings")
    op.drop_index(op.f("ix_accounts_organisation_id"), table_name="accounts")
    op.drop_table("accounts")
    op.drop_table("sequence_ranges")
    op.drop_table("organisations")
    op.drop_index("ix_machine_events_settled", table_name="machine_events")
    op.drop_table("machine_events")
    op.drop_index("ix_jobs_due", table_name="jobs")
    op.drop_table("jobs")
    op.drop_table("devices")
    op.drop_index("ix_dead_letters_device", table_name="dead_letters")
    op.drop_table("dead_letters")
    op.drop_table("clock_offsets")
