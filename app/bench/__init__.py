"""`saga bench`: how fast sagas run on this machine and this database."""
