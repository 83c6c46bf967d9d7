"""Recipes as the contract writes them, for both directions: what is left out is not written.

A recipe is read in whichever dialect it is written in (``recipe_dialects.py``). Parts that this
platform does not have yet have no shape here: ``recipes.py`` refuses them where they are not
empty.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from cassini.runtime.errors import Invalid
from services.api.auth.scopes import LONGEST_SCOPE, SCOPE_PATTERN, Scope
from services.api.images.references import RecipeImage
from services.api.paging import PageOut
from services.api.people.references import RecipeOwner
from services.api.resources.checks import (
    WORKING_DIRECTORY,
    AutoShutoff,
    ConfigFileIn,
    Description,
    DiskSpace,
    EnvironmentVariables,
    HomePath,
    Ide,
    Name,
    Packages,
    Script,
    SecretLocation,
    ShortText,
    SubdomainOrNone,
    Tags,
    WorkingDirectory,
    bounded_files,
)
from services.api.resources.recipe_dialects import SCHEMA_VERSION, VERSION_PATTERN, current
from services.api.resources.secrets import MOST
from services.api.wire import RecipePart, WireOut

OWN_SCOPE = "workspace:self"
"""In the scopes of recipes this word stands for the workspace itself, whatever its id is."""

_ANY_ID = "0" * 32


def _scope(text: str) -> str:
    try:
        Scope.parse(scope_of_recipe(text, _ANY_ID))
    except Invalid as error:
        raise ValueError(error.message) from None
    return text


def scope_in_recipe(scope: str | None, resource_id: str) -> str | None:
    """Return the scope of one workspace's token as its recipe has it, so that a copy fits too."""
    if scope is None:
        return None
    own = f"workspace:{resource_id}"
    return " ".join(OWN_SCOPE if word == own else word for word in scope.split(" "))


def scope_of_recipe(text: str | None, resource_id: str) -> str | None:
    """Return the scope of a recipe for one workspace."""
    if text is None:
        return None
    own = f"workspace:{resource_id}"
    return " ".join(own if word == OWN_SCOPE else word for word in text.split(" "))


_SCOPE_PATTERN = SCOPE_PATTERN.replace("read|", f"read|{OWN_SCOPE}|")
TokenScope = Annotated[
    str,
    StringConstraints(max_length=LONGEST_SCOPE),
    AfterValidator(_scope),
    Field(json_schema_extra={"pattern": _SCOPE_PATTERN}),
]
Parts = Annotated[list[dict[str, Any]], Field(json_schema_extra={"maxItems": 0})]
Part = Annotated[dict[str, Any], Field(json_schema_extra={"maxProperties": 0})]
"""What is not offered: refused in words where there is something (``offers.py``)."""


class PipPackages(RecipePart):
    """What pip installs at every start: names, or the text of a requirements file."""

    install: Packages | None = None
    requirements_txt: Packages | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.install and self.requirements_txt:
            raise ValueError("give install or requirements_txt, not both")
        return self


class CondaPackages(RecipePart):
    """What conda would install."""

    install: Packages | None = None
    environment_yml: Packages | None = None
    use_mamba: bool = False


class OtherPackages(RecipePart):
    """What another installer would install."""

    install: Packages | None = None


class ExtraPackagesRecipe(RecipePart):
    """Packages to install at every start."""

    pip: PipPackages | None = None
    conda: CondaPackages | None = None
    apt: OtherPackages | None = None
    cran: OtherPackages | None = None
    remotes: OtherPackages | None = None
    bioconductor: OtherPackages | None = None


class ConfigFileEntry(RecipePart, ConfigFileIn):
    """A file below the home directory."""

    model_config = ConfigDict(extra="allow", frozen=True)


class WorkspaceRouteRecipe(RecipePart):
    """A port that is opened under a name."""

    container_port: Annotated[int, Field(ge=1024, le=65535)]
    subdomain: SubdomainOrNone = ""
    visibility: Literal["org", "owner"] = "owner"


class SecretAttachmentRecipe(RecipePart):
    """A secret that the workspace is given; without a name: a place that somebody has to fill."""

    location: SecretLocation
    attachment_type: Literal["environment_variable", "file"]
    description: Description = ""
    owner: RecipeOwner | None = None
    name: Annotated[ShortText, StringConstraints(min_length=1)] | None = None


Secrets = Annotated[list[SecretAttachmentRecipe], Field(max_length=MOST)]


class WorkspaceSpec(RecipePart):
    """What a workspace is to be like; what is left out has its default."""

    null_means_something: ClassVar[frozenset[str]] = frozenset({"token_scope"})

    name: Name
    owner: RecipeOwner | None = None
    description: Description = ""
    tags: Tags | None = None
    image: RecipeImage
    instance_type: Annotated[ShortText, StringConstraints(min_length=1)]
    environment_variables: EnvironmentVariables = Field(default_factory=dict)
    working_directory: WorkingDirectory = WORKING_DIRECTORY
    extra_packages: ExtraPackagesRecipe = ExtraPackagesRecipe()
    config_files: (
        Annotated[dict[HomePath, ConfigFileEntry], AfterValidator(bounded_files)] | None
    ) = None
    start_script: Script | None = None
    token_scope: TokenScope | None = OWN_SCOPE
    dask_cluster: Part | None = None
    git_repositories: Parts = Field(default_factory=list)
    secrets: Secrets = Field(default_factory=list)
    shared_folders: Parts = Field(default_factory=list)
    start_dind: bool = False
    status: Literal["stopped", "running"] | None = None
    ide: Ide = "jupyter"
    disk_space: DiskSpace = "10Gi"
    auto_shutoff: AutoShutoff = "1 hour"
    start_ssh: bool = False
    use_spot_instance: bool = False
    routes: list[WorkspaceRouteRecipe] = Field(default_factory=list)
    viewers: Parts = Field(default_factory=list)
    self_destruct: bool = False


class RouteState(WireOut):
    """Where a route is reached."""

    subdomain: str
    container_port: int
    url: str


_ACTION: dict[str, Any] = {"type": "string", "enum": ["created", "updated", "unchanged"]}


class ResourceState(WireOut):
    """What a resource is at the moment."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    id: str
    action: Annotated[
        Literal["created", "updated", "unchanged"] | None, WithJsonSchema(_ACTION)
    ] = None
    """What applying the recipe did to its settings; left out of other answers."""
    status: str
    url: str | None = None
    ssh_url: str | None = None
    ssh_user: str | None = None
    routes: list[RouteState]


SchemaVersion = Annotated[str, Field(json_schema_extra={"pattern": VERSION_PATTERN})]


class WorkspaceRecipe(RecipePart):
    """The recipe of a workspace. ``state`` is answered; what a client sends there is ignored."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    type: Literal["workspace"]
    spec: WorkspaceSpec
    state: ResourceState | None = None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        if not isinstance(sent.get("state"), ResourceState):
            sent = {name: value for name, value in sent.items() if name != "state"}
        return current(sent)


class RecipeList(PageOut):
    """A page of recipes."""

    recipes: list[WorkspaceRecipe]
