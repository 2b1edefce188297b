"""The examples of the page on embeddings, one after the other."""

from tests.docs.pages import ROOT, fenced


def test_examples_find_the_communities_and_the_hidden_edges(capsys):
    names = {}
    for cell in fenced(ROOT / "docs" / "embeddings.md", "python"):
        exec(compile(cell, "cell", "exec"), names)  # noqa: S102
    assert capsys.readouterr().out.startswith("accuracy ")
    assert names["accuracy"] > 0.85 and names["auc"] > 0.6
