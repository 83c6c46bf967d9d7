"""JupyterLab's token of one revision: derived, so kept nowhere and asked of nobody.

It is an HMAC of id and revision under the api's key. The wish that raises the revision carries it
sealed to the provisioner; the link that opens the server derives it again.
"""

import hashlib
import hmac
import json

from cassini.contracts.resources import ServiceName, Wanted
from cassini.contracts.workloads import WorkloadDeclaredV1
from services.api.context import ApiContext

_VARIABLE = "JUPYTER_TOKEN"


def jupyter_token(api: ApiContext, resource_id: str, revision: int) -> str:
    """Return JupyterLab's token of one revision: whoever has the api's key can derive it again."""
    text = f"{resource_id}:{revision}".encode()
    return hmac.new(api.keys.hmac, text, hashlib.sha256).hexdigest()


def with_token(api: ApiContext, wish: WorkloadDeclaredV1) -> WorkloadDeclaredV1:
    """Return a wish with its revision's token sealed in; one that runs nothing carries none."""
    if wish.wanted != Wanted.RUNNING:
        return wish.model_copy(update={"sealed": None})
    sealed = api.sealer.seal(
        json.dumps({_VARIABLE: jupyter_token(api, wish.id, wish.revision)}),
        reader=ServiceName.PROVISIONER,
        resource_id=wish.id,
        generation=wish.generation,
    )
    return wish.model_copy(update={"sealed": sealed})
