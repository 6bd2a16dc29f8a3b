"""The Python SDK for Gameball's loyalty API v3.0: awaited or called plainly, and never rewarding twice.

`AsyncGameball` is awaited, `Gameball` called plainly. Every public name is importable from here, and loaded at its
first use: importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gameball.bulk.report import BulkPlan as BulkPlan, BulkReport as BulkReport
    from gameball.bulk.rows import RowResult as RowResult, RowState as RowState, State as State
    from gameball.client import AsyncGameball as AsyncGameball, Gameball as Gameball
    from gameball.core.delivery import Delivered as Delivered
    from gameball.core.observers import Attempt as Attempt, Call as Call
    from gameball.core.operation import Operation as Operation, Replay as Replay
    from gameball.errors import (
        AlreadyCancelledError as AlreadyCancelledError,
        APIError as APIError,
        AuthenticationError as AuthenticationError,
        BadRequestError as BadRequestError,
        BatchTimeoutError as BatchTimeoutError,
        BulkStoppedError as BulkStoppedError,
        ConcurrentRequestError as ConcurrentRequestError,
        ConnectionFailedError as ConnectionFailedError,
        CredentialsError as CredentialsError,
        DuplicateTransactionError as DuplicateTransactionError,
        GameballError as GameballError,
        HoldNotFoundError as HoldNotFoundError,
        InsufficientBalanceError as InsufficientBalanceError,
        InvalidRequestError as InvalidRequestError,
        JournalError as JournalError,
        NotFoundError as NotFoundError,
        NotReversibleError as NotReversibleError,
        OutcomeUnknownError as OutcomeUnknownError,
        PermissionDeniedError as PermissionDeniedError,
        PlayerNotFoundError as PlayerNotFoundError,
        ProgramDisabledError as ProgramDisabledError,
        RateLimitedError as RateLimitedError,
        ServerError as ServerError,
        TimedOutError as TimedOutError,
        TransactionNotFoundError as TransactionNotFoundError,
        TransactionTimeTakenError as TransactionTimeTakenError,
        UnexpectedAnswerError as UnexpectedAnswerError,
    )
    from gameball.models.batches import (
        Batch as Batch,
        BatchResponse as BatchResponse,
        BatchRow as BatchRow,
        BatchStatus as BatchStatus,
    )
    from gameball.models.clients import (
        UNSET as UNSET,
        ClientKeys as ClientKeys,
        ClientStatus as ClientStatus,
        PartnerClient as PartnerClient,
    )
    from gameball.models.configurations import (
        ApplicableTo as ApplicableTo,
        AvailableLevel as AvailableLevel,
        AvailableTo as AvailableTo,
        CashbackConfiguration as CashbackConfiguration,
        CashbackFactors as CashbackFactors,
        CashbackRule as CashbackRule,
        Challenge as Challenge,
        ChallengeAvailability as ChallengeAvailability,
        ChallengeConfiguration as ChallengeConfiguration,
        ChallengeReward as ChallengeReward,
        ChallengeType as ChallengeType,
        Configuration as Configuration,
        ControlConfig as ControlConfig,
        CouponGroup as CouponGroup,
        CouponReward as CouponReward,
        Level as Level,
        LevelBenefits as LevelBenefits,
        PlayerReward as PlayerReward,
        Product as Product,
        RedemptionConfiguration as RedemptionConfiguration,
        RedemptionFactors as RedemptionFactors,
        RedemptionOffer as RedemptionOffer,
        RedemptionRule as RedemptionRule,
        Referral as Referral,
        ReferralMethod as ReferralMethod,
        ReferralReward as ReferralReward,
        RewardType as RewardType,
        RuleCoupon as RuleCoupon,
        RuleType as RuleType,
        Visibility as Visibility,
        Voucher as Voucher,
    )
    from gameball.models.shared import Branch as Branch, Merchant as Merchant, Points as Points
    from gameball.models.transactions import (
        CashbackRequest as CashbackRequest,
        CashbackReward as CashbackReward,
        Coupon as Coupon,
        CouponType as CouponType,
        Direction as Direction,
        Hold as Hold,
        LineItem as LineItem,
        ManualRequest as ManualRequest,
        ManualTransaction as ManualTransaction,
        OrderTransaction as OrderTransaction,
        OrderTransactions as OrderTransactions,
        RedeemRequest as RedeemRequest,
        Redemption as Redemption,
        RefundRequest as RefundRequest,
        Transaction as Transaction,
        TransactionPage as TransactionPage,
        TransactionStatus as TransactionStatus,
        TransactionType as TransactionType,
    )
    from gameball.settings import RateLimit as RateLimit, Retries as Retries, Secret as Secret, Timeouts as Timeouts
    from gameball.version import __version__ as __version__

_MODULES = {
    "gameball.bulk.report": ("BulkPlan", "BulkReport"),
    "gameball.bulk.rows": ("RowResult", "RowState", "State"),
    "gameball.client": ("AsyncGameball", "Gameball"),
    "gameball.core.delivery": ("Delivered",),
    "gameball.core.observers": ("Attempt", "Call"),
    "gameball.core.operation": ("Operation", "Replay"),
    "gameball.errors": (
        "APIError",
        "AlreadyCancelledError",
        "AuthenticationError",
        "BadRequestError",
        "BatchTimeoutError",
        "BulkStoppedError",
        "ConcurrentRequestError",
        "ConnectionFailedError",
        "CredentialsError",
        "DuplicateTransactionError",
        "GameballError",
        "HoldNotFoundError",
        "InsufficientBalanceError",
        "InvalidRequestError",
        "JournalError",
        "NotFoundError",
        "NotReversibleError",
        "OutcomeUnknownError",
        "PermissionDeniedError",
        "PlayerNotFoundError",
        "ProgramDisabledError",
        "RateLimitedError",
        "ServerError",
        "TimedOutError",
        "TransactionNotFoundError",
        "TransactionTimeTakenError",
        "UnexpectedAnswerError",
    ),
    "gameball.models.batches": ("Batch", "BatchResponse", "BatchRow", "BatchStatus"),
    "gameball.models.clients": ("ClientKeys", "ClientStatus", "PartnerClient", "UNSET"),
    "gameball.models.configurations": (
        "ApplicableTo",
        "AvailableLevel",
        "AvailableTo",
        "CashbackConfiguration",
        "CashbackFactors",
        "CashbackRule",
        "Challenge",
        "ChallengeAvailability",
        "ChallengeConfiguration",
        "ChallengeReward",
        "ChallengeType",
        "Configuration",
        "ControlConfig",
        "CouponGroup",
        "CouponReward",
        "Level",
        "LevelBenefits",
        "PlayerReward",
        "Product",
        "RedemptionConfiguration",
        "RedemptionFactors",
        "RedemptionOffer",
        "RedemptionRule",
        "Referral",
        "ReferralMethod",
        "ReferralReward",
        "RewardType",
        "RuleCoupon",
        "RuleType",
        "Visibility",
        "Voucher",
    ),
    "gameball.models.shared": ("Branch", "Merchant", "Points"),
    "gameball.models.transactions": (
        "CashbackRequest",
        "CashbackReward",
        "Coupon",
        "CouponType",
        "Direction",
        "Hold",
        "LineItem",
        "ManualRequest",
        "ManualTransaction",
        "OrderTransaction",
        "OrderTransactions",
        "RedeemRequest",
        "Redemption",
        "RefundRequest",
        "Transaction",
        "TransactionPage",
        "TransactionStatus",
        "TransactionType",
    ),
    "gameball.settings": ("RateLimit", "Retries", "Secret", "Timeouts"),
    "gameball.version": ("__version__",),
}
"""The public names, by the module that defines them."""

if not TYPE_CHECKING:  # type checkers read the imports above, and flag all other names
    _MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

    __all__ = list(_MODULE_OF)

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__} - {"TYPE_CHECKING", "import_module"})
