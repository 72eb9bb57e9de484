"""Rules, outages, prices, waitlist, calendars, mail and webhooks; one audit log for all changes.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from lab.core.database import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# No engineer supervises two bookings at one time (I1); an entry of the ledger of support is countered, never changed.
REFUSALS = {
    "postgresql": [
        """CREATE EXTENSION IF NOT EXISTS btree_gist""",
        """ALTER TABLE booking_engineers ADD CONSTRAINT ex_booking_engineers_engineer_free EXCLUDE USING gist (account_id WITH =, tstzrange(reserved_start, reserved_end) WITH &&) WHERE (active) DEFERRABLE INITIALLY DEFERRED""",
        """CREATE FUNCTION refuse_support_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'pilotlab an entry of support is countered, never changed or deleted' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
        """CREATE TRIGGER support_entries_kept BEFORE UPDATE OR DELETE ON support_entries FOR EACH ROW EXECUTE FUNCTION refuse_support_change()""",
        """CREATE TRIGGER support_entries_all_kept BEFORE TRUNCATE ON support_entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_support_change()""",
    ],
    "sqlite": [
        """CREATE TRIGGER booking_engineers_free_on_insert BEFORE INSERT ON booking_engineers BEGIN
  SELECT RAISE(ABORT, 'pilotlab reservation needs whole microseconds and active 0 or 1')
   WHERE typeof(NEW.reserved_start) <> 'integer' OR typeof(NEW.reserved_end) <> 'integer' OR NEW.active NOT IN (0, 1);
  SELECT RAISE(ABORT, 'pilotlab engineer is reserved at that time')
   WHERE NEW.active = 1 AND NEW.reserved_end > (
     SELECT reserved_start FROM booking_engineers
      WHERE account_id = NEW.account_id AND active = 1 AND reserved_end > NEW.reserved_start AND booking_id <> NEW.booking_id
      ORDER BY reserved_end LIMIT 1);
END""",
        """CREATE TRIGGER booking_engineers_free_on_update BEFORE UPDATE OF booking_id, account_id, reserved_start, reserved_end, active ON booking_engineers BEGIN
  SELECT RAISE(ABORT, 'pilotlab reservation needs whole microseconds and active 0 or 1')
   WHERE typeof(NEW.reserved_start) <> 'integer' OR typeof(NEW.reserved_end) <> 'integer' OR NEW.active NOT IN (0, 1);
  SELECT RAISE(ABORT, 'pilotlab engineer is reserved at that time')
   WHERE NEW.active = 1 AND NEW.reserved_end > (
     SELECT reserved_start FROM booking_engineers
      WHERE account_id = NEW.account_id AND active = 1 AND reserved_end > NEW.reserved_start AND NOT (booking_id = OLD.booking_id AND account_id = OLD.account_id)
      ORDER BY reserved_end LIMIT 1);
END""",
        """CREATE TRIGGER support_entries_kept_on_update BEFORE UPDATE ON support_entries BEGIN SELECT RAISE(ABORT, 'pilotlab an entry of support is countered, never changed or deleted'); END""",
        """CREATE TRIGGER support_entries_kept_on_delete BEFORE DELETE ON support_entries BEGIN SELECT RAISE(ABORT, 'pilotlab an entry of support is countered, never changed or deleted'); END""",
    ],
}

