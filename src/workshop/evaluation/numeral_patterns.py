"""What the numerals of a Korean newspaper look like, as one compiled pattern.

It is matched against text that `plain` has put into one spelling, character for character, so that a place
in one is a place in the other.
"""

import re

SCALES = {"십": 10, "백": 100, "천": 1_000, "만": 10**4, "억": 10**8, "조": 10**12}
SINO_DIGITS = dict(zip("영일이삼사오육칠팔구", range(10), strict=True)) | {"공": 0, "륙": 6}
NATIVE_TENS = {"열": 10, "스물": 20, "서른": 30, "마흔": 40, "쉰": 50, "예순": 60, "일흔": 70, "여든": 80}
NATIVE_TENS |= {"아흔": 90}
NATIVE_ONES = {"한": 1, "두": 2, "세": 3, "네": 4, "다섯": 5, "여섯": 6, "일곱": 7, "여덟": 8, "아홉": 9}
NATIVE_WHOLE = {"스무": 20, "석": 3, "넉": 4}
_DAYS = {"이틀": 2, "사흘": 3, "나흘": 4, "닷새": 5, "엿새": 6, "열흘": 10}  # 하루 is also "a day"
NATIVE_WHOLE |= _DAYS

# 日 and 人 stay as they are: 十日 is no 11, and no counter needs them. 三星 becomes 삼星: no counter follows.
_SPELLINGS = str.maketrans(
    {chr(full): chr(full - 0xFEE0) for full in range(0xFF01, 0xFF5F)}
    | dict.fromkeys("−–—―‐‑‒﹣", "-")
    | dict.fromkeys("∼〜˜∽", "~")
    | dict.fromkeys("ㆍ‧・･•∙⋅", "·")
    | dict.fromkeys("‘’′", "'")
    | dict.fromkeys("\u00a0\u3000\u2009\u202f", " ")
    | dict.fromkeys("﹪٪", "%")
    | dict(zip("一二三四五六七八九十百千萬万億亿兆", "일이삼사오육칠팔구십백천만만억억조", strict=True))
    | dict(zip("〇零年名圓個弗", "영영년명원개불", strict=True))
)


def plain(text: str) -> str:
    """Put full-width signs, the dashes, dots and quotes, and hanja numerals into one spelling each."""
    return text.translate(_SPELLINGS)


def _any_of(words: str) -> str:
    """Return a pattern of any of the words, the longest first."""
    return f"(?:{'|'.join(map(re.escape, sorted(words.split(), key=len, reverse=True)))})"


# What may follow a counter up to the end of its word. Other syllables make it another word: 두 대표.
_PARTICLES = _any_of(
    "이 가 을 를 은 는 의 에 와 과 도 만 로 으로 씩 째 여 쯤 뿐 에서 에게 께 까지 부터 보다 이나 "
    "나 당 중 간 동안 가량 정도 짜리 대 인 이다 이었 였 이며 이고 고 이라 라 이라고 다 입니다 "
    "이상 이하 미만 안팎 전 후 뒤 꼴 밖에 마다 처럼 들 임 이지만 이던 이란 만에 대로 선 규모"
)
_WORD_END = rf"(?={_PARTICLES}{{0,4}}(?![가-힣]))"
_SINO_COUNTERS = _any_of(
    "원 달러 유로 엔 위안 불 명 사람 개 곳 건 대 년 가구 세대 마리 권 장 배 퍼센트 프로 표 톤 "
    "그루 송이 세 살 시간 개월 주년 주 회 분 미터 킬로미터 리터 평 석 채 척 벌 병 잔 켤레 쌍 편 "
    "점 통 호"
)
# With one scale word alone many of these are other words: 만주, 만점, 천주, 백장, 만원 관중, 백년가약, 천년.
_LONE_COUNTERS = _any_of("원 달러 유로 엔 위안 명 개 곳 건 년 가구 마리 배 퍼센트 표 톤 그루 송이 개월 시간")
_NATIVE_COUNTERS = _any_of(
    "명 사람 개 곳 건 번 번째 차례 시간 시 달 살 마리 대 채 가지 권 장 병 잔 척 송이 그루 배 군데 "
    "편 벌 자루 켤레 쌍 통 팀 골 표 경기 나라 돌 해 갈래 방울 그릇 개월"
)
# Written together these are no other word (세대, 세월, 두통, 열대, 세배, 세시, 세계 are).
_CLOSE_COUNTERS = _any_of("명 사람 개 곳 번 번째 차례 시간 달 살 마리 가지 군데")
# 한번, 한 가지, 한 장 are said of anything; these count. 두 사람 and 두 팀 are mostly those named before.
_ONE_COUNTERS = _any_of("명 개 곳 건 시간 달 살 마리 대 채 골 표 개월")

