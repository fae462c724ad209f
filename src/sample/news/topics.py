"""What the generated news is about: sixteen topics, each a small vocabulary; no real company or person.

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
        actions: nouns that take 하다 and 되다.
        amounts: names of the main quantity.
        unit: its unit.
        decimals: whether the amount may have one decimal.
        titles: who speaks for the organisation.
        goals: what the speaker announces, in its plain future form; {n} is a number.
    """

    name: str
    category: str
    field: str
    organisations: tuple[str, ...]
    objects: tuple[str, ...]
    actions: tuple[str, ...]
    amounts: tuple[str, ...]
    unit: str
    decimals: bool = False
    titles: tuple[str, ...]
    goals: tuple[str, ...]


_COMPANY = ("대표", "부사장", "본부장")
_PUBLIC = ("이사장", "사무총장", "단장")

# May come before an object, so that there are hundreds of them.
MODIFIERS = (
    *("친환경", "차세대", "맞춤형", "소형", "대형", "보급형", "고급형", "개방형", "체험형", "참여형"),
    *("국산", "첫", "새", "공동", "시범", "특별", "무료", "상설", "야간", "계절"),
)

TOPICS = (
    Topic(
        name="mobility",
        category="IT과학",
        field="자율주행 업계",
        organisations=("모빌리티", "오토", "로보틱스"),
        objects=("자율주행 버스", "무인 셔틀", "배송 로봇", "충전 로봇", "수소 트럭", "전기 자전거"),
        actions=("공개", "시연", "도입"),
        amounts=("개발비", "투자금"),
        unit="억 원",
        titles=_COMPANY,
        goals=(
            "내년까지 차량을 {n}대로 늘리겠다",
            "운행 구간을 {n}㎞까지 넓히겠다",
            "정비사 {n}명을 새로 뽑겠다",
        ),
    ),
    Topic(
        name="chips",
        category="IT과학",
        field="반도체 업계",
        organisations=("반도체", "소자", "나노텍"),
        objects=("저전력 메모리", "차량용 반도체", "이미지 센서", "전력 칩", "광학 소자", "검사 장비"),
        actions=("양산", "개발", "증설"),
        amounts=("설비 투자", "연구비"),
        unit="억 원",
        titles=_COMPANY,
        goals=(
            "연구 인력을 {n}명까지 확보하겠다",
            "생산량을 월 {n}장으로 끌어올리겠다",
            "협력사 {n}곳과 함께하겠다",
        ),
    ),
    Topic(
        name="startup",
        category="경제",
        field="창업 생태계",
        organisations=("벤처스", "파트너스", "인베스트"),
        objects=(
            "청년 창업 펀드",
            "바이오 펀드",
            "재도전 펀드",
            "지역 혁신 펀드",
            "여성 기업 펀드",
            "기술 이전 펀드",
        ),
        actions=("조성", "결성", "출범"),
        amounts=("모집액", "출자금"),
        unit="억 원",
        titles=_COMPANY,
        goals=(
            "유망 기업 {n}곳에 투자하겠다",
            "해외 진출 기업을 {n}개로 늘리겠다",
            "심사 기간을 {n}일로 줄이겠다",
        ),
    ),
    Topic(
        name="farming",
        category="경제",
        field="농산물 시장",
        organisations=("농협", "영농조합", "청과"),
        objects=("햇사과", "친환경 쌀", "샤인 포도", "겨울 딸기", "유기농 감자", "꿀 고구마"),
        actions=("수출", "출하", "수확"),
        amounts=("물량", "출하량"),
        unit="톤",
        decimals=True,
        titles=("조합장", "본부장", "대표"),
        goals=("재배 농가를 {n}가구로 늘리겠다", "수출국을 {n}개국까지 넓히겠다", "저장고 {n}동을 더 짓겠다"),
    ),
    Topic(
        name="festival",
        category="생활문화",
        field="지역 축제",
        organisations=("문화재단", "관광공사", "축제위원회"),
        objects=("빛 축제", "전통 공예 축제", "바다 음악제", "책 축제", "등불 행렬", "거리 연극제"),
        actions=("개최", "개막", "진행"),
        amounts=("예산", "행사비"),
        unit="억 원",
        decimals=True,
        titles=_PUBLIC,
        goals=("공연을 {n}회로 늘리겠다", "관람객 {n}명을 맞이하겠다", "체험 부스 {n}곳을 운영하겠다"),
    ),
    Topic(
        name="railway",
        category="사회",
        field="대중교통 정책",
        organisations=("교통공사", "철도", "도시공사"),
        objects=("순환 전철", "급행 노선", "환승 센터", "수상 버스", "심야 버스", "경전철 구간"),
        actions=("개통", "착공", "연장"),
        amounts=("사업비", "공사비"),
        unit="억 원",
        titles=("사장", "본부장", "단장"),
        goals=("하루 {n}회 운행하겠다", "정거장을 {n}곳까지 늘리겠다", "안전 요원 {n}명을 배치하겠다"),
    ),
    Topic(
        name="housing",
        category="경제",
        field="주택 시장",
        organisations=("건설", "주택공사", "개발"),
        objects=("청년 주택", "한옥 단지", "임대 아파트", "실버 주택", "공유 주택", "신혼부부 주택"),
        actions=("분양", "공급", "준공"),
        amounts=("공급량", "분양 물량"),
        unit="가구",
        titles=_COMPANY,
        goals=("입주 시기를 {n}일 앞당기겠다", "주차 공간 {n}면을 만들겠다", "공원 면적을 {n}㎡로 넓히겠다"),
    ),
    Topic(
        name="medicine",
        category="사회",
        field="의료계",
        organisations=("병원", "의료원", "바이오"),
        objects=("당뇨 치료제", "원격 진료 서비스", "재활 로봇", "백신 후보", "치매 검사법", "암 진단 장비"),
        actions=("도입", "승인", "시험"),
        amounts=("연구비", "임상 비용"),
        unit="억 원",
        decimals=True,
        titles=("원장", "소장", "센터장"),
        goals=("환자 {n}명에게 적용하겠다", "병상을 {n}개까지 늘리겠다", "임상 기관 {n}곳과 협력하겠다"),
    ),
    Topic(
        name="energy",
        category="세계",
        field="재생 에너지 시장",
        organisations=("에너지", "전력", "솔라"),
        objects=("해상 풍력 단지", "태양광 발전소", "수소 충전소", "지열 발전소", "조력 발전소", "저장 시설"),
        actions=("준공", "가동", "착공"),
        amounts=("설비 용량", "발전 용량"),
        unit="㎿",
        decimals=True,
        titles=_COMPANY,
        goals=("발전소를 {n}기로 늘리겠다", "주민 {n}명과 수익을 나누겠다", "나무 {n}그루를 심겠다"),
    ),
    Topic(
        name="education",
        category="사회",
        field="교육 현장",
        organisations=("대학교", "교육청", "과학원"),
        objects=("코딩 교실", "인공지능 학과", "과학 캠프", "야간 강좌", "외국어 과정", "목공 수업"),
        actions=("개설", "운영", "신설"),
        amounts=("모집 인원", "정원"),
        unit="명",
        titles=("총장", "원장", "처장"),
        goals=("장학생 {n}명을 선발하겠다", "강의실을 {n}개로 늘리겠다", "기업 {n}곳과 손잡겠다"),
    ),
    Topic(
        name="games",
        category="IT과학",
        field="게임 업계",
        organisations=("게임즈", "소프트", "스튜디오"),
        objects=("모험 게임", "야구 게임", "음악 게임", "전략 게임", "낚시 게임", "추리 게임"),
        actions=("출시", "배포", "공개"),
        amounts=("제작비", "개발비"),
        unit="억 원",
        decimals=True,
        titles=_COMPANY,
        goals=("이용자 {n}명을 모으겠다", "언어를 {n}개로 늘리겠다", "대회를 {n}회 열겠다"),
    ),
    Topic(
        name="space",
        category="IT과학",
        field="우주 산업",
        organisations=("항공", "우주", "위성"),
        objects=("소형 위성", "관측 로켓", "탐사 로봇", "통신 위성", "지상 관제소", "재사용 엔진"),
        actions=("발사", "제작", "시험"),
        amounts=("개발비", "계약액"),
        unit="억 원",
        decimals=True,
        titles=_COMPANY,
        goals=("위성을 {n}기까지 띄우겠다", "연구원 {n}명을 더 모으겠다", "발사를 {n}회로 늘리겠다"),
    ),
    Topic(
        name="food",
        category="생활문화",
        field="식품 업계",
        organisations=("식품", "제과", "푸드"),
        objects=("쌀 과자", "두부 음료", "비건 만두", "전통 장류", "냉동 김밥", "저염 라면"),
        actions=("출시", "판매", "생산"),
        amounts=("매출 목표", "생산액"),
        unit="억 원",
        titles=_COMPANY,
        goals=("매장을 {n}곳으로 늘리겠다", "농가 {n}곳과 계약하겠다", "포장재를 {n}톤 줄이겠다"),
    ),
    Topic(
        name="finance",
        category="경제",
        field="금융권",
        organisations=("은행", "증권", "캐피탈"),
        objects=("소액 대출", "청년 적금", "보험 상담 서비스", "환전 서비스", "중소기업 대출", "연금 상품"),
        actions=("출시", "판매", "확대"),
        amounts=("한도", "지원금"),
        unit="억 원",
        titles=("은행장", "본부장", "부사장"),
        goals=("고객 {n}명을 새로 맞이하겠다", "지점을 {n}곳으로 줄이겠다", "심사 기간을 {n}일로 줄이겠다"),
    ),
    Topic(
        name="sports",
        category="스포츠",
        field="생활 체육",
        organisations=("체육회", "구단", "스포츠"),
        objects=("유소년 리그", "배드민턴 대회", "실내 수영장", "마라톤 대회", "야구 교실", "장애인 체육관"),
        actions=("개최", "개장", "운영"),
        amounts=("예산", "후원금"),
        unit="억 원",
        decimals=True,
        titles=("회장", "단장", "감독"),
        goals=("선수 {n}명을 키우겠다", "경기를 {n}회로 늘리겠다", "관중 {n}명을 모으겠다"),
    ),
    Topic(
        name="shipping",
        category="경제",
        field="해운 업계",
        organisations=("해운", "조선", "마린"),
        objects=("쇄빙 화물선", "전기 여객선", "메탄올 운반선", "크루즈 유람선", "해저 탐사선", "컨테이너선"),
        actions=("진수", "인도", "건조"),
        amounts=("수주액", "선박 가격"),
        unit="억 달러",
        decimals=True,
        titles=_COMPANY,
        goals=("항로를 {n}개까지 개척하겠다", "선원 {n}명을 채용하겠다", "배출량을 {n}톤 줄이겠다"),
    ),
)

HELD_OUT_TOPICS = ("shipping",)
TRAINING_TOPICS = tuple(topic.name for topic in TOPICS if topic.name not in HELD_OUT_TOPICS)
BY_NAME = {topic.name: topic for topic in TOPICS}
