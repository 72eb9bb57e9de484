"""Reports that people review and approve, and links by which somebody without an account reads one.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from lab.core.database import UtcDateTime
from lab.reports import constraints

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("reports") as batch_op:
        batch_op.add_column(sa.Column("status", sa.String(length=20), server_default="draft", nullable=False))
        batch_op.add_column(sa.Column("issue", sa.JSON(), server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("revision", sa.Integer(), server_default="1", nullable=False))
        batch_op.add_column(sa.Column("written_revision", sa.Integer(), server_default="1", nullable=False))
    for statement in constraints.REPORTS[op.get_bind().dialect.name]:
        op.execute(statement)
    op.create_table(
        "report_links",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("report_id", sa.String(length=40), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("last_opened_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["report_id"], ["reports.id"], name=op.f("fk_report_links_report_id_reports")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_report_links_token_hash")),
    )
    with op.batch_alter_table("report_links") as batch_op:
        batch_op.create_index(batch_op.f("ix_report_links_report_id"), ["report_id"], unique=False)


def downgrade() -> None:
    op.drop_table("report_links")
    for statement in constraints.REPORTS_DOWNGRADE[op.get_bind().dialect.name]:
        op.execute(statement)
    with op.batch_alter_table("reports") as batch_op:
        for column in ("written_revision", "revision", "issue", "status"):
            batch_op.drop_column(column)
