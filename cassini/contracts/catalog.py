"""The table of events: type, message, owner of the noun, writers, readers, meaning.

Only readers that exist are listed; at start a service fails whose handlers and this table
disagree. The queue of a reader and the topic permissions of a writer are derived from here. Of a
reader's replicas one gets the event, of a listener's each: listeners are for hints, which are not
kept.
"""

from dataclasses import dataclass

from cassini.contracts.changes import ResourceChangedV1
from cassini.contracts.credentials import (
    CredentialDeclaredV1,
    CredentialObservedV1,
    LeaseDeclaredV1,
    LeaseObservedV1,
)
from cassini.contracts.images import ImageDeclaredV1, ImageObservedV1
from cassini.contracts.resources import Message, ServiceName
from cassini.contracts.workloads import (
    BackendObservedV1,
    WorkloadDeclaredV1,
    WorkloadObservedV1,
)


@dataclass(frozen=True)
class EventType:
    """One row of the catalogue."""

    name: str
    model: type[Message]
    owner: ServiceName
    writers: frozenset[ServiceName]
    readers: frozenset[ServiceName]
    meaning: str
    listeners: frozenset[ServiceName] = frozenset()

    @property
    def noun(self) -> str:
        """The noun the event is about: ``workload`` of ``workload.declared.v1``."""
        return self.name.split(".", 1)[0]


_API, _BUILDER = ServiceName.API, ServiceName.BUILDER
_SECRETS, _PROVISIONER = ServiceName.SECRETS, ServiceName.PROVISIONER


def _event(
    name: str,
    model: type[Message],
    owner: ServiceName,
    writers: set[ServiceName],
    readers: set[ServiceName],
    meaning: str,
) -> EventType:
    return EventType(name, model, owner, frozenset(writers), frozenset(readers), meaning)


_EVENTS = (
    _event(
        "workload.declared.v1",
        WorkloadDeclaredV1,
        _PROVISIONER,
        {_API},
        {_PROVISIONER},
        "What should be running: image, command, size, environment, and running, stopped or absent",
    ),
    _event(
        "workload.observed.v1",
        WorkloadObservedV1,
        _PROVISIONER,
        {_PROVISIONER},
        {_API},
        "What is running, pod by pod, and why not",
    ),
    _event(
        "backend.observed.v1",
        BackendObservedV1,
        _PROVISIONER,
        {_PROVISIONER},
        {_API},
        "What the provisioner can do now: kind, capacity, isolation, limits, reachable",
    ),
    _event(
        "image.declared.v1",
        ImageDeclaredV1,
        _BUILDER,
        {_API},
        {_BUILDER},
        "A version of an image to build and keep",
    ),
    _event(
        "image.observed.v1",
        ImageObservedV1,
        _BUILDER,
        {_BUILDER},
        {_API},
        "How far the build is, and the reference of what was built",
    ),
    _event(
        "credential.declared.v1",
        CredentialDeclaredV1,
        _SECRETS,
        {_API},
        {_SECRETS},
        "A secret value to keep, sealed to the secrets service",
    ),
    _event(
        "credential.observed.v1",
        CredentialObservedV1,
        _SECRETS,
        {_SECRETS},
        {_API},
        "Whether the value is stored, never the value",
    ),
    _event(
        "lease.declared.v1",
        LeaseDeclaredV1,
        _SECRETS,
        {_PROVISIONER},
        {_SECRETS},
        "The credentials that one revision of a workload may read, with their least generations",
    ),
    _event(
        "lease.observed.v1",
        LeaseObservedV1,
        _SECRETS,
        {_SECRETS},
        {_PROVISIONER},
        "The values, sealed to the one that asked, or what is still missing",
    ),
    EventType(
        "resource.changed.v1",
        ResourceChangedV1,
        _API,
        writers=frozenset({_API}),
        readers=frozenset(),
        listeners=frozenset({_API}),
        meaning="A hint that a resource changed, for those who watch it live",
    ),
)

CATALOG: dict[str, EventType] = {event.name: event for event in _EVENTS}
_BY_MODEL = {event.model: event for event in _EVENTS}


def event_type(message: Message) -> EventType:
    """Return the catalogue's row for a message.

    Raises:
        KeyError: the message's class is not in the catalogue.
    """
    return _BY_MODEL[type(message)]
