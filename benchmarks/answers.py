"""What the benchmarks' server answers, as the samples of the API's pages have it."""

import json
from collections.abc import Mapping
from typing import Any, Final

PAGE_ROWS: Final = 200


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _transaction(number: int) -> Mapping[str, Any]:
    return {
        "transactionId": f"trx{number}",
        "gameballTransactionId": f"gbtrx{number}",
        "transactionTime": f"2019-09-21T16:{number // 60:02}:{number % 60:02}.190Z",
        "type": "Cash Back",
        "direction": "+",
        "playerUniqueId": f"player{number}",
        "points": 500 + number,
        "amount": 10 + number / 100,
        "status": "Active",
        "merchantName": "merchant",
        "branchName": "branch",
        "expiryDate": "2019-10-21T16:53:28.190Z",
        "pointsBalanceBefore": 1000,
        "pointsBalanceAfter": 1500 + number,
    }


def _level(number: int) -> Mapping[str, Any]:
    return {
        "minProgress": 1000 * number,
        "order": number,
        "icon": "https://cdn.gameball.co/uploads/icon-basic@2x.png",
        "name": f"Level {number}",
        "benefits": {
            "rankReward": 0,
            "walletReward": 50,
            "levelDiscount": 2.5,
            "discountCapping": 100,
            "others": ["Free shipping", "A gift on your birthday"],
        },
    }


def _challenge(number: int) -> Mapping[str, Any]:
    return {
        "id": 3350 + number,
        "name": f"Challenge {number}",
        "description": "View a product, and earn points",
        "rankReward": 3,
        "walletReward": 10,
        "repeatable": True,
        "maxAchievement": 0,
        "type": "EventBased",
        "visibility": "AlwaysVisible",
        "icon": "gb-icon-challenge-10@2x",
        "availability": {"minLevel": 5, "tags": ["2nd tag"]},
        "redirectionButtonText": "Free Gift",
        "redirectionButtonLink": "https://store.example/products/jeans",
    }


def _redemption_rule(number: int) -> Mapping[str, Any]:
    return {
        "ruleId": 1156 + number,
        "type": "FreeProduct",
        "equivalentPoints": 100,
        "equivalentPointsValue": 50.5,
        "productId": "6161869406403",
        "productName": "Striped Skirt and Top",
    }


_REWARD: Final = {"rewardType": "Vouchers", "score": 0, "points": 0}
_CONFIGURATION: Final = {
    "currency": "EGP",
    "programName": "my program",
    "rankPointsName": "Score",
    "walletPointsName": "Points",
    "botMainColor": "#e7e23f",
    "controlConfig": {
        "gameballEnabled": True,
        "redemptionEnabled": True,
        "cashbackEnabled": True,
        "referralEnabled": True,
        "visitorProfileEnabled": True,
        "userProfileEnabled": True,
        "leaderboardEnabled": False,
        "notificationsEnabled": True,
        "achievementsEnabled": True,
    },
    "levels": [_level(number) for number in range(6)],
    "challenges": [_challenge(number) for number in range(20)],
    "referral": {
        "referralMethod": "PlayerAndFriend",
        "eventName": "sign up",
        "eventMetaData": None,
        "playerReward": {
            **_REWARD,
            "extraReward": {"rewardEvery": 5, "rewardType": None, "score": 2, "points": 1, "voucher": None},
            "voucher": {"voucherType": "Free Shipping", "value": 0},
        },
        "friendReward": {
            **_REWARD,
            "voucher": {
                "voucherType": "Free Product",
                "productId": "6161866621123",
                "productName": "Antique Drawers",
                "value": 250,
            },
        },
    },
    "cashback": {
        "rewardFactor": 0.3,
        "amountRewardThreshold": 10,
        "rewardWalletFactor": 3,
        "rewardRankFactor": 1,
    },
    "redemption": {"redemptionFactor": 0.01, "redemptionRules": [_redemption_rule(number) for number in range(8)]},
}

CASHBACK: Final = _json({"gameballTransactionId": 17178, "rewardedPoints": 20})
"""It names no player: every request gets it, and an answer about another player is not believed."""
PAGE: Final = _json(
    {"transactions": [_transaction(number) for number in range(PAGE_ROWS)], "count": PAGE_ROWS, "total": 344}
)
BATCH: Final = _json({"batchId": 4711})
CONFIGURATION: Final = _json(_CONFIGURATION)

COMPLETION: Final = _json(
    {
        "id": "chatcmpl-17178",
        "object": "chat.completion",
        "created": 1569082389,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "20"}, "finish_reason": "stop"}],
    }
)
PAYMENT: Final = _json(
    {"id": "pi_17178", "object": "payment_intent", "amount": 9998, "currency": "usd", "status": "succeeded"}
)
"""What OpenAI and Stripe answer, no more than their SDKs need."""

ROUTES: Final[Mapping[str, bytes]] = {
    "/transaction/cashback": CASHBACK,
    "/transaction/list": PAGE,
    "/integrations/batch": BATCH,
    "/integrations/config": CONFIGURATION,
    "/chat/completions": COMPLETION,
    "/payment_intents": PAYMENT,
}
"""A piece of the address, and the body that answers it."""
