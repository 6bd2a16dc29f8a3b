"""The configurations page: the program's terms as they are answered, around them a program as in the samples.

`lang` is taken as a header or a query parameter; this account is configured in one language, the default.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gameball.sandbox import fields
from gameball.sandbox.call import Call
from gameball.sandbox.fields import Fields
from gameball.sandbox.program import CouponRule, Program
from gameball.sandbox.refusals import Refusal


class Configurations:
    """The configurations page over the program that holds at the time."""

    def __init__(self, terms: Callable[[], Program]) -> None:
        self._terms = terms

    def get(self, call: Call) -> dict[str, Any]:
        """GET - Configurations."""
        _check_language(call)
        program = self._terms()
        return {
            "currency": program.currency,
            "programName": "Sandbox",
            "rankPointsName": "Score",
            "walletPointsName": program.points_name,
            "botMainColor": "#e7e23f",
            "controlConfig": {
                "gameballEnabled": program.gameball_enabled,
                "redemptionEnabled": program.redemption_enabled,
                "cashbackEnabled": program.cashback_enabled,
                "referralEnabled": True,
                "visitorProfileEnabled": True,
                "userProfileEnabled": True,
                "leaderboardEnabled": False,
                "notificationsEnabled": True,
                "achievementsEnabled": True,
            },
            "levels": _LEVELS,
            "challenges": [_listed(challenge) for challenge in _CHALLENGES],
            "referral": _REFERRAL,
            "cashback": {
                "rewardFactor": program.reward_factor,
                "amountRewardThreshold": _integral(program.min_amount_to_spend),
                "rewardWalletFactor": _integral(program.points_rewarded_as_cashback),
                "rewardRankFactor": 1,
            },
            "redemption": {
                "redemptionFactor": program.redemption_factor,
                "redemptionRules": [_short_rule(rule, program) for rule in program.coupon_rules],
            },
        }

    def challenge(self, call: Call) -> dict[str, Any]:
        """GET - Challenge Configurations, by the challenge's id or its name."""
        _check_language(call)
        handle = call.path["handle"]
        found = [challenge for challenge in _CHALLENGES if handle in {str(challenge["id"]), challenge["name"]}]
        if not found:
            raise Refusal(3, "no such challenge")
        return {"challenges": [dict(challenge) for challenge in found]}

    def redemption(self, call: Call) -> dict[str, Any]:
        """GET - Redemption Rules."""
        _check_language(call)
        program = self._terms()
        return {
            "isRedemptionActive": program.gameball_enabled and program.redemption_enabled,
            "pointsExpiryPeriod": program.points_expiry_days,
            "redemptionRules": [_full_rule(rule, program) for rule in program.coupon_rules],
        }

    def cashback(self, _: Call) -> dict[str, Any]:
        """Get - Cashback Rules: the one default rule."""
        program = self._terms()
        return {
            "isCashbackActive": program.gameball_enabled and program.cashback_enabled,
            "returnWindowDuration": 14,
            "cashbackRules": [
                {
                    "id": 12345,
                    "isDefault": True,
                    "minAmountToSpend": program.min_amount_to_spend,
                    "pointsRewardedAsCashback": program.points_rewarded_as_cashback,
                    "availableTo": {"level": {"levelId": None, "levelName": None}, "tags": []},
                }
            ],
        }


def _check_language(call: Call) -> None:
    for source in (call.headers, call.query):
        Fields(source).optional("lang", fields.text)


def _integral(value: Decimal) -> int | Decimal:
    return int(value) if value == int(value) else value


def _listed(challenge: dict[str, Any]) -> dict[str, Any]:
    """A challenge as the whole configuration lists it: its rewards are two numbers, its words are run together."""
    [reward] = challenge["rewards"]
    names = ("id", "name", "description", "maxAchievement", "type", "icon", "availability")
    return {
        **{name: challenge[name] for name in names},
        "rankReward": reward["rankReward"],
        "walletReward": reward["walletReward"],
        "repeatable": challenge["isRepeatable"],
        "visibility": challenge["visibility"].replace(" ", ""),
        "redirectionButtonText": challenge["redirectionButtonText"],
        "redirectionButtonLink": challenge["redirectionButtonLink"],
    }


def _short_rule(rule: CouponRule, program: Program) -> dict[str, Any]:
    """A redemption rule as the whole configuration lists it."""
    product = _PRODUCT if rule.coupon_type == "free_product" else {"productId": "", "productName": ""}
    return {
        "ruleId": rule.id,
        "type": "".join(word.capitalize() for word in rule.rule_type.removesuffix("_settings").split("_")),
        "equivalentPoints": rule.points_to_redeem,
        "equivalentPointsValue": program.worth_of(rule.points_to_redeem),
        "productId": product["productId"],
        "productName": product["productName"],
    }


