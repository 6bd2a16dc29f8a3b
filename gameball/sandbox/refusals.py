"""What the API says no with: the v3.0 codes and their words."""

MEANINGS = {
    3: "not found",
    4: "missing arguments",
    5: "null arguments",
    7: "invalid value",
    10: "forbidden",
    13: "something went wrong",
    14: "name already exists",
    15: "email already exists",
    50: "Gameball is disabled",
    51: "cashback is disabled",
    101: "player not found",
    301: "transaction type cannot be reversed",
    302: "transaction already cancelled",
    304: "transaction time already exists",
    305: "transaction id already exists",
    306: "reversed transaction not found",
    307: "hold reference not found",
    309: "insufficient balance",
}


class Refusal(Exception):  # noqa: N818 - a refusal is an answer of the API, not an error of the sandbox
    """The call is refused with `code`, and nothing is written; `status` is for matters of HTTP itself."""

    def __init__(self, code: int, detail: str = "", *, status: int | None = None) -> None:
        message = f"{MEANINGS[code]}: {detail}" if detail else MEANINGS[code]
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
