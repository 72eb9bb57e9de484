"""De minimis aid that companies had from other grantors.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from lab.core.database import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEPT = {
    "postgresql": [
        """CREATE FUNCTION refuse_other_aid_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'pilotlab an entry of support is countered, never changed or deleted' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
        """CREATE TRIGGER other_aids_kept BEFORE UPDATE OR DELETE ON other_aids FOR EACH ROW EXECUTE FUNCTION refuse_other_aid_change()""",
        """CREATE TRIGGER other_aids_all_kept BEFORE TRUNCATE ON other_aids FOR EACH STATEMENT EXECUTE FUNCTION refuse_other_aid_change()""",
    ],
    "sqlite": [
        """CREATE TRIGGER other_aids_kept_on_update BEFORE UPDATE ON other_aids BEGIN SELECT RAISE(ABORT, 'pilotlab an entry of support is countered, never changed or deleted'); END""",
        """CREATE TRIGGER other_aids_kept_on_delete BEFORE DELETE ON other_aids BEGIN SELECT RAISE(ABORT, 'pilotlab an entry of support is countered, never changed or deleted'); END""",
    ],
}
"""As this migration made them; later ones may change them."""


def upgrade() -> None:
    op.create_table(
        "other_aids",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.String(length=40), nullable=False),
        sa.Column("grantor", sa.String(length=200), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=True),
        sa.Column("granted_at", UtcDateTime(), nullable=False),
        sa.Column("cents", sa.Integer(), nullable=False),
        sa.Column("counters", sa.Integer(), nullable=True),
        sa.Column("written_by", sa.String(length=40), nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(["counters"], ["other_aids.id"], name=op.f("fk_other_aids_counters_other_aids")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_other_aids_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_other_aids")),
        sa.UniqueConstraint("counters", name=op.f("uq_other_aids_counters")),
    )
    op.create_index(op.f("ix_other_aids_organisation_id"), "other_aids", ["organisation_id"], unique=False)
    connection = op.get_bind()
    for statement in KEPT[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    op.drop_index(op.f("ix_other_aids_organisation_id"), table_name="other_aids")
    op.drop_table("other_aids")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_other_aid_change()")