HISTORY_TO_AUDIT = """
INSERT INTO audit_entries (id, at, by, subject, subject_id, what, before, after, reason)
SELECT id, at, by, 'booking', booking_id, what, before, after, reason FROM booking_changes ORDER BY id
"""
AUDIT_TO_HISTORY = """
INSERT INTO booking_changes (booking_id, at, by, what, before, after, reason)
SELECT subject_id, at, by, what, before, after, reason FROM audit_entries WHERE subject = 'booking' ORDER BY id
"""


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=40), nullable=False),
        sa.Column("subject_id", sa.String(length=100), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index(op.f("ix_audit_entries_at"), "audit_entries", ["at"], unique=False)
    op.create_index("ix_audit_entries_subject", "audit_entries", ["subject", "subject_id"], unique=False)
    op.create_table(
        "booking_rules",
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.String(length=40), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "name", name=op.f("pk_booking_rules")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "mails",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("calendar", sa.Text(), nullable=True),
        sa.Column("calendar_method", sa.String(length=20), nullable=True),
        sa.Column("about", sa.String(length=100), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("queued_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
        sa.UniqueConstraint("key", name=op.f("uq_mails_key")),
    )
    op.create_index(op.f("ix_mails_about"), "mails", ["about"], unique=False)
    op.create_table(
        "price_lists",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("valid_from", UtcDateTime(), nullable=False),
        sa.Column("devices", sa.JSON(), nullable=False),
        sa.Column("supervision_hour_cents", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_price_lists")),
    )
    op.create_index(op.f("ix_price_lists_valid_from"), "price_lists", ["valid_from"], unique=False)
    op.create_table(
        "programmes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("legal_basis", sa.String(length=20), nullable=False),
        sa.Column("price_per_mille", sa.Integer(), nullable=False),
        sa.Column("state_share_per_mille", sa.Integer(), nullable=False),
        sa.Column("valid_from", UtcDateTime(), nullable=False),
        sa.Column("valid_until", UtcDateTime(), nullable=True),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_programmes")),
        sa.UniqueConstraint("name", name=op.f("uq_programmes_name")),
    )
    op.create_table(
        "booking_series",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("organisation_id", sa.String(length=40), nullable=False),
        sa.Column("rrule", sa.String(length=500), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_booking_series_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_series")),
    )
    op.create_index(op.f("ix_booking_series_organisation_id"), "booking_series", ["organisation_id"], unique=False)
    op.create_table(
        "outages",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("device_id", sa.String(length=40), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("start_at", UtcDateTime(), nullable=False),
        sa.Column("end_at", UtcDateTime(), nullable=True),
        sa.Column("rrule", sa.String(length=500), nullable=True),
        sa.Column("last_end_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("declared_by", sa.String(length=40), nullable=False),
        sa.Column("declared_at", UtcDateTime(), nullable=False),
        sa.Column("withdrawn_at", UtcDateTime(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("end_at > start_at", name=op.f("ck_outages_end_after_start")),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_outages_device_id_devices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outages")),
    )
    op.create_index(op.f("ix_outages_device_id"), "outages", ["device_id"], unique=False)
    op.create_table(
        "programme_members",
        sa.Column("programme_id", sa.String(length=40), nullable=False),
        sa.Column("organisation_id", sa.String(length=40), nullable=False),
        sa.Column("added_by", sa.String(length=40), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.Column("left_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_programme_members_organisation_id_organisations")
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["programmes.id"], name=op.f("fk_programme_members_programme_id_programmes")
        ),
        sa.PrimaryKeyConstraint("programme_id", "organisation_id", name=op.f("pk_programme_members")),
    )
    op.create_index(
        op.f("ix_programme_members_organisation_id"), "programme_members", ["organisation_id"], unique=False
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("organisation_id", sa.String(length=40), nullable=False),
        sa.Column("url", sa.String(length=1000), nullable=False),
        sa.Column("secret", sa.String(length=100), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_webhooks_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index(op.f("ix_webhooks_organisation_id"), "webhooks", ["organisation_id"], unique=False)
    op.create_table(
        "booking_engineers",
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("reserved_start", UtcDateTime(), nullable=False),
        sa.Column("reserved_end", UtcDateTime(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.CheckConstraint("reserved_end > reserved_start", name=op.f("ck_booking_engineers_end_after_start")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_booking_engineers_account_id_accounts")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_booking_engineers_booking_id_bookings")),
        sa.PrimaryKeyConstraint("booking_id", "account_id", name=op.f("pk_booking_engineers")),
    )
    op.create_index(
        "ix_booking_engineers_reserved",
        "booking_engineers",
        ["account_id", "reserved_end", "reserved_start"],
        unique=False,
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    )
    op.create_table(
        "calendar_links",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.String(length=40), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("last_read_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_calendar_links_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_calendar_links_token_hash")),
    )
    op.create_index(op.f("ix_calendar_links_account_id"), "calendar_links", ["account_id"], unique=False)
    op.create_table(
        "qualifications",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("granted_by", sa.String(length=40), nullable=False),
        sa.Column("granted_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_qualifications_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_qualifications")),
    )
    op.create_index(op.f("ix_qualifications_account_id"), "qualifications", ["account_id"], unique=False)
    op.create_table(
        "support_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.String(length=40), nullable=False),
        sa.Column("programme_id", sa.String(length=40), nullable=False),
        sa.Column("legal_basis", sa.String(length=20), nullable=False),
        sa.Column("booking_id", sa.String(length=40), nullable=True),
        sa.Column("granted_at", UtcDateTime(), nullable=False),
        sa.Column("cents", sa.Integer(), nullable=False),
        sa.Column("counters", sa.Integer(), nullable=True),
        sa.Column("written_by", sa.String(length=40), nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_support_entries_booking_id_bookings")),
        sa.ForeignKeyConstraint(
            ["counters"], ["support_entries.id"], name=op.f("fk_support_entries_counters_support_entries")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_support_entries_organisation_id_organisations")
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["programmes.id"], name=op.f("fk_support_entries_programme_id_programmes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_support_entries")),
        sa.UniqueConstraint("counters", name=op.f("uq_support_entries_counters")),
    )
    op.create_index(op.f("ix_support_entries_booking_id"), "support_entries", ["booking_id"], unique=False)
    op.create_index(op.f("ix_support_entries_organisation_id"), "support_entries", ["organisation_id"], unique=False)
    op.create_table(
        "waitlist_entries",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("organisation_id", sa.String(length=40), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("pilot_id", sa.String(length=40), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("device_ids", sa.JSON(), nullable=False),
        sa.Column("supervised", sa.Boolean(), nullable=False),
        sa.Column("earliest", UtcDateTime(), nullable=False),
        sa.Column("latest", UtcDateTime(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("booking_id", sa.String(length=40), nullable=True),
        sa.Column("offers", sa.Integer(), nullable=False),
        sa.Column("missed", sa.JSON(), nullable=False),
        sa.Column("queued_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_waitlist_entries_booking_id_bookings")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_waitlist_entries_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waitlist_entries")),
    )
    op.create_index(op.f("ix_waitlist_entries_organisation_id"), "waitlist_entries", ["organisation_id"], unique=False)
    op.create_index("ix_waitlist_entries_state", "waitlist_entries", ["state", "queued_at"], unique=False)
    op.create_index(op.f("ix_waitlist_entries_booking_id"), "waitlist_entries", ["booking_id"], unique=False)
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("webhook_id", sa.String(length=40), nullable=False),
        sa.Column("event", sa.String(length=60), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("delivered_at", UtcDateTime(), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f("fk_webhook_deliveries_webhook_id_webhooks")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index(op.f("ix_webhook_deliveries_webhook_id"), "webhook_deliveries", ["webhook_id"], unique=False)
    beginning = {"sqlite": "0", "postgresql": "'epoch'"}[op.get_bind().dialect.name]
    op.add_column("bookings", sa.Column("changed_at", UtcDateTime(), nullable=False, server_default=sa.text(beginning)))
    op.add_column("bookings", sa.Column("supervised", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("bookings", sa.Column("series_id", sa.String(length=40), nullable=True))
    op.add_column("bookings", sa.Column("lapses_at", UtcDateTime(), nullable=True))
    op.add_column("bookings", sa.Column("ended_as", sa.String(length=20), nullable=True))
    op.add_column("bookings", sa.Column("used_from", UtcDateTime(), nullable=True))
    op.add_column("bookings", sa.Column("used_until", UtcDateTime(), nullable=True))
    op.add_column("bookings", sa.Column("price_list_version", sa.Integer(), nullable=True))
    op.add_column("bookings", sa.Column("programme_id", sa.String(length=40), nullable=True))
    op.add_column("bookings", sa.Column("market_value_cents", sa.Integer(), nullable=True))
    op.add_column("bookings", sa.Column("price_cents", sa.Integer(), nullable=True))
    op.add_column("bookings", sa.Column("support_cents", sa.Integer(), nullable=True))
    op.add_column("bookings", sa.Column("quote", sa.JSON(), nullable=True))
    op.drop_index(op.f("ix_bookings_organisation_id"), table_name="bookings")
    op.create_index("ix_bookings_company_span", "bookings", ["organisation_id", "start_at", "end_at"], unique=False)
    op.create_index(op.f("ix_bookings_series_id"), "bookings", ["series_id"], unique=False)
    op.create_index("ix_bookings_state", "bookings", ["state", "end_at"], unique=False)
    op.add_column("organisations", sa.Column("undertaking", sa.String(length=60), nullable=True))
    op.create_index(op.f("ix_organisations_undertaking"), "organisations", ["undertaking"], unique=False)
    connection = op.get_bind()
    connection.exec_driver_sql("UPDATE bookings SET changed_at = created_at")
    connection.exec_driver_sql(HISTORY_TO_AUDIT)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            "SELECT setval('audit_entries_id_seq', (SELECT coalesce(max(id), 0) + 1 FROM audit_entries), false)"
        )
        op.alter_column("bookings", "changed_at", server_default=None)
        op.alter_column("bookings", "supervised", server_default=None)
    op.drop_table("booking_changes")
    for statement in REFUSALS[connection.dialect.name]:
        connection.exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
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
    op.get_bind().exec_driver_sql(AUDIT_TO_HISTORY)
    op.drop_index(op.f("ix_organisations_undertaking"), table_name="organisations")
    op.drop_column("organisations", "undertaking")
    op.drop_index("ix_bookings_state", table_name="bookings")
    op.drop_index(op.f("ix_bookings_series_id"), table_name="bookings")
    op.drop_index("ix_bookings_company_span", table_name="bookings")
    op.create_index(op.f("ix_bookings_organisation_id"), "bookings", ["organisation_id"], unique=False)
    op.drop_column("bookings", "quote")
    op.drop_column("bookings", "support_cents")
    op.drop_column("bookings", "price_cents")
    op.drop_column("bookings", "market_value_cents")
    op.drop_column("bookings", "programme_id")
    op.drop_column("bookings", "price_list_version")
    op.drop_column("bookings", "used_until")
    op.drop_column("bookings", "used_from")
    op.drop_column("bookings", "lapses_at")
    op.drop_column("bookings", "ended_as")
    op.drop_column("bookings", "series_id")
    op.drop_column("bookings", "supervised")
    op.drop_column("bookings", "changed_at")
    op.drop_index(op.f("ix_webhook_deliveries_webhook_id"), table_name="webhook_deliveries")
    op.drop_table("webhook_deliveries")
    op.drop_index(op.f("ix_waitlist_entries_booking_id"), table_name="waitlist_entries")
    op.drop_index("ix_waitlist_entries_state", table_name="waitlist_entries")
    op.drop_index(op.f("ix_waitlist_entries_organisation_id"), table_name="waitlist_entries")
    op.drop_table("waitlist_entries")
    op.drop_index(op.f("ix_support_entries_organisation_id"), table_name="support_entries")
    op.drop_index(op.f("ix_support_entries_booking_id"), table_name="support_entries")
    op.drop_table("support_entries")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_support_change()")
    op.drop_index(op.f("ix_qualifications_account_id"), table_name="qualifications")
    op.drop_table("qualifications")
    op.drop_index(op.f("ix_calendar_links_account_id"), table_name="calendar_links")
    op.drop_table("calendar_links")
    op.drop_index(
        "ix_booking_engineers_reserved",
        table_name="booking_engineers",
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    )
    op.drop_table("booking_engineers")
    op.drop_index(op.f("ix_webhooks_organisation_id"), table_name="webhooks")
    op.drop_table("webhooks")
    op.drop_index(op.f("ix_programme_members_organisation_id"), table_name="programme_members")
    op.drop_table("programme_members")
    op.drop_index(op.f("ix_outages_device_id"), table_name="outages")
    op.drop_table("outages")
    op.drop_index(op.f("ix_booking_series_organisation_id"), table_name="booking_series")
    op.drop_table("booking_series")
    op.drop_table("programmes")
    op.drop_index(op.f("ix_price_lists_valid_from"), table_name="price_lists")
    op.drop_table("price_lists")
    op.drop_index(op.f("ix_mails_about"), table_name="mails")
    op.drop_table("mails")
    op.drop_index(op.f("ix_idempotency_keys_created_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("booking_rules")
    op.drop_index("ix_audit_entries_subject", table_name="audit_entries")
    op.drop_index(op.f("ix_audit_entries_at"), table_name="audit_entries")
    op.drop_table("audit_entries")
