"""Every error has a stable code, says what to do, and stands in docs/errors.md."""

from __future__ import annotations

import re

from registry.errors import KuraError
from registry.sources.errors import PathNotFound
from tests.error_codes import DOCUMENT, OWN_STEP, all_errors

ROW = re.compile(r"^\| `([a-z0-9_]+)` \| (.+?) \| (.+?) \| (yes|no) \|$", re.MULTILINE)
AGAIN = "run .venv/bin/python -m tests.error_codes"


def documented() -> dict[str, tuple[str, str]]:
    return {
        code: (meaning, step) for code, meaning, step, _ in ROW.findall(DOCUMENT.read_text(encoding="utf-8"))
    }


def codes() -> dict[str, type[Exception]]:
    return {getattr(error, "code", ""): error for error in all_errors()}


def test_every_code_is_documented_with_what_to_do() -> None:
    missing = sorted(codes().keys() - documented().keys())
    assert not missing, f"not in docs/errors.md: {', '.join(missing)}; {AGAIN}"


def test_no_code_is_documented_that_no_longer_exists() -> None:
    gone = sorted(documented().keys() - codes().keys())
    assert not gone, f"only in docs/errors.md: {', '.join(gone)}; {AGAIN}"


def test_codes_are_snake_case_and_no_class_keeps_the_default() -> None:
    for error in all_errors():
        code = getattr(error, "code", "")
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", code), error
        assert code != KuraError.code, f"{error.__module__}.{error.__name__} has no code of its own"


def test_every_class_says_in_a_sentence_what_happened() -> None:
    for error in all_errors():
        assert error.__doc__ and error.__doc__.strip().endswith((".", ")")), error


def test_two_causes_do_not_share_a_code() -> None:
    owners: dict[str, list[type[Exception]]] = {}
    for error in all_errors():
        owners.setdefault(getattr(error, "code", ""), []).append(error)
    for code, classes in owners.items():
        # A base class may stand for its plainest case.
        related = [one for one in classes for other in classes if one is not other and issubclass(one, other)]
        assert len(classes) == 1 or related, f"{code}: {classes}"


def test_a_step_that_a_class_leaves_open_is_in_its_messages() -> None:
    # The placeholder stands only where the class has none: its cases carry steps of their own.
    for code, (_, step) in documented().items():
        if step == OWN_STEP:
            assert not getattr(codes()[code], "next_step", ""), code


def test_an_error_prints_as_code_message_and_step() -> None:
    error = PathNotFound("It is gone.", next_step="Do that.")
    assert str(error) == "path_not_found: It is gone. Do that."
    assert error.as_dict() == {"code": "path_not_found", "message": "It is gone.", "next_step": "Do that."}
    assert str(PathNotFound("It is gone.")).endswith(PathNotFound.next_step)
