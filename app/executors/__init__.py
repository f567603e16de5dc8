"""Executors: processes that run sagas. A lease says that one lives; the others take over when it does not.

lease        a session lock in Postgres, held and pinged by the loop that runs the sagas
supervisor   resumes the runs of executors whose lease is free, and our own orphans
reconciler   names a new run for an open saga that DBOS has forgotten
listing      which executors there are, for people
retention    deletes DBOS's rows of runs that ended long ago
"""

from app.executors.lease import Lease, LeaseLost
from app.executors.reconciler import Reconciler
from app.executors.retention import Retention
from app.executors.supervisor import Supervisor

__all__ = ["Lease", "LeaseLost", "Reconciler", "Retention", "Supervisor"]