def _full_rule(rule: CouponRule, program: Program) -> dict[str, Any]:
    """A redemption rule as "GET - Redemption Rules" answers it."""
    general = rule.rule_type == "general_settings"
    return {
        "id": rule.id,
        "pointsToRedeem": Decimal(rule.points_to_redeem),
        "valueOfPoint": program.redemption_factor if general else Decimal("0.0"),
        "ruleType": rule.rule_type,
        "startDate": _BEGINNING,
        "endDate": None,
        "coupon": {
            "couponType": rule.coupon_type,
            "discountValue": rule.discount_value,
            "minOrderValue": None,
            "product": dict(_PRODUCT) if rule.coupon_type == "free_product" else None,
            "applicableTo": {"collections": [], "productIds": []},
            "group": None if general else dict(_GROUP),
        },
        "availableTo": {"level": {"levelName": "Basic", "levelId": 21}, "tags": []},
        "howToRedeem": "Show the code at checkout.",
    }


_LEVELS = [
    {
        "minProgress": progress,
        "order": order,
        "icon": f"https://cdn.gameball.co/uploads/sandbox/{name.lower()}.png",
        "name": name,
        "benefits": {
            "rankReward": 0,
            "walletReward": reward,
            "levelDiscount": discount,
            "discountCapping": 100,
            "others": ["Free delivery"],
        },
    }
    for order, (name, progress, reward, discount) in enumerate([("Basic", 0, 0, 0), ("Silver", 1000, 50, 5)], start=1)
]

_BEGINNING = datetime(2022, 9, 9, 12, 7, 19, 269_733, UTC)
_END = datetime(2099, 9, 9, 12, 7, 19, 269_733, UTC)

_PRODUCT: dict[str, Any] = {
    "productId": "6932183449758",
    "productName": "7 Shakra Bracelet",
    "variantId": "40691241877662",
    "variantName": "Blue",
    "productDisplayNames": [],
}

_GROUP: dict[str, Any] = {
    "handle": "free_bracelet",
    "title": "Free bracelet",
    "url": None,
    "iconPath": "https://cdn.gameball.co/uploads/sandbox/bracelet.png",
    "description": "Coupons of this group can be used in all branches",
    "maxPerPlayer": 10,
    "startDate": _BEGINNING,
    "expiryDate": _END,
    "isAvailable": True,
    "isValid": True,
    "isActive": True,
}

_CHALLENGES: list[dict[str, Any]] = [
    {
        "id": 3350,
        "name": "view product",
        "description": "View a product of the collection",
        "rewards": [{"rankReward": 3, "walletReward": 10, "couponReward": None}],
        "isRepeatable": True,
        "maxAchievement": -1,
        "type": "EventBased",
        "visibility": "Always Visible",
        "icon": "https://cdn.gameball.co/uploads/sandbox/challenge.png",
        "availability": {"minLevel": 1, "tags": []},
        "redirectionButtonText": "Have a look",
        "redirectionButtonLink": "https://example.com/products",
    },
    {
        "id": 6128,
        "name": "free shirt",
        "description": "Buy for more than 100",
        "rewards": [
            {
                "rankReward": 0,
                "walletReward": 0,
                "couponReward": {
                    "couponType": "Free Product",
                    "discountValue": None,
                    "minOrderValue": None,
                    "product": {
                        "productId": "7803615346931",
                        "productName": "Chequered Red Shirt",
                        "variantId": "43168747192563",
                        "variantName": None,
                    },
                    "collections": [],
                },
            }
        ],
        "isRepeatable": False,
        "maxAchievement": 1,
        "type": "EventBased",
        "visibility": "Visible If Earned",
        "icon": "https://cdn.gameball.co/uploads/sandbox/challenge.png",
        "availability": {"minLevel": 3, "tags": ["active"]},
        "redirectionButtonText": None,
        "redirectionButtonLink": None,
    },
]

_REWARD: dict[str, Any] = {
    "rewardEvery": 1,
    "rewardType": "Vouchers",
    "score": 0,
    "points": 0,
    "voucher": {
        "voucherType": "Free Product",
        "productId": "6161866621123",
        "productName": "Antique Drawers",
        "value": 250,
    },
}

_REFERRAL: dict[str, Any] = {
    "referralMethod": "PlayerAndFriend",
    "eventName": "place_order",
    "eventMetaData": None,
    "playerReward": {
        **_REWARD,
        "extraReward": {
            "rewardEvery": 5,
            "rewardType": "Score&Points",
            "score": 2,
            "points": 1,
            "voucher": None,
        },
    },
    "friendReward": _REWARD,
}
