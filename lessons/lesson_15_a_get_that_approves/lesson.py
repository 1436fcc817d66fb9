"""Lesson 15: a link is followed before anybody has read it."""

from lessons.harness import Lesson, Measure, Message
from simulation import World

TOTAL = 125_000  # of a samovar, in cents


def _request(method: str, decision: str) -> dict[str, object]:
    return {
        "order_id": "O1",
        "requestContext": {"http": {"method": method}},
        "pathParameters": {"order_id": "O1"},
        "queryStringParameters": {"decision": decision},
    }


def _there_is_a_button(here: World) -> bool:
    answer = here.invocations[-1].answer
    return bool(answer and answer["body"].get("status") == "PENDING")


def _orders(here: World, status: str) -> int:
    return sum(item["status"] == status for item in here.items("ApprovalsTable"))


LESSON = Lesson(
    title="A GET that approves",
    schedule=(
        "The approver gets an email with two links. Their company's scanner opens both, as it does with every link, "
        "before it delivers the email. A minute later the approver follows the link that says “deny”. If the page "
        "says PENDING, it has a button, and the approver presses it."
    ),
    why=(
        "Everybody may send a GET: scanners, previews, a browser that restores its tabs. They may do so because HTTP "
        "calls it safe, which means that whoever sends it has not asked for anything to change. So a link shows what "
        "there is to decide, and a button decides, with a POST. The condition was there all along, and it protected "
        "the wrong answer: the first one stands, so the first one has to be a person's."
    ),
    sender="client",
    messages=(
        Message(_request("GET", "approve"), says="GET approve, by the scanner"),
        Message(_request("GET", "deny"), at=1, says="GET deny, by the scanner"),
        Message(_request("GET", "deny"), at=60, says="GET deny, by the approver"),
        Message(_request("POST", "deny"), at=65, only_if=_there_is_a_button, says="POST deny, by the approver"),
    ),
    words={"dynamodb.PutItem": "decide, if nobody has", "dynamodb.GetItem": "what stands?"},
    measures=(
        Measure("orders denied", 1, lambda here: _orders(here, "DENIED"), "orders"),
        Measure("approved by nobody", 0, lambda here: _orders(here, "APPROVED") * TOTAL),
    ),
)
