"""Values of the configurations page.

Factors, discounts and thresholds are `Decimal`, points are whole, product and variant ids are text.
"""

import re
from datetime import datetime
from decimal import Decimal
from typing import Self

from attrs import frozen

from gameball.models.model import Model
from gameball.models.shared import OpenEnum, Points
from gameball.models.transactions import CouponType


class Visibility(OpenEnum):
    """To whom a challenge shows. The API spells the first in three ways."""

    ALWAYS_VISIBLE = "AlwaysVisible"
    NOT_VISIBLE = "NotVisible"
    VISIBLE_IF_EARNED = "VisibleIfEarned"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if isinstance(value, str) and "visibile" in value.casefold():
            return cls(re.sub("visibile", "visible", value, flags=re.IGNORECASE))
        return super()._missing_(value)


class ChallengeType(OpenEnum):
    """What a challenge asks for."""

    SIGN_UP = "SignUp"
    SOCIAL_MEDIA = "SocialMedia"
    SOCIAL_ACTIVITIES = "Social Activities"
    SCHEDULED_CHALLENGE = "ScheduledChallenge"
    EVENT_BASED = "EventBased"
    HIGH_SCORE = "HighScore"
    BIRTHDAY = "Birthday"
    ANNIVERSARY = "Anniversary"
    JOIN_ANNIVERSARY = "Join Anniversary"
    AMOUNT_BASED = "Amount Based"
    ACTION_BASED = "Action Based"
    AMOUNT_AND_ACTION_BASED = "Amount & Action Based"
    NON_CUMULATIVE_AMOUNT_BASED = "NonCumulative Amount Based"
    UPON_LOGIN = "Upon Login"
    STREAK = "Streak"


class ReferralMethod(OpenEnum):
    """Whom a referral rewards."""

    PLAYER_AND_FRIEND = "PlayerAndFriend"
    PLAYER_ONLY = "PlayerOnly"
    PLAYER_AND_GUEST = "PlayerAndGuest"


class RewardType(OpenEnum):
    """What a referral rewards with."""

    VOUCHERS = "Vouchers"
    SCORE_AND_POINTS = "Score&Points"


class RuleType(OpenEnum):
    """What a redemption rule gives."""

    FREE_SHIPPING = "free_shipping_settings"
    PERCENTAGE_DISCOUNT = "percentage_discount_settings"
    FREE_PRODUCT = "free_product_settings"
    FIXED_RATE = "fixed_rate_settings"
    GENERAL = "general_settings"
    CUSTOM = "custom"


# --- the account


@frozen(kw_only=True)
class ControlConfig(Model):
    """What is switched on."""

    gameball_enabled: bool | None = None
    redemption_enabled: bool | None = None
    cashback_enabled: bool | None = None
    referral_enabled: bool | None = None
    visitor_profile_enabled: bool | None = None
    user_profile_enabled: bool | None = None
    leaderboard_enabled: bool | None = None
    notifications_enabled: bool | None = None
    achievements_enabled: bool | None = None


@frozen(kw_only=True)
class LevelBenefits(Model):
    """What a level gives; `others` are statements for people."""

    rank_reward: Points | None = None
    wallet_reward: Points | None = None
    level_discount: Decimal | None = None
    discount_capping: Decimal | None = None
    others: tuple[str, ...] = ()


@frozen(kw_only=True)
class Level(Model):
    """A level, reached at `min_progress`."""

    name: str | None = None
    order: int | None = None
    min_progress: Points | None = None
    icon: str | None = None
    benefits: LevelBenefits | None = None


@frozen(kw_only=True)
class ChallengeAvailability(Model):
    """To whom a challenge is open."""

    min_level: int | None = None
    tags: tuple[str, ...] = ()


@frozen(kw_only=True)
class Challenge(Model):
    """A challenge, as the overall configuration tells it."""

    id: int
    name: str | None = None
    description: str | None = None
    rank_reward: Points | None = None
    wallet_reward: Points | None = None
    repeatable: bool | None = None
    max_achievement: int | None = None
    type: ChallengeType | None = None
    visibility: Visibility | None = None
    icon: str | None = None
    availability: ChallengeAvailability | None = None
    redirection_button_text: str | None = None
    redirection_button_link: str | None = None


@frozen(kw_only=True)
class Voucher(Model):
    """A voucher that rewards a referral."""

    voucher_type: str | None = None
    product_id: str | None = None
    product_name: str | None = None
    value: Decimal | None = None


@frozen(kw_only=True)
class ReferralReward(Model):
    """What a referral gives, every `reward_every` referrals."""

    reward_every: int | None = None
    reward_type: RewardType | None = None
    score: Points | None = None
    points: Points | None = None
    voucher: Voucher | None = None


@frozen(kw_only=True)
class PlayerReward(ReferralReward):
    """What the referring player gets, and what comes on top after several referrals."""

    extra_reward: ReferralReward | None = None


@frozen(kw_only=True)
class Referral(Model):
    """The referral programme. `friend_reward` is there when the friend is rewarded too."""

    referral_method: ReferralMethod | None = None
    event_name: str | None = None
    event_meta_data: str | None = None
    player_reward: PlayerReward | None = None
    friend_reward: ReferralReward | None = None


