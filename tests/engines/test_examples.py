"""The example of each function, which /docs/functions shows, runs on every engine."""

from __future__ import annotations

from typing import Any

import pytest

from vo_server.adql.semantics.functions import FUNCTIONS, Function
from vo_server.adql.semantics.udfs import UDF_FORMS
from vo_server.web.reference import build_example_query

EXAMPLES = [function for function in (*FUNCTIONS.values(), *UDF_FORMS) if function.example]


@pytest.mark.parametrize("function", EXAMPLES, ids=lambda function: function.signature)
def test_example_has_a_value(world: Any, function: Function) -> None:
    assert f"{function.name.partition('(')[0]}(" in function.example
    assert world.ask(build_example_query(function))[0][0] is not None
