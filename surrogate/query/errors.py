"""What can go wrong between a question and its answer."""


class QueryError(ValueError):
    """A question that cannot be answered; the message names the argument and what was expected."""


class BundleError(ValueError):
    """A bundle that cannot be trusted or read; the message names it, the file and what is wrong."""


class OutOfRangeWarning(UserWarning):
    """Parameters or times outside the range of the training runs: the answer is an extrapolation."""