@frozen(kw_only=True)
class CashbackFactors(Model):
    """How money paid turns into points and score."""

    reward_factor: Decimal | None = None
    amount_reward_threshold: Decimal | None = None
    reward_wallet_factor: Decimal | None = None
    reward_rank_factor: Decimal | None = None


@frozen(kw_only=True)
class RedemptionOffer(Model):
    """A redemption rule, as the overall configuration tells it."""

    rule_id: int
    type: str | None = None
    equivalent_points: Points | None = None
    equivalent_points_value: Decimal | None = None
    product_id: str | None = None
    product_name: str | None = None


@frozen(kw_only=True)
class RedemptionFactors(Model):
    """What points are worth: `redemption_factor` is the money's worth of one point."""

    redemption_factor: Decimal | None = None
    redemption_rules: tuple[RedemptionOffer, ...] = ()


@frozen(kw_only=True)
class Configuration(Model):
    """The account's settings and programmes."""

    currency: str | None = None
    program_name: str | None = None
    rank_points_name: str | None = None
    wallet_points_name: str | None = None
    bot_main_color: str | None = None
    control_config: ControlConfig | None = None
    levels: tuple[Level, ...] = ()
    challenges: tuple[Challenge, ...] = ()
    referral: Referral | None = None
    cashback: CashbackFactors | None = None
    redemption: RedemptionFactors | None = None


# --- one challenge in full


@frozen(kw_only=True)
class Product(Model):
    """A product that a reward or a coupon gives."""

    product_id: str | None = None
    product_name: str | None = None
    product_display_names: tuple[str, ...] = ()
    variant_id: str | None = None
    variant_name: str | None = None


@frozen(kw_only=True)
class CouponReward(Model):
    """A coupon that a challenge gives."""

    coupon_type: CouponType | None = None
    discount_value: Decimal | None = None
    min_order_value: Decimal | None = None
    product: Product | None = None
    collections: tuple[str, ...] = ()


@frozen(kw_only=True)
class ChallengeReward(Model):
    """What a challenge gives."""

    rank_reward: Points | None = None
    wallet_reward: Points | None = None
    coupon_reward: CouponReward | None = None


@frozen(kw_only=True)
class ChallengeConfiguration(Model):
    """A challenge in full. `max_achievement` is -1 where there is no limit."""

    id: int
    name: str | None = None
    description: str | None = None
    rewards: tuple[ChallengeReward, ...] = ()
    is_repeatable: bool | None = None
    max_achievement: int | None = None
    type: ChallengeType | None = None
    visibility: Visibility | None = None
    icon: str | None = None
    availability: ChallengeAvailability | None = None
    redirection_button_text: str | None = None
    redirection_button_link: str | None = None


# --- the rules of redemption and cashback


@frozen(kw_only=True)
class AvailableLevel(Model):
    """The level that a rule is open to."""

    level_id: int | None = None
    level_name: str | None = None


@frozen(kw_only=True)
class AvailableTo(Model):
    """To whom a rule is open."""

    level: AvailableLevel | None = None
    tags: tuple[str, ...] = ()


@frozen(kw_only=True)
class ApplicableTo(Model):
    """What a coupon can be used for."""

    collections: tuple[str, ...] = ()
    product_ids: tuple[str, ...] = ()


@frozen(kw_only=True)
class CouponGroup(Model):
    """The group that a coupon belongs to."""

    handle: str | None = None
    title: str | None = None
    url: str | None = None
    icon_path: str | None = None
    description: str | None = None
    max_per_player: int | None = None
    start_date: datetime | None = None
    expiry_date: datetime | None = None
    is_available: bool | None = None
    is_valid: bool | None = None
    is_active: bool | None = None


@frozen(kw_only=True)
class RuleCoupon(Model):
    """The coupon that a redemption rule gives."""

    coupon_type: CouponType | None = None
    discount_value: Decimal | None = None
    min_order_value: Decimal | None = None
    product: Product | None = None
    applicable_to: ApplicableTo | None = None
    group: CouponGroup | None = None


@frozen(kw_only=True)
class RedemptionRule(Model):
    """A way to spend points. `value_of_point` is money, for the general rule."""

    id: int
    points_to_redeem: Points | None = None
    value_of_point: Decimal | None = None
    rule_type: RuleType | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None
    coupon: RuleCoupon | None = None
    available_to: AvailableTo | None = None
    how_to_redeem: str | None = None


@frozen(kw_only=True)
class RedemptionConfiguration(Model):
    """The redemption programme. `points_expiry_period` is in days."""

    is_redemption_active: bool | None = None
    points_expiry_period: int | None = None
    redemption_rules: tuple[RedemptionRule, ...] = ()


@frozen(kw_only=True)
class CashbackRule(Model):
    """Points for money paid: `points_rewarded_as_cashback` for each `min_amount_to_spend`."""

    id: int
    is_default: bool | None = None
    min_amount_to_spend: Decimal | None = None
    points_rewarded_as_cashback: Points | None = None
    available_to: AvailableTo | None = None


@frozen(kw_only=True)
class CashbackConfiguration(Model):
    """The cashback programme. `return_window_duration` is in days."""

    is_cashback_active: bool | None = None
    return_window_duration: int | None = None
    cashback_rules: tuple[CashbackRule, ...] = ()
