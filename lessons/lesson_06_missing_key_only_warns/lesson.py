"""Lesson 6: the key is missing, and the library says so in the log."""

from lessons.harness import Lesson, Message, in_stock


def _post(order_id: str, sku: str, headers: dict[str, str]) -> dict[str, object]:
    return {"order_id": order_id, "headers": headers, "body": f'{{"sku": "{sku}", "quantity": 1}}'}


OLD_APP = _post("O1", "mug", {"Idempotency-Key": "c-1:42"})
SCRIPT = _post("O2", "tea", {})

LESSON = Lesson(
    title="A missing key only warns",
    schedule=(
        "An old app writes its header as Idempotency-Key, a script sends none. Each loses the answer on the way back "
        "and repeats its request two seconds later."
    ),
    why=(
        "Powertools looks for the key, does not find it, warns, and runs the handler without any protection: the app "
        "did everything right and reserves twice. raise_on_no_idempotency_key makes an error of it, which the first "
        "request shows to whoever tests. What has no key is refused (no tea is taken), and what has one is found "
        "under both spellings."
    ),
    stock={"mug": 10, "tea": 10},
    sender="client",
    messages=(
        Message(OLD_APP, says="POST by the app"),
        Message(OLD_APP, at=2, says="repeated by the app"),
        Message(SCRIPT, at=4, says="POST by the script"),
        Message(SCRIPT, at=6, says="repeated by the script"),
    ),
    words={
        "dynamodb.PutItem": "a record, if there is none",
        "dynamodb.UpdateItem#1": "take one",
        "dynamodb.UpdateItem#2": "keep the answer",
    },
    measures=(in_stock("mug", 9), in_stock("tea", 10)),
)
