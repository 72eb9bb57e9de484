"""Clocks across restarts, dead letters with limits, what is heard, lease, incidents, alarms, commands, retention.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

from lab.core.database import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alarm_rules",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("signal", sa.String(length=100), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("organisation_id", sa.String(length=40), nullable=True),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.String(length=40), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm_rules")),
    )
    with op.batch_alter_table("alarm_rules") as batch_op:
        batch_op.create_index(batch_op.f("ix_alarm_rules_device_id"), ["device_id"], unique=False)

    op.create_table(
        "alarms",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("rule_id", sa.String(length=40), nullable=False),
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("signal", sa.String(length=100), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("organisation_id", sa.String(length=40), nullable=True),
        sa.Column("booking_id", sa.String(length=40), nullable=True),
        sa.Column("run_id", sa.String(length=40), nullable=True),
        sa.Column("raised_ns", sa.BigInteger(), nullable=False),
        sa.Column("raised_at", UtcDateTime(), nullable=False),
        sa.Column("acknowledged_at", UtcDateTime(), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=40), nullable=True),
        sa.Column("cleared_at", UtcDateTime(), nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    with op.batch_alter_table("alarms") as batch_op:
        batch_op.create_index("ix_alarms_raised", ["device_id", "raised_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_alarms_rule_id"), ["rule_id"], unique=False)
        batch_op.create_index(
            "uq_alarms_open",
            ["rule_id"],
            unique=True,
            sqlite_where=sa.text("cleared_at IS NULL"),
            postgresql_where=sa.text("cleared_at IS NULL"),
        )

    op.create_table(
        "boots",
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.Column("first_received_at", UtcDateTime(), nullable=False),
        sa.Column("last_received_at", UtcDateTime(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_device_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "boot", name=op.f("pk_boots")),
    )
    op.create_table(
        "dead_letter_counts",
        sa.Column("device_id", sa.String(length=200), nullable=False),
        sa.Column("signal", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.Column("beyond", sa.BigInteger(), nullable=False),
        sa.Column("first_at", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "signal", "reason", name=op.f("pk_dead_letter_counts")),
    )
    op.create_table(
        "heard_signals",
        sa.Column("device_id", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("origin", sa.String(length=20), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("examples", sa.JSON(), nullable=False),
        sa.Column("unit_said", sa.String(length=40), nullable=True),
        sa.Column("interval_ms", sa.Double(), nullable=True),
        sa.Column("first_at", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.Column("adopted_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("device_id", "name", name=op.f("pk_heard_signals")),
    )
    op.create_table(
        "recorder_leases",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("holder", sa.String(length=100), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("spool_id", sa.String(length=40), nullable=False),
        sa.Column("health", sa.JSON(), nullable=False),
        sa.Column("health_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_recorder_leases")),
    )
    op.create_table(
        "recording_incidents",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("device_id", sa.String(length=40), nullable=True),
        sa.Column("from_ns", sa.BigInteger(), nullable=True),
        sa.Column("to_ns", sa.BigInteger(), nullable=True),
        sa.Column("from_number", sa.BigInteger(), nullable=True),
        sa.Column("to_number", sa.BigInteger(), nullable=True),
        sa.Column("messages", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("noted_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_incidents")),
    )
    op.create_table(
        "replay_requests",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("device_id", sa.String(length=200), nullable=False),
        sa.Column("signal", sa.String(length=200), nullable=True),
        sa.Column("asked_by", sa.String(length=40), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replay_requests")),
    )
    op.create_table(
        "retention_rules",
        sa.Column("scope", sa.String(length=60), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.String(length=40), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_retention_rules")),
    )
    op.create_table(
        "time_assignments",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.Column("from_device_ns", sa.BigInteger(), nullable=False),
        sa.Column("to_device_ns", sa.BigInteger(), nullable=False),
        sa.Column("from_seq", sa.BigInteger(), nullable=True),
        sa.Column("to_seq", sa.BigInteger(), nullable=True),
        sa.Column("offset_ns", sa.BigInteger(), nullable=False),
        sa.Column("assigned_by", sa.String(length=40), nullable=False),
        sa.Column("assigned_at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("applied_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_time_assignments")),
    )
    with op.batch_alter_table("time_assignments") as batch_op:
        batch_op.create_index("ix_time_assignments_boot", ["device_id", "boot"], unique=False)

    op.create_table(
        "alarm_notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("alarm_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarms.id"], name=op.f("fk_alarm_notes_alarm_id_alarms")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm_notes")),
    )
    with op.batch_alter_table("alarm_notes") as batch_op:
        batch_op.create_index(batch_op.f("ix_alarm_notes_alarm_id"), ["alarm_id"], unique=False)

    op.create_table(
        "device_addresses",
        sa.Column("address", sa.String(length=300), nullable=False),
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_device_addresses_device_id_devices")),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_device_addresses")),
    )
    op.create_table(
        "device_commands",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("command", sa.String(length=60), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.String(length=40), nullable=False),
        sa.Column("alarm_id", sa.String(length=40), nullable=True),
        sa.Column("run_id", sa.String(length=40), nullable=True),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.Column("result", sa.String(length=20), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_device_commands_device_id_devices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_commands")),
    )
    with op.batch_alter_table("device_commands") as batch_op:
        batch_op.create_index("ix_device_commands_device", ["device_id", "asked_at"], unique=False)

    op.create_table(
        "signal_aliases",
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("heard", sa.String(length=200), nullable=False),
        sa.Column("signal", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_signal_aliases_device_id_devices")),
        sa.PrimaryKeyConstraint("device_id", "heard", name=op.f("pk_signal_aliases")),
    )
    op.create_table(
        "data_set_terms",
        sa.Column("data_set_id", sa.String(length=40), nullable=False),
        sa.Column("keep_until", UtcDateTime(), nullable=True),
        sa.Column("removed_at", UtcDateTime(), nullable=True),
        sa.Column("set_by", sa.String(length=40), nullable=False),
        sa.Column("set_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["data_set_id"], ["data_sets.id"], name=op.f("fk_data_set_terms_data_set_id_data_sets")
        ),
        sa.PrimaryKeyConstraint("data_set_id", name=op.f("pk_data_set_terms")),
    )
    with op.batch_alter_table("clock_offsets") as batch_op:
        batch_op.add_column(sa.Column("from_seq", sa.BigInteger(), server_default="-1", nullable=False))
        batch_op.add_column(sa.Column("reason", sa.String(length=20), server_default="first", nullable=False))
        batch_op.drop_constraint(op.f("pk_clock_offsets"), type_="primary")
        batch_op.create_primary_key(op.f("pk_clock_offsets"), ["device_id", "boot", "from_device_ns", "from_seq"])

    with op.batch_alter_table("dead_letters") as batch_op:
        batch_op.add_column(sa.Column("spool_id", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("number", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("entered_after_ns", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("retained", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("replayed_at", UtcDateTime(), nullable=True))
        batch_op.alter_column(
            "key", existing_type=sa.VARCHAR(length=200), type_=sa.String(length=300), existing_nullable=False
        )


def downgrade() -> None:
    with op.batch_alter_table("dead_letters") as batch_op:
        batch_op.alter_column(
            "key", existing_type=sa.String(length=300), type_=sa.VARCHAR(length=200), existing_nullable=False
        )
        batch_op.drop_column("replayed_at")
        batch_op.drop_column("retained")
        batch_op.drop_column("entered_after_ns")
        batch_op.drop_column("number")
        batch_op.drop_column("spool_id")

    op.execute("DELETE FROM clock_offsets WHERE from_seq <> -1")
    with op.batch_alter_table("clock_offsets") as batch_op:
        batch_op.drop_constraint(op.f("pk_clock_offsets"), type_="primary")
        batch_op.create_primary_key(op.f("pk_clock_offsets"), ["device_id", "boot", "from_device_ns"])
        batch_op.drop_column("reason")
        batch_op.drop_column("from_seq")

    op.drop_table("data_set_terms")
    op.drop_table("signal_aliases")
    with op.batch_alter_table("device_commands") as batch_op:
        batch_op.drop_index("ix_device_commands_device")

    op.drop_table("device_commands")
    op.drop_table("device_addresses")
    with op.batch_alter_table("alarm_notes") as batch_op:
        batch_op.drop_index(batch_op.f("ix_alarm_notes_alarm_id"))

    op.drop_table("alarm_notes")
    with op.batch_alter_table("time_assignments") as batch_op:
        batch_op.drop_index("ix_time_assignments_boot")

    op.drop_table("time_assignments")
    op.drop_table("retention_rules")
    op.drop_table("replay_requests")
    op.drop_table("recording_incidents")
    op.drop_table("recorder_leases")
    op.drop_table("heard_signals")
    op.drop_table("dead_letter_counts")
    op.drop_table("boots")
    with op.batch_alter_table("alarms") as batch_op:
        batch_op.drop_index(
            "uq_alarms_open", sqlite_where=sa.text("cleared_at IS NULL"), postgresql_where=sa.text("cleared_at IS NULL")
        )
        batch_op.drop_index(batch_op.f("ix_alarms_rule_id"))
        batch_op.drop_index("ix_alarms_raised")

    op.drop_table("alarms")
    with op.batch_alter_table("alarm_rules") as batch_op:
        batch_op.drop_index(batch_op.f("ix_alarm_rules_device_id"))

    op.drop_table("alarm_rules")
