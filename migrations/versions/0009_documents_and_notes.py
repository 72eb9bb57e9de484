"""Documents, photos and notes of pilots.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

from lab.core.database import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pilot_documents",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("pilot_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("caption", sa.Text(), nullable=False),
        sa.Column("alt_text", sa.Text(), nullable=True),
        sa.Column("in_report", sa.Boolean(), nullable=False),
        sa.Column("added_by", sa.String(length=40), nullable=False),
        sa.Column("added_by_name", sa.String(length=200), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.Column("sealed_version", sa.Integer(), nullable=True),
        sa.Column("removed_at", UtcDateTime(), nullable=True),
        sa.Column("removed_by", sa.String(length=40), nullable=True),
        sa.Column("removed_by_name", sa.String(length=200), nullable=True),
        sa.Column("removal_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_pilot_documents_pilot_id_pilots")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pilot_documents")),
    )
    with op.batch_alter_table("pilot_documents") as batch_op:
        batch_op.create_index(batch_op.f("ix_pilot_documents_pilot_id"), ["pilot_id"], unique=False)
    op.create_table(
        "pilot_notes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("pilot_id", sa.String(length=40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("staff_only", sa.Boolean(), nullable=False),
        sa.Column("written_by", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_pilot_notes_pilot_id_pilots")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pilot_notes")),
    )
    with op.batch_alter_table("pilot_notes") as batch_op:
        batch_op.create_index(batch_op.f("ix_pilot_notes_pilot_id"), ["pilot_id"], unique=False)


def downgrade() -> None:
    op.drop_table("pilot_notes")
    op.drop_table("pilot_documents")
