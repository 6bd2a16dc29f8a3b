"""The loyalty program's terms: what an amount earns, what points are worth, how long they live."""

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponRule:
    """A rule of "GET - Redemption Rules" (configurations page): points for a coupon."""

    id: int
    rule_type: str
    coupon_type: str
    points_to_redeem: int
    discount_value: Decimal = Decimal(0)


GENERAL_RULE = CouponRule(id=1975, rule_type="general_settings", coupon_type="fixed_rate_discount", points_to_redeem=0)
FREE_PRODUCT_RULE = CouponRule(
    id=1976, rule_type="free_product_settings", coupon_type="free_product", points_to_redeem=50
)
DISCOUNT_RULE = CouponRule(
    id=1977,
    rule_type="fixed_rate_settings",
    coupon_type="fixed_rate_discount",
    points_to_redeem=500,
    discount_value=Decimal("5.0"),
)


_LARGEST = 1_000_000
_LONGEST = {"points_expiry_days": 36_500, "hold_minutes": 36_500 * 24 * 60, "coupon_days": 36_500}
"""A hundred years: with the clock's own end, no date is ever beyond the calendar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The terms of one sandbox; a changed program is a new value: `dataclasses.replace` makes it.

    Raises:
        ValueError: if a rate, a factor or a period is not positive, or beyond all reason.
    """

    currency: str = "USD"
    points_name: str = "Points"
    min_amount_to_spend: Decimal = Decimal("10.0")
    """Units of currency that earn `points_rewarded_as_cashback`; any other amount earns in proportion."""
    points_rewarded_as_cashback: Decimal = Decimal("2.0")
    redemption_factor: Decimal = Decimal("0.01")
    """Units of currency that one point is worth."""
    points_expiry_days: int = 720
    hold_minutes: int = 10
    coupon_days: int = 365
    gameball_enabled: bool = True
    cashback_enabled: bool = True
    redemption_enabled: bool = True
    coupon_rules: tuple[CouponRule, ...] = (GENERAL_RULE, FREE_PRODUCT_RULE, DISCOUNT_RULE)

    def __post_init__(self) -> None:
        for name in ("min_amount_to_spend", "points_rewarded_as_cashback", "redemption_factor"):
            # A float counts by its shortest spelling: 0.05 is meant to be five hundredths.
            rate = Decimal(str(getattr(self, name)))
            if not 0 < rate <= _LARGEST:
                raise ValueError(f"{name} must be positive and at most {_LARGEST}")
            object.__setattr__(self, name, rate)
        for name, longest in _LONGEST.items():
            if not 0 < getattr(self, name) <= longest:
                raise ValueError(f"{name} must be positive and at most {longest}")

    def reward_for(self, amount: Decimal) -> int:
        """The points that an amount earns, half a point rounded up."""
        return half_up(
            Fraction(amount) * Fraction(self.points_rewarded_as_cashback) / Fraction(self.min_amount_to_spend)
        )

    def price_of(self, amount: Decimal) -> int:
        """The points that pay for an amount, a fraction rounded up: the store is never paid short."""
        return math.ceil(Fraction(amount) / Fraction(self.redemption_factor))

    def worth_of(self, points: int) -> Decimal:
        """The amount that points pay for."""
        return points * self.redemption_factor

    @property
    def reward_factor(self) -> Decimal:
        """The part of a paid amount that comes back as points, by what points are worth."""
        return self.points_rewarded_as_cashback * self.redemption_factor / self.min_amount_to_spend

    def rule(self, rule_id: int) -> CouponRule | None:
        """The redemption rule of that id."""
        return next((rule for rule in self.coupon_rules if rule.id == rule_id), None)


def half_up(value: Fraction) -> int:
    """The nearest whole number; a half goes up."""
    return math.floor(value + Fraction(1, 2))
