"""Names of a lake as text in Markdown: no markup, no line breaks."""


def code(text: str) -> str:
    """As inline code of a table's cell."""
    return f"`{cell(text)}`" if text else ""


def cell(text: str) -> str:
    """What stands between the backticks: nothing in it ends the code or the cell."""
    return "".join(char if char.isprintable() else " " for char in text).replace("|", "\\|").replace("`", "'")
