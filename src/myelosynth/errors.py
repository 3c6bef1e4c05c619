"""The one error that a user's input can cause."""


class InputError(Exception):
    """Bad input, told in one line: what, where, both values, the cure.

    >>> print(InputError("grids differ", "b.nii.gz", "shape (3, 3, 3), expected (4, 4, 4)", "resample b"))
    grids differ, b.nii.gz, shape (3, 3, 3), expected (4, 4, 4), resample b
    """

    def __init__(self, what: str, where: object, values: str, cure: str) -> None:
        super().__init__(what, where, values, cure)
        self.what, self.where, self.values, self.cure = what, where, values, cure

    def __str__(self) -> str:
        return printable(", ".join(str(part) for part in self.args if part).replace("\n", " "))


def printable(text: str) -> str:
    """The text with everything that does not print as an escape: a file's name must not write on a terminal.

    >>> printable("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    shown = (c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return "".join(shown)
