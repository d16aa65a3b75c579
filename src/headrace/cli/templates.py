"""The files that `headrace init` writes."""

from __future__ import annotations

__all__ = ["files", "next_steps"]

_SETTINGS = """\
# Settings of this Headrace project. Leave one out and it has its default, which needs no server.
# An environment variable HEADRACE_<NAME> goes before this file, for example HEADRACE_MEMORY_LIMIT=2GB.

# The Python modules that hold definitions and on-demand features; `headrace plan` and `apply` read them.
modules = ["definitions"]

# Where things are kept. By default all of it is in .headrace/ beside this file.
# catalog = "sqlite:////srv/headrace/catalog.db"   # definitions, runs and models: a SQLAlchemy URL
# lake = "/srv/headrace/lake"                      # every row that came in, as Delta tables
# artifacts = "/srv/headrace/artifacts"            # files of runs and models, by the hash of their content
# online = "/srv/headrace/online"                  # the values now, by key
# events = "/srv/headrace/events"                  # the log of pushed rows

# engine = "duckdb"                                # what reads history
# memory_limit = "4GB"                             # what one historical read may use; default: half of the memory
# artifact_buckets = ["s3://team-bucket/runs"]     # shown to users: files that clients put there themselves
# webhook_hosts = ["ci.internal"]                  # hosts that webhooks may send to though they are private, or over http://
# sample = 0.01                                    # keep the answers for this share of keys, for verify and drift
# fsync = "always"                                 # a push is on disk when it returns; "never" leaves that to the system
"""

_DEFINITIONS = '''\
"""Features of this project. See what they would change with `headrace plan`, and make them current with `headrace apply`."""

import headrace as hr

customer = hr.Entity("customer", keys={"customer_id": "int64"})

purchases = hr.EventSource(
    "purchases",
    timestamp="bought_at",
    stream="purchases",  # rows may also come one by one, through `push`
    schema={"customer_id": "int64", "amount": "float64", "bought_at": "timestamp"},
)

spending = hr.FeatureGroup(
    "spending",
    entity=customer,
    source=purchases,
    features={
        "purchases_1h": hr.count("1h"),
        "spent_30d": hr.sum("amount", "30d"),
        "usual_amount": hr.mean("amount", "30d"),
        "large_30d": hr.count("30d", where="amount >= 100"),
        "last_amounts": hr.last_n("amount", 3),
    },
)


@hr.on_demand(inputs=["amount", "usual_amount"], returns="float64")
def times_usual(amount, usual_amount):
    """How many times the customer's usual amount this purchase is; `amount` comes with the request."""
    return amount / usual_amount


fraud = hr.FeatureView("fraud", features=[spending, times_usual])
'''

_GITIGNORE = """\
# what Headrace keeps on this machine
.headrace/
__pycache__/
"""

_STEPS = """\
next, look at definitions.py, then:
{enter}  headrace apply
  echo '{{"customer_id": 7, "amount": 19.9, "bought_at": "'$(date -u +%FT%TZ)'"}}' | headrace push purchases
  headrace features get fraud customer_id=7 amount=120"""


def files() -> dict[str, str]:
    """File name to its text."""
    return {"headrace.toml": _SETTINGS, "definitions.py": _DEFINITIONS, ".gitignore": _GITIGNORE}


def next_steps(folder: str | None) -> str:
    """What to type next; `folder` if it isn't the one the user is in."""
    return _STEPS.format(enter=f"  cd {folder}\n" if folder else "")
