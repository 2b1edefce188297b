"""Names of a lake as text in Markdown: no markup, no line breaks."""


def code(text: str) -> str:
    """As inline code; nothing for an empty name."""
    return f"`{plain(text)}`" if text else ""


def code_cell(text: str) -> str:
    """As inline code in a cell of a Markdown table."""
    return code(text).replace("|", "\\|")


def plain(text: str) -> str:
    """What stands between backticks: nothing in it ends the code or the line."""
    return "".join(char if char.isprintable() else " " for char in text).replace("`", "'")
