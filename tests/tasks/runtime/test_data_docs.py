from lakebed.tasks.runtime.expectations_worker import is_needed, make_offline

PAGE = """<html><head>
<script src="https://code.jquery.com/jquery.min.js" integrity="x"
  crossorigin="anonymous"></script>
<link rel="stylesheet" href="https://maxcdn.bootstrapcdn.com/bootstrap.min.css"/>
<link rel="stylesheet" href="static/styles/data_docs_default_styles.css"/>
</head><body><img src="https://assets.example/logo.png?d=1"/><img src="static/logo.svg"/>
<script>var kept = "https://only.text";</script><a href="https://docs.example">link</a></body></html>"""


def test_only_what_a_browser_would_load_is_taken_out():
    page = make_offline(PAGE)
    assert all(host not in page for host in ("jquery", "bootstrapcdn", "assets.example"))
    assert all(
        kept in page for kept in ("data_docs_default_styles.css", "static/logo.svg", "only.text", "docs.example")
    )
    assert page.count("<style>") == 1
    assert page.index("<style>") < page.index("</head>")


def test_films_and_fonts_are_left_out():
    assert is_needed("validations/x.html")
    assert not is_needed("static/images/glossary_scroller.gif")
