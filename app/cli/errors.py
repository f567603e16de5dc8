"""The one way in which a command says that it could not do what it was asked."""


class CliError(Exception):
    """Printed as one line on standard error; the command exits with 1."""
