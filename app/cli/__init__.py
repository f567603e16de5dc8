"""The command line. Its modules import little: `saga --help` must be quick."""
