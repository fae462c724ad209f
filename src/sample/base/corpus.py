"""Text for pre-training the small base model: news, and news told again in other words.

The base never sees the summary's sentence, the prompt's format, a held-out topic or a held-out name. It sees
generated articles followed by questions with answers, captions and retellings, so that it learns to find and copy names and numbers; and
topics made of coined words, so that it learns to copy words it has never met.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from sample.news import articles
from sample.news.josa import fill
from sample.news.topics import BY_NAME, TRAINING_TOPICS, Topic

COMMON_SYLLABLES = (
    "가각간갈감갑강개객거건걸검게격견결경계고곡곤골공과관광교구국군굴궁권귀규균그극근글금급기긴길김나난날남납내냉너널네년노녹논농높뇌누눈뉴늘능니"
    "다단달담답당대댁더덕던도독돈돌동되두뒤드득든들등디따때떠또뜻라락란람랑래량러럭런럼레려력련렬령례로록론롤료루류률르른를름리린림립"
    "마막만말맑망매맥머먹면명모목몰몸무묵문물미민밀바박반발밤방배백버번벌범법벽변별병보복본볼봄봉부북분불붉브비빈빌빙빛빠"
    "사삭산살삼상새색생서석선설섬성세센소속손솔송쇄쇼수숙순술숨쉬스슬습승시식신실심싱쌀쓰씨아악안알암압앙앞애액야약양어억언얼엄업에여역연열염영예오옥온올옷와완왕외요욕용우욱운울움웃원월위유육윤율융으은을음응의이익인일임입잉"
    "자작잔잠장재쟁저적전절점접정제조족존종좌주죽준줄중즉즌증지직진질집징차착찬찰참창채책처척천철첨첫청체초촌촉총최추축춘출충취측층치친칠침"
    "카커컨켜코콘콜쿠크큰클키타탁탄탈탑태택터테토톤통퇴투트특틀티파판팔패퍼페편평폐포폭표푸품풍프플피필하학한할함합항해핵행향허험혁현혈협형혜호혹혼홀홍화확환활황회획횡효후훈휘휴흐흑흥희히힘"
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
ENGLISH_WORDS = ["You", "are", "an", "AI", "assistant", "specialized", "in", "news", "articles", "Your", "role", "is", "to", "provide", "accurate", "summaries", "and", "insights", "in", "Korean", "Please", "analyze", "the", "given", "text", "and", "provide", "concise", "informative", "that", "highlight", "key", "goals", "findings", "Human", "summarize", "for", "journalist", "this", "Assistant", "report", "city", "company", "plan", "number", "people", "said", "year", "world"]

# Each asks for, or retells, a few values of the article. None is the summary's sentence.
RETELLINGS = (
    "질문: {action:을} 알린 곳은? 답: {org}",
    "질문: {object:은} 어디에서? 답: {place}",
    "질문: 언제? 답: {day}",
    "질문: {amount:은}? 답: {n1}{unit}",
    "질문: 누가 말했나? 답: {person} {title}",
    "질문: 무엇을 {action}? 답: {object}",
    "질문: {title}의 약속은? 답: {goal}",
    "질문: 약속한 사람은? 답: {person}",
    "사진: {place}, {day}. {org} 제공",
    "제목: {org}, {place}에서 {object} {action}",
    "제목: {org} {title} {person} “{goal}”",
    "한마디: {person} {title}, “{goal}”",
    "숫자: {amount} {n1}{unit}",
    "다시 쓰면: {org:은} {day}에 {object:을} {action}. {amount:은} {n1}{unit}.",
    "다시 쓰면: {person} {title}에 따르면 {org:은} {place}에서 {object:을} {action}.",
    "정리: {day}, {place}, {org}, {object} {action}, {amount} {n1}{unit}, {person} {title} “{goal}”",
)


def coined_topic(rng: random.Random) -> Topic:
    """Return a topic whose words are coined from common syllables, so that nothing but copying helps."""

    def word(low: int, high: int) -> str:
        return "".join(rng.choice(COMMON_SYLLABLES) for _ in range(rng.randint(low, high)))

    def thing() -> str:
        return " ".join(word(2, 4) for _ in range(rng.choice((1, 2))))

    return Topic(
        name="coined",
        category="경제",
        field=thing(),
        organisations=(word(2, 3),),
        objects=(thing(),),
        action=word(2, 2),
        amount=thing(),
        unit=rng.choice(UNITS),
        decimals=rng.random() < 0.5,
        titles=(rng.choice(TITLES),),
        goals=(f"{thing()}을 {{n}}{rng.choice(UNITS)} {word(2, 3)}하겠다",),
    )


def document(rng: random.Random, *, num_retellings: int = 10) -> str:
    """Return one pre-training text: sometimes a line of English, an article, then retellings in random order."""
    topic = coined_topic(rng) if rng.random() < 0.5 else BY_NAME[rng.choice(TRAINING_TOPICS)]
    article = articles.write(rng, topic)
    retellings = [fill(pattern, article.values) for pattern in rng.sample(RETELLINGS, num_retellings)]
    preface = ""
    if rng.random() < 0.5:
        preface = " ".join(rng.choice(ENGLISH_WORDS) for _ in range(rng.randint(5, 60))) + ".\n\n"
    return preface + "\n".join([article.document, *retellings])


def documents(seed: int) -> Iterator[str]:
    """Yield pre-training texts without end; the same seed gives the same texts."""
    rng = random.Random(f"base {seed}")
    while True:
        yield document(rng)