# Behind 1·2 they make it two numbers; without them a month and a day in front name an event: 5·18.
_LISTED = _any_of(
    "월 일 위 호 심 세 층 급 등 차 회 분기 학년 년 명 번 도 주 개 단계 부 동 공구 라운드 구역 "
    "지구 대 기 % 배 권 장 항 조 편 건 점 군 종 인 호선 선 단지 시 분 원 면 호기 차전"
)
_EVENTS = _any_of(
    "절 운동 전쟁 혁명 항쟁 민주 사건 사태 참전 광복 희생 비상계엄 계엄 총선 대선 재보선 지방선거 "
    "정신 쿠데타 만세"
)
_MONTH_DAY = r"(?:1[0-2]|0?[1-9]){dot}(?:3[01]|[12]\d|0?[1-9])(?![\d{dot}])"
_DURATION = _any_of("만 간 째 동안 차 전 뒤 후 여 쯤 넘 가까이 이상 가량")

_DIGITS = r"\d+(?:,\d{3}(?!\d))*(?:\.\d+)?"
_SCALE = r"(?:[십천만억]|백(?!신)|조(?!각|건|항|\s?\d교대))"
_SINO = r"[일이삼사오육륙칠팔구십백천만억조]"
_TENS, _ONES, _DAY_WORDS = "|".join(NATIVE_TENS), "|".join(NATIVE_ONES), "|".join(_DAYS)
_NATIVE = rf"(?:(?:{_TENS})(?:{_ONES})?|(?:{_ONES})|스무)"

