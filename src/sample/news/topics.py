"""What the generated news is about: twelve topics, each a small vocabulary; no real company or person.

Sentence patterns are shared by all topics (articles.py); a topic brings the words that fill them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Topic:
    """The words of one topic.

    Attributes:
        name: identifier, in English.
        category: section of the paper, in Korean, as the public data set labels it.
        field: what the lead sentence talks about.
        organisations: endings of organisation names, after a coined stem.
        objects: what the news is about; a brand may precede it.
        action: a noun that takes 하다 and 되다.
        amount: name of the main quantity.
        unit: its unit, with the space a newspaper prints before it.
        decimals: whether the amount may have one decimal.
        titles: who speaks for the organisation.
        goals: what the speaker announces, in its plain future form; {n} is a number.
    """

    name: str
    category: str
    field: str
    organisations: tuple[str, ...]
    objects: tuple[str, ...]
    action: str
    amount: str
    unit: str
    decimals: bool = False
    titles: tuple[str, ...]
    goals: tuple[str, ...]


_COMPANY = ("대표", "부사장", "본부장")
_PUBLIC = ("이사장", "사무총장", "단장")

TOPICS = (
    Topic(
        name="mobility", category="IT과학", field="자율주행 업계", organisations=("모빌리티", "오토", "로보틱스"),
        objects=("자율주행 버스", "무인 셔틀", "배송 로봇", "충전 로봇"), action="공개", amount="개발비",
        unit="억 원", titles=_COMPANY,
        goals=("내년까지 차량을 {n}대로 늘리겠다", "운행 구간을 {n}㎞까지 넓히겠다", "정비사 {n}명을 새로 뽑겠다"),
    ),
    Topic(
        name="chips", category="IT과학", field="반도체 업계", organisations=("반도체", "소자", "나노텍"),
        objects=("저전력 메모리", "차량용 반도체", "이미지 센서", "전력 칩"), action="양산", amount="설비 투자",
        unit="억 원", titles=_COMPANY,
        goals=("연구 인력을 {n}명까지 확보하겠다", "생산량을 월 {n}장으로 끌어올리겠다", "협력사 {n}곳과 함께하겠다"),
    ),
    Topic(
        name="startup", category="경제", field="창업 생태계", organisations=("벤처스", "파트너스", "인베스트"),
        objects=("청년 창업 펀드", "바이오 펀드", "재도전 펀드", "지역 혁신 펀드"), action="조성", amount="모집액",
        unit="억 원", titles=_COMPANY,
        goals=("유망 기업 {n}곳에 투자하겠다", "해외 진출 기업을 {n}개로 늘리겠다", "심사 기간을 {n}일로 줄이겠다"),
    ),
    Topic(
        name="farming", category="경제", field="농산물 시장", organisations=("농협", "영농조합", "청과"),
        objects=("햇사과", "친환경 쌀", "샤인 포도", "겨울 딸기"), action="수출", amount="물량", unit="톤",
        decimals=True, titles=("조합장", "본부장", "대표"),
        goals=("재배 농가를 {n}가구로 늘리겠다", "수출국을 {n}개국까지 넓히겠다", "저장고 {n}동을 더 짓겠다"),
    ),
    Topic(
        name="festival", category="생활문화", field="지역 축제", organisations=("문화재단", "관광공사", "축제위원회"),
        objects=("빛 축제", "전통 공예 축제", "바다 음악제", "책 축제"), action="개최", amount="예산",
        unit="억 원", decimals=True, titles=_PUBLIC,
        goals=("공연을 {n}회로 늘리겠다", "관람객 {n}명을 맞이하겠다", "체험 부스 {n}곳을 운영하겠다"),
    ),
    Topic(
        name="railway", category="사회", field="대중교통 정책", organisations=("교통공사", "철도", "도시공사"),
        objects=("순환 전철", "급행 노선", "환승 센터", "수상 버스"), action="개통", amount="사업비",
        unit="억 원", titles=("사장", "본부장", "단장"),
        goals=("하루 {n}회 운행하겠다", "정거장을 {n}곳까지 늘리겠다", "안전 요원 {n}명을 배치하겠다"),
    ),
    Topic(
        name="housing", category="경제", field="주택 시장", organisations=("건설", "주택공사", "개발"),
        objects=("청년 주택", "한옥 단지", "임대 아파트", "실버 주택"), action="분양", amount="공급 규모",
        unit="가구", titles=_COMPANY,
        goals=("입주 시기를 {n}일 앞당기겠다", "주차 공간 {n}면을 만들겠다", "공원 면적을 {n}㎡로 넓히겠다"),
    ),
    Topic(
        name="medicine", category="사회", field="의료계", organisations=("병원", "의료원", "바이오"),
        objects=("당뇨 치료제", "원격 진료 서비스", "재활 로봇", "백신 후보"), action="도입", amount="연구비",
        unit="억 원", decimals=True, titles=("원장", "소장", "센터장"),
        goals=("환자 {n}명에게 적용하겠다", "병상을 {n}개까지 늘리겠다", "임상 기관 {n}곳과 협력하겠다"),
    ),
    Topic(
        name="energy", category="세계", field="재생 에너지 시장", organisations=("에너지", "전력", "솔라"),
        objects=("해상 풍력 단지", "태양광 발전소", "수소 충전소", "지열 발전소"), action="준공", amount="설비 용량",
        unit="㎿", decimals=True, titles=_COMPANY,
        goals=("발전소를 {n}기로 늘리겠다", "주민 {n}명과 수익을 나누겠다", "나무 {n}그루를 심겠다"),
    ),
    Topic(
        name="education", category="사회", field="교육 현장", organisations=("대학교", "교육청", "과학원"),
        objects=("코딩 교실", "인공지능 학과", "과학 캠프", "야간 강좌"), action="개설", amount="모집 인원",
        unit="명", titles=("총장", "원장", "처장"),
        goals=("장학생 {n}명을 선발하겠다", "강의실을 {n}개로 늘리겠다", "기업 {n}곳과 손잡겠다"),
    ),
    Topic(
        name="games", category="IT과학", field="게임 업계", organisations=("게임즈", "소프트", "스튜디오"),
        objects=("모험 게임", "야구 게임", "음악 게임", "전략 게임"), action="출시", amount="제작비",
        unit="억 원", decimals=True, titles=_COMPANY,
        goals=("이용자 {n}명을 모으겠다", "언어를 {n}개로 늘리겠다", "대회를 {n}회 열겠다"),
    ),
    Topic(
        name="shipping", category="경제", field="해운 업계", organisations=("해운", "조선", "마린"),
        objects=("쇄빙 화물선", "전기 여객선", "메탄올 운반선", "크루즈 유람선"), action="진수", amount="수주액",
        unit="억 달러", decimals=True, titles=_COMPANY,
        goals=("항로를 {n}개까지 개척하겠다", "선원 {n}명을 채용하겠다", "배출량을 {n}톤 줄이겠다"),
    ),
)

HELD_OUT_TOPICS = ("shipping",)
TRAINING_TOPICS = tuple(topic.name for topic in TOPICS if topic.name not in HELD_OUT_TOPICS)
BY_NAME = {topic.name: topic for topic in TOPICS}
