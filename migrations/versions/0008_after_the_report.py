"""After the report: acceptance, follow-ups, digital maturity.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

from lab.core.database import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "maturity_assessments",
        sa.Column("pilot_id", sa.String(length=40), nullable=False),
        sa.Column("stage", sa.String(length=2), nullable=False),
        sa.Column("assessed_on", sa.Date(), nullable=False),
        *(
            sa.Column(name, sa.Double(), nullable=False)
            for name in ("strategy", "readiness", "people", "data", "automation", "green")
        ),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("written_by", sa.String(length=40), nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_maturity_assessments_pilot_id_pilots")),
        sa.PrimaryKeyConstraint("pilot_id", "stage", name=op.f("pk_maturity_assessments")),
    )
    op.create_table(
        "report_acceptances",
        sa.Column("report_id", sa.String(length=40), nullable=False),
        sa.Column("accepted_by", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("accepted_at", UtcDateTime(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["report_id"], ["reports.id"], name=op.f("fk_report_acceptances_report_id_reports")),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_report_acceptances")),
    )
    op.create_table(
        "follow_ups",
        sa.Column("pilot_id", sa.String(length=40), nullable=False),
        sa.Column("months", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("reminded_at", UtcDateTime(), nullable=True),
        sa.Column("invested", sa.String(length=20), nullable=True),
        sa.Column("amount_cents", sa.BigInteger(), nullable=True),
        sa.Column("funding", sa.String(length=200), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("answered_by", sa.String(length=40), nullable=True),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_follow_ups_pilot_id_pilots")),
        sa.PrimaryKeyConstraint("pilot_id", "months", name=op.f("pk_follow_ups")),
    )
    with op.batch_alter_table("follow_ups") as batch_op:
        batch_op.create_index(batch_op.f("ix_follow_ups_due_at"), ["due_at"], unique=False)


def downgrade() -> None:
    op.drop_table("follow_ups")
    op.drop_table("report_acceptances")
    op.drop_table("maturity_assessments")