# Looked at first: most characters of an article begin none, and this alone makes reading it twice as fast.
_FIRST = r"(?=[\d'영공일이삼사오육륙칠팔구십백천만억조한두세네다여아열스서마쉰예석넉나닷엿])"
NUMERAL = re.compile(
    _FIRST
    + "(?:"
    + "|".join(
        [
            # 3·1절, 5·18 and 3.1절 are names, whatever they are made of.
            rf"(?P<event>(?<![\d·]){_MONTH_DAY.format(dot='·')}"
            rf"(?:(?=\s?{_EVENTS})|(?!\s?(?:{_LISTED}{_WORD_END}|[억천백]|만(?!세))))"
            rf"|(?<![\d.]){_MONTH_DAY.format(dot='[.]')}(?=\s?{_EVENTS}))",
            # 2024.3.5, '24.3.5, 2024-03-05, 2024/3/5: as many numbers as 2024년 3월 5일.
            r"(?P<date>(?<![\d.])'?\d+(?:\.\d+){2,}|(?<![\d-])\d{4}(?P<by>[-/])\d{1,2}(?P=by)\d{1,2}(?![\d-]))",
            # Telephones, accounts, registrations: one thing, right only as a whole.
            r"(?P<code>(?<![\d-])(?:0\d{1,2}[-)]\s?\d{3,4}-\d{4}|1[568]\d\d-\d{4}(?!년)"
            r"|(?=[\d-]{9})\d{2,}(?:-\d{2,}){2,}|\d{6}-\d{7})(?![\d-]))",
            # '24년, unless a quotation opens there: '24년 만의 우승', or one that closes behind it.
            rf"(?P<year>(?<![\w'])'\d\d(?=년(?!\s?{_DURATION})|[~-]'?\d\d년)"
            r"(?![^'\n]{0,40}(?<=[^\s'(~·,])'(?!\d)))",
            # 제3조, 헌법 1조 2항: an article of a law and not 3,000,000,000,000.
            r"(?P<ordinal>(?<=제)\d+(?=조)|(?<=제 )\d+(?=조)|\d+(?=조\s?(?:제\s?)?\d+항|조의\s?\d))",
            # 천500만원, 만5천원: a scale word alone before the digits. 만19세 is an age.
            r"(?P<bare>(?<![가-힣\d])[백천만](?=\d{1,3}(?:[십백천만억]|원|달러|여?\s?명)|\d{4}(?:만|억|원)))",
            rf"(?P<digits>{_DIGITS}(?:여?{_SCALE})*)",
            r"(?P<written_year>(?<![가-힣])[영공일이삼사오육칠팔구]{4}(?=년))",
            rf"(?P<sino>(?:(?<![가-힣\d])|(?<=\d[백천만억조]))(?<!몇 )(?<!수 )"
            rf"{_SINO}{{1,20}}(?: {_SINO}{{1,20}}){{0,3}}"
            rf"(?=여?\s?{_SINO_COUNTERS}{_WORD_END}))",
            rf"(?P<native>(?<![가-힣]){_NATIVE}(?=여?\s{_NATIVE_COUNTERS}{_WORD_END}"
            rf"|여?{_CLOSE_COUNTERS}{_WORD_END})|(?<![가-힣])[석넉](?=\s달{_WORD_END})|(?<![가-힣])(?:{_DAY_WORDS}))",
        ]
    )
    + ")"
)
PIECE = re.compile(rf"({_DIGITS}|[일이삼사오육륙칠팔구]?)([십백천]?[만억조]*)")
COUNTED = re.compile(r"(?!여?\s?(?:사람|팀|나라))")
ONE_COUNTED = re.compile(rf"\s?{_ONE_COUNTERS}{_WORD_END}")
LONE_SCALE_COUNTED = re.compile(rf"여\s?{_LONE_COUNTERS}{_WORD_END}|\s{_LONE_COUNTERS}{_WORD_END}")
SCALE_AND_DIGIT = re.compile(r"[백천만억조][일이삼사오육륙칠팔구]")
MONEY = re.compile(r"\s?(?:원|달러|유로|엔|위안)")

PERCENT = re.compile(
    r"\s?(?:%|퍼센트|프로(?=[^가-힣]|$|[가를로의는도]))(?P<points>\s?(?:[pP](?![a-zA-Z])|포인트))?"
)
HALF = re.compile(
    r"\s?(?:시간|개월|년|달|배|주|세기|바퀴|일)\s?반"
    r"(?=[^가-힣]|$|만에|(?:이|을|의|은|에|만|여|쯤|째|가량|동안|으로|이나|정도|간|짜리)(?![가-힣]))"
)
RANGE = re.compile(r"여?\s?[~-]\s?")
SIGN = re.compile(r"(?:(?<![\w)%·,.])[-+]|[△▽▼]|(?:영하|영상|마이너스|플러스) ?)$")
# ▲ is a rise on the stock page and a loss in accounts: no sign.
SIGNS = {"-": -1, "△": -1, "▽": -1, "▼": -1, "영하": -1, "마이너스": -1, "+": 1, "영상": 1, "플러스": 1}
# △ and its like also stand before the items of a list: △2명 △3일, which are not below nothing.
LIST_ITEM = re.compile(r"\s?(?:년|월|일|위|명|곳|개|건|차|호|회|번|시|분|인|등|대)")
