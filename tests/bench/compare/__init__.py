"""The same work on several engines, side by side: five steps, each one INSERT in the same Postgres.

Each contestant is a module that is run in a process of its own on a database of its own, round after round in
turn, so that what else the machine does hits all of them alike.
"""
