"""The exhaustive model of the run protocol."""
