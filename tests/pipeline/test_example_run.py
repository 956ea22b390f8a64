from tests.pipeline.conftest import Ended


def test_the_example_run_ends_with_exit_code_0(example: Ended) -> None:
    assert example.exit_code == 0, example.stderr
