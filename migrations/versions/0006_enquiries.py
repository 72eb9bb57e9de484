"""Enquiries, by which a company's question reaches the lab.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

from lab.core.database import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "enquiries",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("company", sa.String(length=200), nullable=False),
        sa.Column("contact", sa.String(length=200), nullable=False),
        sa.Column("mail", sa.String(length=320), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("size_class", sa.String(length=20), nullable=True),
        sa.Column("nace", sa.String(length=10), nullable=True),
        sa.Column("region", sa.String(length=5), nullable=True),
        sa.Column("organisation_id", sa.String(length=40), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("asked_by", sa.String(length=40), nullable=True),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("decided_by", sa.String(length=40), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("pilot_id", sa.String(length=40), nullable=True),
        sa.Column("partner_id", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_enquiries_organisation_id_organisations")
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["organisations.id"], name=op.f("fk_enquiries_partner_id_organisations")
        ),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_enquiries_pilot_id_pilots")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enquiries")),
    )
    with op.batch_alter_table("enquiries") as batch_op:
        batch_op.create_index(batch_op.f("ix_enquiries_organisation_id"), ["organisation_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_enquiries_state"), ["state"], unique=False)


def downgrade() -> None:
    op.drop_table("enquiries")
