"""What can go wrong while evaluating."""


class EvaluationError(Exception):
    """Base of the errors of this package; its text is for the user."""


class StepFailed(EvaluationError):
    """A program that the evaluation runs ended with an error.

    Parameters
    ----------
    command
        The program's arguments.
    code
        Its exit code.
    """

    def __init__(self, command: str, code: int) -> None:
        super().__init__(f"`radiolucent {command}` ended with exit code {code}; what it said is above")
        self.code = code
