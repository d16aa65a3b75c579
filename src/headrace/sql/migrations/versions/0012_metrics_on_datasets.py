"""A point of a model's metric on one dataset is another than the same point on another dataset."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KEY = ("model_id", "key", "step", "time", "run_id")
DATASET = ("dataset_name", "dataset_digest")
COLUMNS = (*KEY, "value", "is_nan", *DATASET)


def upgrade() -> None:
    """Count the dataset in."""
    _rebuild([*KEY, *DATASET])


def downgrade() -> None:
    """Leave the dataset out: of points that differ in it alone, one stays."""
    _rebuild(list(KEY))


def _rebuild(key: list[str]) -> None:
    """Copy the table into one of another primary key, on every kind of database alike."""
    op.rename_table("model_metrics", "former_model_metrics")
    if op.get_bind().dialect.name == "postgresql":  # where a constraint's name is one of the schema's
        op.drop_constraint("pk_model_metrics", "former_model_metrics", type_="primary")
    made = op.create_table(
        "model_metrics",
        sa.Column("model_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.String(length=256), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("is_nan", sa.Boolean(), nullable=False),
        sa.Column("dataset_name", sa.Text(), server_default="", nullable=False),
        sa.Column("dataset_digest", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint(*key, name="pk_model_metrics"),
    )
    former = sa.table("former_model_metrics", *(sa.column(name) for name in COLUMNS))
    numbered = sa.select(
        former,
        sa.func.row_number().over(partition_by=[former.c[name] for name in key], order_by=former.c.dataset_name).label("n"),
    ).subquery()
    kept = sa.select(*(numbered.c[name] for name in COLUMNS)).where(numbered.c.n == 1)
    op.execute(made.insert().from_select(list(COLUMNS), kept))
    op.drop_table("former_model_metrics")
