"""Prefect's pages in a browser, as a person uses them."""

import json
import time

BUTTON = "[...document.querySelectorAll('{where} button')].find(b => b.innerText.trim() === '{text}')"
_LEAVES = (
    "[...document.querySelectorAll('{where} .schema-form-property')]"
    ".filter(p => !p.querySelector('.schema-form-property'))"
)
_FIELD = _LEAVES + ".find(p => p.innerText.trim().startsWith('{name}'))"


def click(tab, element):
    tab.wait(f"!!({element})")
    tab.ask(f"({element}).setAttribute('data-test', 'here')")
    tab.click("[data-test=here]")
    tab.ask("document.querySelector('[data-test=here]')?.removeAttribute('data-test')")


def button(text, where="body"):
    return BUTTON.format(where=where, text=text)


def field(name, what="input, textarea", where="body"):
    """The control of the field whose label begins so."""
    return f"{_FIELD.format(where=where, name=name)}?.querySelector({json.dumps(what)})"


def fill(tab, name, text, where="body"):
    """Types in place of what a text or number field holds."""
    element = field(name, where=where)
    click(tab, element)
    tab.ask(f"({element}).select()")
    tab.call("Input.insertText", text=text)


def choose(tab, name, value, where="body"):
    """Chooses in a list."""
    element = field(name, "select", where)
    tab.wait(f"!!({element})")
    tab.ask(
        f"(() => {{ const s = {element}; s.selectedIndex = [...s.options].findIndex(o => o.text === '{value}');"
        " s.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )


def show(tab, name, where="body"):
    """Scrolls to a field, for a picture."""
    tab.ask(f"({_FIELD.format(where=where, name=name)}).scrollIntoView({{block: 'center'}})")
    time.sleep(0.3)


def text_of(tab, name, where="body"):
    """All that a field says: label, description, error."""
    return tab.ask(f"({_FIELD.format(where=where, name=name)})?.innerText") or ""
