from lakebed.connectors.extras import extra_hint


def test_the_packages_of_an_extra_are_those_of_the_metadata():
    assert extra_hint("links") == "pip install 'torch>=2.9' 'safetensors>=0.5' (the extra lakebed[links])"
    assert extra_hint("http") == "pip install 'uvicorn>=0.34' (the extra lakebed[http])"
