"""Text for pre-training the small base model: news, and news told again in other words.

The base never sees the summary's sentence, the prompt's format, a held-out topic or a held-out name. It sees
drills (lists and pairs that come again), generated articles followed by questions with answers, captions and
retellings, so that it learns to find and copy names and numbers; half of the topics and half of the names are
coined, so that it learns to copy words it has never met.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sample.news import articles, names, numerals
from sample.news.josa import fill
from sample.news.topics import BY_NAME, TRAINING_TOPICS, Topic

# Syllables of everyday Korean, the more frequent ones first: coined words take nine in ten from these.
FREQUENT_SYLLABLES = (
    "가각간감강개거건검결경계고공과관광교구국군권규그근금급기길김나남내노농단달담당대도독동두등라락량력련로록론료류리립"
    "마만망매면명모목무문물미민박반발방배백번법변병보복본봉부북분비사산삼상새색생서석선설성세소속송수순술시식신실심"
    "아안알암약양업에여역연열영예오온옥요용우운원월위유육윤은음의이익인일임입자작장재저적전절점정제조족종주중증지직진질집"
    "차찬창책처천철청체초촉총최추축출충치카코크타탁탐태터토통투트특파판편평포표품풍프플피하학한합항해행향허현형호화확환활황회효후훈휴희"
)
RARER_SYLLABLES = (
    "갈갑객걸격견곡곤골굴궁귀균극글긴난날납냉너널네년녹논높뇌누눈뉴늘능니다닥댁더덕던돈돌되뒤드득든들디따때떠또뜻란람랑래러럭럼레려렬령례롤루률르른를름린림"
    "막말맑맥머먹몰몸묵밀바밤버벌범벽별볼봄불붉브빈빌빙빛빠삭살섬센손솔쇄쇼숙숨쉬스슬습승싱쌀쓰씨악압앙앞애액야어억언얼엄염올옷와완왕외욕욱울움웃율융으을응잉"
    "잔잠쟁접존좌죽준줄즈즌징착참채척첨첫촌춘취측층친칠침커컨켜콘콜쿠큰클키탄탈탑택테톤퇴틀티팔패퍼페폐폭푸필할함핵험혁혈협혜혹혼홀홍획횡흐흑흥히힘"
)
UNITS = (
    "억 원",
    "억 달러",
    "만 달러",
    "톤",
    "명",
    "대",
    "가구",
    "㎿",
    "㎞",
    "㎡",
    "개",
    "곳",
    "회",
    "건",
    "권",
)
TITLES = (
    "대표",
    "부사장",
    "본부장",
    "이사장",
    "사무총장",
    "단장",
    "조합장",
    "사장",
    "원장",
    "소장",
    "센터장",
    "총장",
    "처장",
)
ENGLISH_WORDS = re.findall(
    r"\w+",
    "You are an AI assistant specialized in news articles. Your role is to provide accurate summaries and"
    " insights in Korean. Please analyze the given text and provide concise, informative summaries that"
    " highlight the key goals and findings. Human, summarize for journalist in this text. Assistant report:"
    " the city, a company, their plan, the number of people, what was said this year in the world.",
)

# Each asks for, or retells, a few values of the article. None is the summary's sentence.
RETELLINGS = (
    "질문: {action:을} 알린 곳은? 답: {org}",
    "질문: {object:은} 어디에서? 답: {place}",
    "질문: 언제? 답: {when} {day}",
    "질문: {amount:은}? 답: {n1}{unit}",
    "질문: 누가 말했나? 답: {person} {title}",
    "질문: 무엇을 {action}? 답: {object}",
    "질문: {title}의 약속은? 답: {goal}",
    "질문: 약속한 사람은? 답: {person}",
    "사진: {place}, {when} {day}. {org} 제공",
    "제목: {org}, {place}에서 {object} {action}",
    "제목: {org} {title} {person} “{goal}”",
    "한마디: {person} {title}, “{goal}”",
    "숫자: {amount} {n1}{unit}",
    "다시 쓰면: {org:은} {when} {day}에 {object:을} {action}. {amount:은} {n1}{unit}.",
    "다시 쓰면: {person} {title}에 따르면 {org:은} {place}에서 {object:을} {action}.",
    "다시 쓰면: {object:을} {action}한 {org:은} {amount:으로} {n1}{unit:을} 들였다.",
    "다시 쓰면: {when} {day} {place}에서 {object:이} {action}됐다. {person} {title:은} “{goal}”고 밝혔다.",
    "이어서: {org} {title:은} “{goal}”고 했다. 이름은 {person:이다}.",
    "이어서: {place}에서 {org:이} 한 일은 {object} {action:이다}. {amount:은} {n1}{unit:이다}.",
    "정리: {when} {day}, {place}, {org}, {object} {action}, {amount} {n1}{unit}, {person} {title} “{goal}”",
    "질문: {title:은} 누구? 답: {person}",
    "질문: {person:은} 누구? 답: {title}",
    "질문: 지난 일인가, 오는 일인가? 답: {when} {day}",
    "질문: {place}에서 언제? 답: {when} {day}",
    "날짜: {when} {day}, {org}",
    "{when} {day}, {place}, {object}",
)
# (what the article must contain, what is asked then). They ask for what stands beside the facts above: other
# people, places and amounts. A model that was never asked for those takes one for the other.
RETELLINGS_OF_ASIDES = (
    ("{person2} {outsider}", "질문: {outsider:은} 누구? 답: {person2}"),
    ("{person2} {outsider}", "질문: {person2:은} 누구? 답: {outsider}"),
    ("{person2} {outsider}", "질문: {outsider}의 생각은? 답: {opinion}"),
    ("{person2} {outsider}", "한마디: {person2} {outsider}, “{opinion}”"),
    ("{person2} {outsider}", "사람: {person} {title}, {person2} {outsider}"),
    ("{place2}에서 온", "질문: {place2}에서 온 사람은? 답: {person2} {outsider}"),
    ("{org2:은} {place2}", "질문: {org2:은} 어디에서? 답: {place2}"),
    ("{n3}{unit}", "질문: {org2}의 {amount:은}? 답: {n3}{unit}"),
    ("{n3}{unit}", "비교: {org} {n1}{unit}, {org2} {n3}{unit}"),
    ("{n2}{unit}", "비교: {n2}{unit} 아닌 {n1}{unit}"),
    ("{n4}명이", "질문: 몇 명이 왔나? 답: {n4}명"),
    ("{year}년", "질문: {org:은} 언제부터? 답: {year}년"),
)


def coined_word(rng: random.Random, low: int, high: int) -> str:
    """Return a word of `low` to `high` syllables that means nothing."""
    pools = [
        FREQUENT_SYLLABLES if rng.random() < 0.9 else RARER_SYLLABLES for _ in range(rng.randint(low, high))
    ]
    return "".join(rng.choice(pool) for pool in pools)


class WildNames(names.Names):
    """Names of any syllables, so that no pair of them can be foreseen; the held-out pairs do not occur."""

    def person(self) -> str:
        """Return a name of three syllables."""
        return coined_word(self._rng, 1, 1) + self._wild_pair(names.GIVEN)

    def stem(self) -> str:
        """Return a word of two syllables."""
        return self._wild_pair(names.COINED)

    def _wild_pair(self, pool: str) -> str:
        while True:
            first, second = coined_word(self._rng, 2, 2)
            if not (first in pool and second in pool and names.is_held_out(pool, first, second)):
                return first + second


def drill(rng: random.Random) -> str:
    """Return names and numbers that come again: a list repeated, or pairs repeated in another order.

    Copying is learnt from these many times sooner than from articles, where most words cannot be foreseen.
    """

    known, wild = names.Names(rng), WildNames(rng)

    def item() -> str:
        kind = rng.randrange(5)
        if kind == 0:
            return numerals.draw(rng)
        return (known.person, known.stem, wild.person, wild.stem)[kind - 1]()

    items = [item() for _ in range(rng.randint(4, 10))]
    if rng.random() < 0.5:
        return "\n".join([" ".join(items)] * 3)
    pairs = [f"{one} {item()}" for one in items]
    lines = [*pairs]
    for _ in range(2):
        rng.shuffle(pairs)
        lines += pairs
    return "\n".join(lines)


def coined_topic(rng: random.Random) -> Topic:
    """Return a topic whose words are coined from common syllables, so that nothing but copying helps."""

    def word(low: int, high: int) -> str:
        return coined_word(rng, low, high)

    def thing() -> str:
        return " ".join(word(2, 4) for _ in range(rng.choice((1, 2))))

    return Topic(
        name="coined",
        category="경제",
        field=thing(),
        organisations=(word(2, 3),),
        objects=(thing(),),
        actions=(word(2, 2),),
        amounts=(thing(),),
        unit=rng.choice(UNITS),
        decimals=rng.random() < 0.5,
        titles=(rng.choice(TITLES),),
        goals=(f"{thing()}을 {{n}}{rng.choice(UNITS)} {word(2, 3)}하겠다",),
    )


@dataclass(frozen=True)
class Document:
    """One text for pre-training.

    Args:
        article: Its first part, which mostly cannot be foreseen; empty for a drill.
        rest: What follows from it: questions and retellings, or the drill.
    """

    article: str
    rest: str

    @property
    def text(self) -> str:
        return self.article + self.rest


def document(rng: random.Random, *, num_retellings: int = 12) -> Document:
    """Return one text: sometimes a line of English, an article, then retellings in random order."""
    topic = coined_topic(rng) if rng.random() < 0.5 else BY_NAME[rng.choice(TRAINING_TOPICS)]
    article = articles.write(rng, topic, WildNames(rng) if rng.random() < 0.5 else names.DistinctNames(rng))
    patterns = [
        *RETELLINGS,
        *(
            pattern
            for needed, pattern in RETELLINGS_OF_ASIDES
            if fill(needed, article.values) in article.document
        ),
    ]
    retellings = [fill(pattern, article.values) for pattern in rng.sample(patterns, num_retellings)]
    preface = ""
    if rng.random() < 0.5:
        preface = " ".join(rng.choice(ENGLISH_WORDS) for _ in range(rng.randint(5, 60))) + ".\n\n"
    return Document(f"{preface}{article.document}\n", "\n".join(retellings))


def documents(seed: int, *, num_drills_first: int = 0) -> Iterator[Document]:
    """Yield pre-training texts without end; the same seed gives the same texts.

    Args:
        seed: of the random source.
        num_drills_first: how many drills come before the mixture of nine articles to one drill.
    """
    rng = random.Random(f"base {seed}")
    for _ in range(num_drills_first):
        yield Document("", drill(rng))
    while True:
        yield Document("", drill(rng)) if rng.random() < 0.1 else document(rng)
