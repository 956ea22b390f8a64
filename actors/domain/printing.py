"""Make text harmless for terminals, whoever wrote it."""


def printable(text: str) -> str:
    """Escape what a terminal might act on; line breaks and tabs stay."""
    return text if text.isprintable() else "".join(map(_printable_character, text))


def _printable_character(character: str) -> str:
    if character.isprintable() or character in "\n\t":
        return character
    return character.encode("unicode_escape").decode("ascii")
