"""Starting points: a first aggregate or saga, with its test, written into a clone of this repository.

naming       which names are taken, and the forms of one
templates/   the files, as text with $snake, $kebab, $Class, $CAPITALS and $words in it
formatting   the style of the clone
registering  the table that the new file is added to
writing      all of it, or nothing
"""

from app.starting_points.naming import BadName, NewName
from app.starting_points.writing import CannotWrite, Kind, Written, write

__all__ = ["BadName", "CannotWrite", "Kind", "NewName", "Written", "write"]
