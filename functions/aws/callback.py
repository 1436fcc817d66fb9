"""The token of a task that waits: how it is kept, and how the task is woken.

Whoever has a token can end the task, so it is written down encrypted, for this order and no other. Waking decides
nothing: what was decided is in a table by then, and a task that nobody wakes is found by the sweep.
"""

from __future__ import annotations

import base64

from aws import clients, logger


def encrypt(task_token: str, order_id: str, key_id: str) -> str:
    """A token as it may be written down, in base64. It has up to 2,048 characters, of the 4,096 that KMS takes at once.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html
    """
    answer = clients.keys().encrypt(KeyId=key_id, Plaintext=task_token.encode(), EncryptionContext=_context(order_id))
    return base64.b64encode(answer["CiphertextBlob"]).decode()


def wake(encrypted: str, order_id: str) -> bool:
    """Let the task go on; answers whether it does. It may have ended: woken before, timed out, or gone.

    Raises what KMS and Step Functions raise otherwise: then it may be waiting still.
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html#API_SendTaskSuccess_Errors
    """
    answer = clients.keys().decrypt(CiphertextBlob=base64.b64decode(encrypted), EncryptionContext=_context(order_id))
    gone = clients.workflows().exceptions
    try:
        go_on(answer["Plaintext"].decode())
    except (gone.TaskDoesNotExist, gone.TaskTimedOut, gone.InvalidToken) as error:
        logger.debug("nobody waits any more", order_id=order_id, error=error.response["Error"]["Code"])
        return False
    return True


def go_on(task_token: str) -> None:
    """Let the task go on that has this token. Raises what Step Functions raises."""
    clients.workflows().send_task_success(taskToken=task_token, output="{}")


def _context(order_id: str) -> dict[str, str]:
    return {"order_id": order_id}
