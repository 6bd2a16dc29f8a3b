"""The configurations page: the four reads, the language both ways, and every field of the page's own samples."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gameball import (
    ApplicableTo,
    AvailableLevel,
    AvailableTo,
    CashbackConfiguration,
    CashbackFactors,
    CashbackRule,
    Challenge,
    ChallengeAvailability,
    ChallengeConfiguration,
    ChallengeReward,
    ChallengeType,
    Configuration,
    ControlConfig,
    CouponGroup,
    CouponReward,
    CouponType,
    CredentialsError,
    InvalidRequestError,
    Level,
    LevelBenefits,
    NotFoundError,
    PlayerReward,
    Product,
    RedemptionConfiguration,
    RedemptionFactors,
    RedemptionOffer,
    RedemptionRule,
    Referral,
    ReferralMethod,
    ReferralReward,
    Retries,
    RewardType,
    RuleCoupon,
    RuleType,
    UnexpectedAnswerError,
    Visibility,
    Voucher,
)
from gameball.sandbox import Program, Sandbox
from tests.support.mock_api import Ask, MockApi
from tests.support.server import Server

pytestmark = pytest.mark.many_cases

CONFIGURATION = """{
   "currency":"EGP",
   "programName":"my program",
   "rankPointsName":"Score",
   "walletPointsName":"Points",
   "botMainColor":"#e7e23f",
   "controlConfig":{
      "gameballEnabled":true,
      "redemptionEnabled":true,
      "cashbackEnabled":true,
      "referralEnabled":true,
      "visitorProfileEnabled":true,
      "userProfileEnabled":true,
      "leaderboardEnabled":false,
      "notificationsEnabled":true,
      "achievementsEnabled":true
   },
   "levels":[
      {
         "minProgress":0,
         "order":1,
         "icon":"https://cdn.gameball.co/uploads/Client 1/icon-basic@2x.png",
         "name":"Basic",
         "benefits":{
            "rankReward":0,
            "walletReward":0,
            "levelDiscount":0,
            "discountCapping":0,
            "others":[
               "benefits1",
               "benefits2"
            ]
         }
      }
   ],
   "challenges":[
      {
         "id":3350,
         "name":"view product + tag internal",
         "description":"",
         "rankReward":3,
         "walletReward":10,
         "repeatable":true,
         "maxAchievement":0,
         "type":"EventBased",
         "visibility":"AlwaysVisible",
         "icon":"gb-icon-challenge-10@2x",
         "availability":{
            "minLevel":5,
            "tags":[
               "2nd tag"
            ]
         },
        "redirectionButtonText": "Free Gift",
         "redirectionButtonLink": "https://claires.myshopify.com/products/jeans"
      }
   ],
   "referral":{
      "referralMethod":"PlayerAndFriend",
      "eventName":"",
      "eventMetaData":null,
      "playerReward":{
         "extraReward":{
            "rewardEvery":5,
            "rewardType":null,
            "score":2,
            "point":1,
            "voucher":null
         },
         "rewardType":"Vouchers",
         "score":0,
         "point":0,
         "voucher":{
            "voucherType":"Free Shipping",
            "productId":"",
            "productName":"",
            "value":0
         }
      },
      "friendReward":{
         "rewardType":"Vouchers",
         "score":0,
         "point":0,
         "voucher":{
            "voucherType":"Free Product",
            "productId":"6161866621123",
            "productName":"Antique Drawers",
            "value":250
         }
      }
   },
   "cashback":{
      "rewardFactor":0.3,
      "amountRewardThreshold":10,
      "rewardWalletFactor":3,
      "rewardRankFactor":1
   },
   "redemption":{
      "redemptionFactor":0.01,
      "redemptionRules":[
         {
            "ruleId":1097,
            "type":"Level",
            "equivalentPoints":0,
            "equivalentPointsValue":0,
            "productId":"",
            "productName":""
         },
         {
            "ruleId":1156,
            "type":"FreeProduct",
            "equivalentPoints":100,
            "equivalentPointsValue":50,
            "productId":"6161869406403",
            "productName":"Striped Skirt and Top"
         }
      ]
   }
}"""
READ_CONFIGURATION = Configuration(
    currency="EGP",
    program_name="my program",
    rank_points_name="Score",
    wallet_points_name="Points",
    bot_main_color="#e7e23f",
    control_config=ControlConfig(
        gameball_enabled=True,
        redemption_enabled=True,
        cashback_enabled=True,
        referral_enabled=True,
        visitor_profile_enabled=True,
        user_profile_enabled=True,
        leaderboard_enabled=False,
        notifications_enabled=True,
        achievements_enabled=True,
    ),
    levels=(
        Level(
            min_progress=0,
            order=1,
            icon="https://cdn.gameball.co/uploads/Client 1/icon-basic@2x.png",
            name="Basic",
            benefits=LevelBenefits(
                rank_reward=0,
                wallet_reward=0,
                level_discount=Decimal(0),
                discount_capping=Decimal(0),
                others=("benefits1", "benefits2"),
            ),
        ),
    ),
    challenges=(
        Challenge(
            id=3350,
            name="view product + tag internal",
            description="",
            rank_reward=3,
            wallet_reward=10,
            repeatable=True,
            max_achievement=0,
            type=ChallengeType.EVENT_BASED,
            visibility=Visibility.ALWAYS_VISIBLE,
            icon="gb-icon-challenge-10@2x",
            availability=ChallengeAvailability(min_level=5, tags=("2nd tag",)),
            redirection_button_text="Free Gift",
            redirection_button_link="https://claires.myshopify.com/products/jeans",
        ),
    ),
    referral=Referral(
        referral_method=ReferralMethod.PLAYER_AND_FRIEND,
        event_name="",
        event_meta_data=None,
        player_reward=PlayerReward(
            extra_reward=ReferralReward(reward_every=5, reward_type=None, score=2, points=1, voucher=None),
            reward_type=RewardType.VOUCHERS,
            score=0,
            points=0,
            voucher=Voucher(voucher_type="Free Shipping", product_id="", product_name="", value=Decimal(0)),
        ),
        friend_reward=ReferralReward(
            reward_type=RewardType.VOUCHERS,
            score=0,
            points=0,
            voucher=Voucher(
                voucher_type="Free Product",
                product_id="6161866621123",
                product_name="Antique Drawers",
                value=Decimal(250),
            ),
        ),
    ),
    cashback=CashbackFactors(
        reward_factor=Decimal("0.3"),
        amount_reward_threshold=Decimal(10),
        reward_wallet_factor=Decimal(3),
        reward_rank_factor=Decimal(1),
    ),
    redemption=RedemptionFactors(
        redemption_factor=Decimal("0.01"),
        redemption_rules=(
            RedemptionOffer(
                rule_id=1097,
                type="Level",
                equivalent_points=0,
                equivalent_points_value=Decimal(0),
                product_id="",
                product_name="",
            ),
            RedemptionOffer(
                rule_id=1156,
                type="FreeProduct",
                equivalent_points=100,
                equivalent_points_value=Decimal(50),
                product_id="6161869406403",
                product_name="Striped Skirt and Top",
            ),
        ),
    ),
)
CHALLENGE = """{
    "challenges": [
        {
            "id": 6128,
            "name": "IsRepeatable test",
            "description": "DescNew",
            "rewards": [
                {
                    "rankReward": 0,
                    "walletReward": 0,
                    "couponReward": {
                        "couponType": "Free Product",
                        "discountValue": null,
                        "minOrderValue": null,
                        "product": {
                            "productId": "7803615346931",
                            "productName": "Chequered Red Shirt",
                            "variantId": "43168747192563",
                            "variantName": null
                        },
                        "collections": []
                    }
                }
            ],
            "isRepeatable": false,
            "maxAchievement": 1,
            "type": "EventBased",
            "visibility": "Always Visible",
            "icon": "https://s3.us-east-2.amazonaws.com/gameball.dev.uploads/annoncement.png",
            "availability": {
                "minLevel": 3,
                "tags": [
                    "active",
                    "inactive"
                ]
            },
            "redirectionButtonText": "Free Gift",
            "redirectionButtonLink": "https://claires.myshopify.com/products/jeans"
        }
    ]
}"""
READ_CHALLENGE = ChallengeConfiguration(
    id=6128,
    name="IsRepeatable test",
    description="DescNew",
    rewards=(
        ChallengeReward(
            rank_reward=0,
            wallet_reward=0,
            coupon_reward=CouponReward(
                coupon_type=CouponType("Free Product"),
                discount_value=None,
                min_order_value=None,
                product=Product(
                    product_id="7803615346931",
                    product_name="Chequered Red Shirt",
                    variant_id="43168747192563",
                    variant_name=None,
                ),
                collections=(),
            ),
        ),
    ),
    is_repeatable=False,
    max_achievement=1,
    type=ChallengeType.EVENT_BASED,
    visibility=Visibility.ALWAYS_VISIBLE,
    icon="https://s3.us-east-2.amazonaws.com/gameball.dev.uploads/annoncement.png",
    availability=ChallengeAvailability(min_level=3, tags=("active", "inactive")),
    redirection_button_text="Free Gift",
    redirection_button_link="https://claires.myshopify.com/products/jeans",
)
REDEMPTION = """{
  "isRedemptionActive": true,
  "pointsExpiryPeriod": 720,
  "redemptionRules": [
    {
      "id": 1976,
      "pointsToRedeem": 50,
      "valueOfPoint": 0.0,
      "ruleType": "free_product_settings",
      "startDate": "2022-09-09T12:07:19.269733",
      "endDate": "2023-09-09T12:07:19.269733",
      "coupon": {
        "couponType": "free_product",
        "discountValue": 0.0,
        "minOrderValue": null,
        "product": {
          "productId": "6932183449758",
          "productName": "7 Shakra Bracelet",
          "variantId": "40691241877662",
          "variantName": "Blue",
          "productDisplayNames": []
        },
        "applicableTo": {
          "collections": [],
          "productIds": []
        },
        "group": {
          "handle": "free_macdo",
          "title": "Free MACDO",
          "url": "https://www.mcdonalds.eg/eat/menu/Item/Chicken-MACDO-",
          "iconPath": "https://www.mcdonalds.eg/Cms_Data/Chicken-MACDO.png",
          "description": "Coupons in this group give a free macdo and can be rdeemed in all Mcdonalds branches",
          "maxPerPlayer": 10,
          "startDate": "2022-09-09T12:07:19.269733",
          "expiryDate": "2023-09-09T12:07:19.269733",
          "isAvailable": true,
          "isValid": true,
          "isActive": true
        }
      },
      "availableTo": {
        "level": {
          "levelName": "silver",
          "levelId": 21
        },
        "tags": []
      },
      "howToRedeem": "How to redeem text"
    }
  ]
}"""
START, END = (datetime(year, 9, 9, 12, 7, 19, 269733, tzinfo=UTC) for year in (2022, 2023))
READ_REDEMPTION = RedemptionConfiguration(
    is_redemption_active=True,
    points_expiry_period=720,
    redemption_rules=(
        RedemptionRule(
            id=1976,
            points_to_redeem=50,
            value_of_point=Decimal(0),
            rule_type=RuleType.FREE_PRODUCT,
            start_date=START,
            end_date=END,
            coupon=RuleCoupon(
                coupon_type=CouponType.FREE_PRODUCT,
                discount_value=Decimal(0),
                min_order_value=None,
                product=Product(
                    product_id="6932183449758",
                    product_name="7 Shakra Bracelet",
                    variant_id="40691241877662",
                    variant_name="Blue",
                    product_display_names=(),
                ),
                applicable_to=ApplicableTo(collections=(), product_ids=()),
                group=CouponGroup(
                    handle="free_macdo",
                    title="Free MACDO",
                    url="https://www.mcdonalds.eg/eat/menu/Item/Chicken-MACDO-",
                    icon_path="https://www.mcdonalds.eg/Cms_Data/Chicken-MACDO.png",
                    description="Coupons in this group give a free macdo and can be rdeemed in all Mcdonalds branches",
                    max_per_player=10,
                    start_date=START,
                    expiry_date=END,
                    is_available=True,
                    is_valid=True,
                    is_active=True,
                ),
            ),
            available_to=AvailableTo(level=AvailableLevel(level_name="silver", level_id=21), tags=()),
            how_to_redeem="How to redeem text",
        ),
    ),
)
CASHBACK = """{
    "isCashbackActive": true,
    "returnWindowDuration": 14,
    "cashbackRules": [
        {
            "id": 12345,
            "isDefault": true,
            "minAmountToSpend": 10.0,
            "pointsRewardedAsCashback": 1.0,
            "availableTo": {
                "level": {
                    "levelId": null,
                    "levelName": null
                },
                "tags": []
            }
        },
        {
            "id": 12344,
            "isDefault": false,
            "minAmountToSpend": 10.0,
            "pointsRewardedAsCashback": 2.0,
            "availableTo": {
                "level": {
                    "levelId": 234,
                    "levelName": "Silver"
                },
                "tags": ["VIP"]
            }
        }
    ]
}"""
READ_CASHBACK = CashbackConfiguration(
    is_cashback_active=True,
    return_window_duration=14,
    cashback_rules=(
        CashbackRule(
            id=12345,
            is_default=True,
            min_amount_to_spend=Decimal(10),
            points_rewarded_as_cashback=1,
            available_to=AvailableTo(level=AvailableLevel(level_id=None, level_name=None), tags=()),
        ),
        CashbackRule(
            id=12344,
            is_default=False,
            min_amount_to_spend=Decimal(10),
            points_rewarded_as_cashback=2,
            available_to=AvailableTo(level=AvailableLevel(level_id=234, level_name="Silver"), tags=("VIP",)),
        ),
    ),
)

READS = [
    ("get", (), "/integrations/config", CONFIGURATION, READ_CONFIGURATION),
    ("challenge", ("6128",), "/integrations/config/challenge/6128", CHALLENGE, (READ_CHALLENGE,)),
    ("redemption", (), "/integrations/client/redemption/config", REDEMPTION, READ_REDEMPTION),
    ("cashback", (), "/integrations/client/cashback", CASHBACK, READ_CASHBACK),
]
names = pytest.mark.parametrize(("name", "args", "path", "sample", "value"), READS, ids=[read[0] for read in READS])


# --- the requests, and the page's samples


@names
async def test_the_pages_sample_is_read_whole(
    call: Ask, api: MockApi, *, name: str, args: tuple[str, ...], path: str, sample: str, value: object
) -> None:
    api.answer(sample)
    assert await call(f"configurations.{name}", *args) == value
    (sent,) = api.sent
    assert (sent.method, sent.target, sent.body) == ("GET", path, None)
    assert (sent.headers["APIKey"], sent.headers["SecretKey"]) == ("api-key-12345", "secret-key-12345")
    assert not {"lang", "authorization"} & {name.casefold() for name in sent.headers}


@pytest.mark.parametrize(
    ("name", "args", "target"),
    [
        ("get", (), "/integrations/config?lang=pt-BR"),
        ("challenge", ("6128",), "/integrations/config/challenge/6128"),
        ("redemption", (), "/integrations/client/redemption/config"),
    ],
)
async def test_the_language_is_a_header_and_for_the_configuration_a_query_too(
    call: Ask, api: MockApi, name: str, args: tuple[str, ...], target: str
) -> None:
    api.answer(next(sample for read, _, _, sample, _ in READS if read == name))
    await call(f"configurations.{name}", *args, lang="pt-BR")
    (sent,) = api.sent
    assert sent.target == target
    assert sent.headers["lang"] == "pt-BR"


async def test_the_configurations_bytes_are_exact_on_a_real_socket(call: Ask, server: Server) -> None:
    server.script(server.answer(CONFIGURATION.encode()))
    assert await call("configurations.get", lang="fr", base_url=server.base_url) == READ_CONFIGURATION
    assert server.only.line == "GET /api/v3.0/integrations/config?lang=fr HTTP/1.1"
    assert [value for name, value in server.only.headers.items() if name == "lang"] == ["fr"]
    assert [name for name, value in server.only.headers.items() if "key-12345" in value] == ["APIKey", "SecretKey"]


async def test_a_challenges_name_is_one_escaped_segment(call: Ask, server: Server) -> None:
    server.script(server.answer(CHALLENGE.encode()))
    await call("configurations.challenge", "view product + tag/ü?", base_url=server.base_url)
    assert server.only.line == (
        "GET /api/v3.0/integrations/config/challenge/view%20product%20%2B%20tag%2F%C3%BC%3F HTTP/1.1"
    )


async def test_the_api_key_alone_reads_the_configuration_and_nothing_else(call: Ask, api: MockApi) -> None:
    api.answer(CONFIGURATION)
    alone = {"api_key": "api-key-12345"}
    await call("configurations.get", settings=alone)
    (sent,) = api.sent
    assert sent.headers["APIKey"] == "api-key-12345"
    assert "SecretKey" not in sent.headers
    for name, args in (("challenge", ("1",)), ("redemption", ()), ("cashback", ())):
        with pytest.raises(CredentialsError, match="no secret_key"):
            await call(f"configurations.{name}", *args, settings=alone)
    assert len(api.sent) == 1


@pytest.mark.parametrize("lang", ["", " ", "en\r\nAPIKey: x", "\x00", "日本語", 12])
async def test_a_language_that_cannot_travel_in_a_header_is_refused(call: Ask, api: MockApi, lang: Any) -> None:
    for name, args in (("get", ()), ("challenge", ("1",)), ("redemption", ())):
        with pytest.raises(InvalidRequestError, match=r"^lang "):
            await call(f"configurations.{name}", *args, lang=lang)
    assert api.sent == []


@pytest.mark.parametrize("handle", ["", " ", ".", "..", 6128, None])
async def test_a_handle_that_is_no_segment_is_refused(call: Ask, api: MockApi, handle: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^handle "):
        await call("configurations.challenge", handle)
    assert api.sent == []


# --- the contradictions


SINGLE = json.loads(CHALLENGE)["challenges"][0]


@pytest.mark.parametrize(
    "answer",
    [
        {"challenges": [SINGLE]},
        {"challengesConfig": [SINGLE]},
        {"challenges": SINGLE},
        {"challengesConfig": SINGLE},
        {"ChallengesConfig": [SINGLE]},
        {"challengesConfig": None, "challenges": [SINGLE]},
        [SINGLE],
    ],
)
async def test_a_challenge_is_a_tuple_under_either_key_as_list_or_alone(
    call: Ask, api: MockApi, answer: object
) -> None:
    api.answer(json.dumps(answer))
    assert await call("configurations.challenge", "6128") == (READ_CHALLENGE,)


async def test_two_challenges_of_a_name_are_both_read(call: Ask, api: MockApi) -> None:
    api.answer('{"challenges": [{"id": 1}, {"id": 2}]}')
    found = await call("configurations.challenge", "name")
    assert [challenge.id for challenge in found] == [1, 2]


@pytest.mark.parametrize("answer", ["{}", '{"challenges": [1]}', '{"challenges": [{}]}', "1"])
async def test_what_holds_no_challenge_is_no_answer(call: Ask, api: MockApi, answer: str) -> None:
    api.answer(answer)
    settings = {"api_key": "k", "secret_key": "s", "retries": Retries(attempts=1)}
    with pytest.raises(UnexpectedAnswerError):
        await call("configurations.challenge", "6128", settings=settings)


@pytest.mark.parametrize("key", ["isDefault", "isDefaultRule", "IsDefault", "isdefaultrule"])
@pytest.mark.parametrize("value", [True, False])
async def test_a_default_rule_is_told_by_either_key(call: Ask, api: MockApi, key: str, *, value: bool) -> None:
    api.answer(json.dumps({"cashbackRules": [{"id": 1, key: value}]}))
    (rule,) = (await call("configurations.cashback")).cashback_rules
    assert rule.is_default is value


@pytest.mark.parametrize("key", ["point", "points", "Points"])
async def test_a_referrals_points_are_told_by_either_key(call: Ask, api: MockApi, key: str) -> None:
    reward = {key: "7", "extraReward": {key: 8.0}}
    api.answer(json.dumps({"referral": {"playerReward": reward, "friendReward": {key: 9}}}))
    referral = (await call("configurations.get")).referral
    assert referral.player_reward.points == 7
    assert referral.player_reward.extra_reward.points == 8
    assert referral.friend_reward.points == 9


@pytest.mark.parametrize(
    ("words", "visibility"),
    [
        (["AlwaysVisible", "AlwaysVisibile", "Always Visible", "alwaysvisible", "always visibile"], "AlwaysVisible"),
        (["NotVisible", "Not Visible", "NOTVISIBLE"], "NotVisible"),
        (["VisibleIfEarned", "Visible If Earned"], "VisibleIfEarned"),
    ],
)
async def test_a_visibility_is_known_in_every_spelling(
    call: Ask, api: MockApi, words: list[str], visibility: str
) -> None:
    api.answer(json.dumps({"challenges": [{"id": 1, "visibility": word} for word in words]}))
    found = (await call("configurations.get")).challenges
    assert [challenge.visibility for challenge in found] == [visibility] * len(words)
    assert {challenge.visibility for challenge in found} == {Visibility(visibility)}


def test_unknown_words_are_kept() -> None:
    for kind in (Visibility, ChallengeType, ReferralMethod, RewardType, RuleType, CouponType):
        assert kind("Never heard of") == "Never heard of"
        with pytest.raises(ValueError, match="is not a valid"):
            kind(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "word",
    [
        "AmountBased",
        "Amount Based",
        "Action Based",
        "Amount & Action Based",
        "High Score",
        "HighScore",
        "Upon Login",
        "Birthday",
        "NonCumulative Amount Based",
        "Join Anniversary",
        "Anniversary",
        "Event Based",
        "EventBased",
        "Social Activities",
        "SocialMedia",
        "Scheduled Challenge",
        "ScheduledChallenge",
        "Streak",
        "SignUp",
    ],
)
def test_both_lists_of_challenge_types_are_known(word: str) -> None:
    assert ChallengeType(word) in tuple(ChallengeType)


@pytest.mark.parametrize("written", ['"6932183449758"', "6932183449758", "6932183449758.0"])
async def test_products_and_variants_are_text_however_they_are_written(call: Ask, api: MockApi, written: str) -> None:
    product = f'{{"productId": {written}, "variantId": {written}}}'
    api.answer(f'{{"redemptionRules": [{{"id": 1, "coupon": {{"product": {product}}}}}]}}')
    (rule,) = (await call("configurations.redemption")).redemption_rules
    assert (rule.coupon.product.product_id, rule.coupon.product.variant_id) == ("6932183449758",) * 2


async def test_collections_and_products_of_a_coupon_are_text(call: Ask, api: MockApi) -> None:
    coupon = {"applicableTo": {"collections": [12, "a"], "productIds": ["1", 2]}}
    api.answer(json.dumps({"redemptionRules": [{"id": 1, "coupon": coupon}]}))
    (rule,) = (await call("configurations.redemption")).redemption_rules
    assert rule.coupon.applicable_to == ApplicableTo(collections=("12", "a"), product_ids=("1", "2"))


async def test_points_with_a_fraction_are_kept(call: Ask, api: MockApi) -> None:
    api.answer('{"redemptionRules": [{"id": 1, "pointsToRedeem": 12.5, "valueOfPoint": 0.015}]}')
    (rule,) = (await call("configurations.redemption")).redemption_rules
    assert (rule.points_to_redeem, rule.value_of_point) == (Decimal("12.5"), Decimal("0.015"))


@pytest.mark.parametrize("name", ["get", "redemption", "cashback"])
@pytest.mark.parametrize("nothing", [None, ""])
async def test_what_is_empty_is_none_and_nothing_has_to_be_there(
    call: Ask, api: MockApi, name: str, nothing: object
) -> None:
    (sample,) = (json.loads(sample) for read, _, _, sample, _ in READS if read == name)
    text = {"currency", "programName", "rankPointsName", "walletPointsName", "botMainColor"}
    for answer in ({}, {key: None if key in text else nothing for key in sample}):
        api.answer(json.dumps(answer))
        read = await call(f"configurations.{name}")
        assert read == type(read)()


@names
async def test_keys_are_known_in_any_case(
    call: Ask, api: MockApi, *, name: str, args: tuple[str, ...], path: str, sample: str, value: object
) -> None:
    def shout(data: Any) -> Any:
        if isinstance(data, dict):
            return {key.upper(): shout(item) for key, item in data.items()}
        return [shout(item) for item in data] if isinstance(data, list) else data

    api.answer(json.dumps(shout(json.loads(sample))))
    assert await call(f"configurations.{name}", *args) == value
    assert api.sent[0].target == path


# --- in the sandbox


async def test_the_ledger_obeys_what_the_configuration_tells(call: Ask, sandbox: Sandbox) -> None:
    settings = {"api_key": sandbox.api_key, "secret_key": sandbox.secret_key, "base_url": sandbox.base_url}
    for number, rate in enumerate((2, 7)):
        sandbox.program = Program(points_rewarded_as_cashback=Decimal(rate))
        (rule,) = (await call("configurations.cashback", settings=settings)).cashback_rules
        read = await call("configurations.get", settings=settings)
        reward = await call(
            "transactions.cashback", settings=settings, player_unique_id="p", transaction_id=f"t{number}", amount=100
        )
        assert rule.points_rewarded_as_cashback == read.cashback.reward_wallet_factor == rate
        assert reward.rewarded_points == 100 / rule.min_amount_to_spend * rule.points_rewarded_as_cashback


async def test_a_challenge_that_does_not_exist_is_not_found(call: Ask, sandbox: Sandbox) -> None:
    settings = {"api_key": sandbox.api_key, "secret_key": sandbox.secret_key, "base_url": sandbox.base_url}
    with pytest.raises(NotFoundError):
        await call("configurations.challenge", "nowhere", settings=settings)
