"""Strategies: what people may want of a workspace, as ``/api/workspaces`` and as recipes say it."""

from hypothesis import strategies as st

SIZES = ("micro", "small", "medium")

# No surrogates and no NUL: the platform refuses both.
_characters = st.characters(exclude_categories=("Cs",), exclude_characters="\0")
texts = st.text(_characters, max_size=30)
names = st.from_regex(r"[A-Za-z0-9](?:[-A-Za-z0-9]{0,20}[A-Za-z0-9])?", fullmatch=True)
_variables = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True).filter(
    lambda name: name not in {"SATURN_TOKEN", "SATURN_BASE_URL", "JUPYTER_TOKEN"}
)
_part = st.from_regex(r"[a-z.][a-z]{1,8}", fullmatch=True)
_paths = st.lists(_part, min_size=1, max_size=3).map("/".join)
_maps = st.dictionaries(texts, texts, max_size=3)
_files = st.dictionaries(
    _paths,
    st.fixed_dictionaries(
        {"content": texts}, optional={"mode": st.sampled_from(["0644", "755", "0600"])}
    ),
    max_size=3,
)
_directories = st.one_of(st.just("/home/jovyan"), _paths.map(lambda path: f"/home/jovyan/{path}"))
_common = {
    "description": texts,
    "tags": st.none() | _maps,
    "config_files": st.none() | _files,
    "start_script": st.none() | texts,
    "disk_space": st.sampled_from(["10Gi", "500Gi", "3Ti"]),
    "auto_shutoff": st.sampled_from(["1 hour", "24 hours", "Never"]),
    "start_ssh": st.booleans(),
    "self_destruct": st.booleans(),
}

bodies = st.fixed_dictionaries(
    {"name": names, "instance_size": st.sampled_from(SIZES)},
    optional=_common
    | {
        "environment_variables": st.none() | st.dictionaries(_variables, texts, max_size=3),
        "working_dir": _directories,
        "is_spot": st.booleans(),
        "extra_packages": st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "pip": st.none() | texts,
                "as_requirements_txt": st.booleans(),
                "use_mamba": st.booleans(),
                "conda": st.sampled_from(["", None]),
            },
        ),
    },
)
"""Bodies of ``POST /api/workspaces``."""

_pip = st.one_of(
    texts,
    st.fixed_dictionaries({"install": st.none() | texts}),
    st.fixed_dictionaries({"requirements_txt": texts}),
    st.just({"install": "", "requirements_txt": "rich"}),
)

specs = st.fixed_dictionaries(
    {
        "name": names,
        "instance_type": st.sampled_from(SIZES),
        "image": st.sampled_from(
            ["cassini-python", "admin/cassini-python", {"uri": "cassini-python:0.1.0"}]
        ),
    },
    optional={name: st.none() | strategy for name, strategy in _common.items()}
    | {
        "environment_variables": st.none() | st.dictionaries(_variables, texts, max_size=3),
        "working_directory": st.none() | _directories,
        "use_spot_instance": st.none() | st.booleans(),
        "extra_packages": st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "pip": st.none() | _pip,
                "conda": st.sampled_from([None, "", {}, {"install": ""}]),
                "apt": st.sampled_from([None, "", {}]),
            },
        ),
        "token_scope": st.sampled_from([None, "read", "workspace:self", "read workspace:self"]),
        "ide": st.sampled_from(["jupyter", None]),
        "status": st.sampled_from(["stopped", None]),
        "git_repositories": st.sampled_from([[], None]),
        "secrets": st.sampled_from([[], None]),
        "shared_folders": st.sampled_from([[], None]),
        "dask_cluster": st.sampled_from([{}, None]),
        "viewers": st.sampled_from([[], None]),
        "start_dind": st.sampled_from([False, None]),
        "routes": st.sampled_from(
            [[], None, [{"container_port": 8888, "subdomain": None, "visibility": "owner"}]]
        ),
    },
)
"""The ``spec`` of recipes of workspaces, with null wherever it may stand."""
