"""Operations, parameters, bodies and statuses that differ are found, and the command tells all."""

import copy
import json

import pytest

from tests.compatibility.__main__ import main
from tests.compatibility.operations import compare

TEXT = {"type": "string"}


def body(schema):
    return {"content": {"application/json": {"schema": schema}}}


def thing_of(name):
    return {"type": "object", "properties": {name: TEXT}}


def query(name, **more):
    return {"in": "query", "name": name, "schema": TEXT, **more}


def path(name):
    return {"in": "path", "name": name, "schema": TEXT, "required": True}


CONTRACT = {
    "openapi": "3.0.3",
    "paths": {
        "/things/{thing_id}": {
            "patch": {
                "operationId": "things_update",
                "tags": ["things"],
                "parameters": [path("thing_id"), query("force")],
                "requestBody": body(thing_of("name")),
                "responses": {"200": body(thing_of("id"))},
            },
            "delete": {
                "operationId": "things_delete",
                "tags": ["things"],
                "parameters": [path("thing_id")],
                "responses": {"204": {"description": "Gone"}},
            },
        },
        "/others": {
            "get": {"operationId": "others_list", "tags": ["others"], "responses": {"200": {}}}
        },
    },
}


def ours(**changes):
    """Return the contract's own two operations on things, one of them with changes."""
    document = copy.deepcopy({**CONTRACT, "openapi": "3.1.0"})
    del document["paths"]["/others"]
    document["paths"]["/things/{thing_id}"]["patch"].update(changes)
    return document


def found(document):
    return {
        each.operation: [f"{one.place}: {one.what}" for one in each.differences]
        for each in compare(CONTRACT, document)
    }


def test_what_is_not_here_is_told_and_the_rest_is_equal():
    assert found(ours()) == {
        "things_update": [],
        "things_delete": [],
        "others_list": [": not here"],
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"operationId": "things_patch"}, ["operationId: things_patch, not things_update"]),
        ({"tags": ["thing"]}, ["tags: ['thing'], not ['things']"]),
        ({"parameters": [path("thing_id")]}, ["query.force: missing"]),
        (
            {"parameters": [path("thing_id"), query("force", required=True)]},
            ["query.force: required here"],
        ),
        (
            {"parameters": [path("thing_id"), query("force"), query("why", required=True)]},
            ["query.why: required here"],
        ),
        ({"parameters": [path("thing_id"), query("force"), query("more")]}, []),
        (
            {"parameters": [path("thing_id"), query("force", schema={"type": "boolean"})]},
            ["query.force: type: boolean, not string"],
        ),
        (
            {"requestBody": body(thing_of("name")) | {"required": True}},
            ["request: required here"],
        ),
        ({"requestBody": {}}, ["request: missing"]),
        ({"requestBody": body({"type": "object"})}, ["request.name: missing"]),
        ({"responses": {"201": {}}}, ["200: missing", "201: not in the contract"]),
        ({"responses": {"200": {}}}, ["200: no body"]),
        ({"responses": {"200": body({"type": "object"})}}, ["200.id: missing (optional)"]),
        ({"responses": {"200": body(thing_of("id")), "404": {}}}, []),
    ],
)
def test_every_part_of_an_operation_is_compared(changes, expected):
    assert found(ours(**changes))["things_update"] == expected


def test_a_path_is_the_same_under_another_name_of_its_parameter_and_the_name_is_told():
    document = ours(parameters=[path("id"), query("force")])
    things = document["paths"].pop("/things/{thing_id}")
    document["paths"]["/things/{id}"] = things
    assert found(document)["things_update"] == ["path.thing_id: missing", "path.id: required here"]


def test_an_answer_where_the_contract_has_none_is_told():
    document = ours()
    document["paths"]["/things/{thing_id}"]["delete"]["responses"]["204"] = body(TEXT)
    assert found(document)["things_delete"] == ["204: a body, which the contract has not"]


@pytest.fixture
def run(tmp_path, capsys):
    """Runs the command on our document and a page; returns the exit code and what it printed."""

    def run_it(document, *rows):
        files = {
            "contract.yaml": json.dumps(CONTRACT),
            "ours.json": json.dumps(document),
            "page.md": "\n".join(["| where | difference | why |", "| --- | --- | --- |", *rows]),
        }
        for name, content in files.items():
            (tmp_path / name).write_text(content)
        contract, our, page = (str(tmp_path / name) for name in files)
        code = main([contract, f"--ours={our}", f"--explained={page}"])
        return code, capsys.readouterr().out

    return run_it


OTHERS = "| `others_*` | `not here` | Come later. |"


def test_the_command_is_content_when_everything_is_explained(run):
    code, printed = run(ours(), OTHERS)
    assert code == 0
    assert "explained   others_list: not here" in printed
    lines = [line.split() for line in printed.splitlines()]
    assert ["things", "2", "2", "2", "0"] in lines
    assert ["all", "3", "2", "2", "0"] in lines


def test_the_command_fails_on_what_is_not_explained(run):
    code, printed = run(ours(tags=["x"]), OTHERS)
    assert code == 1
    assert "UNEXPLAINED things_update tags: ['x'], not ['things']" in printed


def test_the_command_fails_on_an_explanation_of_nothing(run):
    code, printed = run(ours(), OTHERS, "| `things_update query.force` | `missing` | No force. |")
    assert code == 1
    assert "OUT OF DATE things_update query.force: missing" in printed
