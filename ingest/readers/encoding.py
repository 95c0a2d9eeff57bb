"""Bytes → text: byte order mark, UTF-8, UTF-8 with a few bad bytes, then the best of the scored candidates.

No library does the last step well: on 6 to 12 Chinese characters they are right in 21 to 50 % of cases. Here a
candidate is judged by how many of its characters are among the commonest of the language that it is for.
"""

import codecs
import re
from dataclasses import dataclass
from typing import Final

from docradar.errors import ReadError

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CANDIDATES: Final = (
    "gb18030", "big5hkscs", "utf-16-le", "utf-16-be", "shift_jis", "euc_jp", "euc_kr", "cp1252",
)  # fmt: skip
# What browsers read in place of an older encoding that is part of it.
_SUPERSETS: Final = {
    "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "big5": "big5hkscs", "shift-jis": "cp932", "ks-c-5601-1987": "cp949",
    "euc-kr": "cp949", "iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252",
}  # fmt: skip
# These look like ASCII, and so like UTF-8, whatever they hold.
_SEVEN_BIT: Final = re.compile(r"(?:cs)?iso-?2022-.+|hz(?:-gb-2312)?|(?:unicode-1-1-)?utf-7", re.IGNORECASE)
_CODECS: Final = {"hz-gb-2312": "hz", "unicode-1-1-utf-7": "utf-7"}
_BAD_SHARE: Final = 0.005
_STRAY_SHARE: Final = 0.1
# Fewer lines than that may be UTF-8 by chance.
_MIXED_LINES: Final = 3
_MIXED_SHARE: Final = 0.2
_SAMPLE_BYTES: Final = 64 * 1024
_LEAST_SCORE: Final = 0.2
_SURE_SCORE: Final = 0.5
_CONTROL: Final = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
_BINARY_SHARE: Final = 0.02

_COMMON_SIMPLIFIED: Final = (
    "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学么之都好看起"
    "发当没成只如事把还用第样道想作种开美总从无情己面最女但现前些所同日手又行意动方期它头经长儿回位分爱老因很给名法间斯知世什两次"
    "使身者被高已亲其进此话常与活正感见明问力理尔点文几定本公特做外孩相西果走将月十实向声车全信重三机工物气每并别真打太新比才便夫"
    "再书部水像眼等体却加电主界门利海受听表德少克代员许先口由死安写性马光白或住难望教命花结乐色更拉东神记处让母父应直字场平报友关"
    "放至张认接告入笑内英军候民岁往何度山觉路带万男边风解叫任金快原吃妈变通师立象数四失满战远格士音轻目条呢病始达深完今提求清王化"
    "空业思切怎非找片罗钱语元喜曾离飞科言干流欢约各即指合反题必该论交终林请医晚制球决传画保读运及则房早院量苦火布品近坐产答星精视"
    "五连司巴奇管类未朋且婚台夜青北队久乎越观落尽形影红爸百令周吧识步希亚术留市半热送兴造谈容极随演收首根讲整式取照办强石古华拿计"
    "您装似足双妻尼转诉米称丽客南领节衣站黑刻统断福城故历惊脸选包紧争另建维绝树系伤示愿持千史谁准联妇纪基买志静阿诗独复痛消社算义"
    "竟确酒需单治卡幸兰念举仅钟怕共毛句息功官待究跟穿室易游程号居考突皮哪费倒价图具刚脑永歌响商礼细专黄块脚味灵改据般破引食仍存众"
    "注笔甚某沉血备习校默务土微娘须试怀料调广蛋显赛查密议底列富梦错座参八除跑亮假印设线温虽掉京初养香停际致阳纸李纳验助激够严证帝"
    "测试网络支付配置服务器文件系统版本用户错误超时检查重启部署数据项目需求接口登录密码订单退款客户产品功能"
)
_COMMON_TRADITIONAL: Final = (
    "這個們來時為國說裡後會過對學麼沒發當還樣種開總從無現頭經長兒愛給間兩親進與見問點幾將實聲車機氣別書電門聽許寫馬難樂東記處讓"
    "應場報關張認歲覺帶萬邊風媽變師數滿戰遠輕條達業錢離飛歡約題論請醫決傳畫讀運則產視連類觀盡紅術熱興談極隨講計裝雙轉訴稱麗領節"
    "統斷歷驚臉選緊爭維絕樹傷願誰準聯婦紀買詩獨復義確單舉僅鐘號費價圖剛腦響禮細專黃塊靈據眾筆備習務須試懷調廣顯賽議夢錯參線溫雖"
    "養陽紙驗夠嚴證測網絡檔案軟體資訊設定檢查訂單產品開啟登錄"
)
_KANA: Final = re.compile("[\u3041-\u30fa]")
# cp1252 explains any bytes at all, and UTF-16 without a mark is rare.
_PRIOR: Final = {"cp1252": 0.75, "utf-16-le": 0.85, "utf-16-be": 0.8}
_WEIGHTS: Final = (
    dict.fromkeys(_COMMON_SIMPLIFIED + _COMMON_TRADITIONAL + "，。、：；！？（）“”《》「」 ー・", 1.0)
    | {chr(c): 0.9 for c in range(0x3041, 0x30FB)}
    | {chr(c): -0.5 for c in range(0xFF61, 0xFFA0)}
    | {chr(c): 0.8 for c in range(0xAC00, 0xD7A4)}
    | {chr(c): 0.6 for c in range(0xC0, 0x180)}
    | dict.fromkeys("‘’–—…•€°©®·", 0.5)
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text and the encoding it was in; `confidence` is 1 unless the encoding was guessed."""

    text: str
    encoding: str
    confidence: float = 1.0
    warnings: tuple[str, ...] = ()


def decode(content: bytes) -> Decoded:
    """The text of a file's bytes.

    Raises:
        ReadError: The bytes are no text in any encoding that is known here.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _with_replacements(content[len(mark) :], encoding)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return _with_surrogates(content) or _guessed(content)
    if _looks_wide(content):
        return _guessed(content)
    _refuse_binary(content)
    return Decoded(text, "utf-8")


def decode_as(content: bytes, declared: str) -> Decoded:
    """The text of bytes that say which encoding they are in. They are believed where that explains them, and UTF-8 does not.

    Raises:
        ReadError: The bytes are no text in any encoding that is known here.
    """
    encoding = _SUPERSETS.get(declared.lower().replace("_", "-"), declared.lower())
    if encoding in ("utf-8", "utf8") or content.startswith(tuple(mark for mark, _ in _MARKS)):
        return decode(content)
    if content.isascii() and _SEVEN_BIT.fullmatch(declared):
        try:
            return Decoded(content.decode(_CODECS.get(encoding, encoding)), encoding)
        except (LookupError, ValueError):
            return decode(content)
    try:
        content.decode()
    except UnicodeDecodeError:
        try:
            text = content.decode(encoding, "replace")
        except (LookupError, ValueError):
            return decode(content)
        bad = text.count("\ufffd")
        if bad <= _BAD_SHARE * len(text):
            _refuse_binary(content)
            return Decoded(text, encoding, 1.0, (_bad_bytes(bad, encoding),) if bad else ())
    return decode(content)


def _with_replacements(content: bytes, encoding: str) -> Decoded:
    text = content.decode(encoding, "replace")
    bad = text.count("\ufffd")
    return Decoded(text, encoding, 1.0, (_bad_bytes(bad, encoding),) if bad else ())


def _with_surrogates(content: bytes) -> Decoded | None:
    """UTF-8 as some databases make it, with UTF-16 surrogates: pairs are joined, single ones left to `clean`."""
    try:
        text = content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return Decoded(whole, "utf-8", 1.0, ("the text holds UTF-16 surrogates, which UTF-8 forbids",))


def _bad_bytes(count: int, encoding: str) -> str:
    return f"{count} byte sequences were not valid {encoding} and were replaced by U+FFFD"


def _guessed(content: bytes) -> Decoded:
    tolerant = content.decode("utf-8", "replace")
    bad = tolerant.count("\ufffd")
    # Measured against what is not ASCII, or a few words in another encoding would drown in English.
    foreign = len(tolerant) - len(re.findall("[\x00-\x7f]", tolerant))
    if bad and bad <= _BAD_SHARE * len(tolerant) and 2 * bad < foreign:
        return Decoded(tolerant, "utf-8", 1 - bad / foreign, (_bad_bytes(bad, "utf-8"),))
    if mixed := _mixed(content):
        return mixed
    sample = content[:_SAMPLE_BYTES]
    score, encoding = max((_score(sample, candidate), candidate) for candidate in _CANDIDATES)
    if score < _SURE_SCORE or not encoding.startswith("utf-16"):
        _refuse_binary(content)
    if score < _LEAST_SCORE and foreign < _STRAY_SHARE * len(tolerant):
        return Decoded(tolerant, "utf-8", 1 - bad / len(tolerant), (_bad_bytes(bad, "utf-8"),))
    if score < _LEAST_SCORE:
        raise ReadError("it is not text in any encoding that is known here; save it as UTF-8")
    text = content.decode(encoding, "replace")
    warnings = [f"the encoding was guessed to be {encoding}; save the file as UTF-8 to be sure"]
    if "\ufffd" in text:
        warnings.append(_bad_bytes(text.count("\ufffd"), encoding))
    return Decoded(text, encoding, round(min(1.0, max(0.0, score)), 3), tuple(warnings))


def _mixed(content: bytes) -> Decoded | None:
    """Lines of UTF-8 among lines of one other encoding, as files have that were put together from several."""
    lines = content.split(b"\n")
    other = [line for line in lines if not _is_utf8(line)]
    foreign = sum(1 for line in lines if not line.isascii())
    if foreign - len(other) < max(_MIXED_LINES, _MIXED_SHARE * foreign):
        return None
    sample = b"\n".join(other)[:_SAMPLE_BYTES]
    candidates = (name for name in _CANDIDATES if not name.startswith("utf-16"))
    score, encoding = max((_score(sample, candidate), candidate) for candidate in candidates)
    if score < _LEAST_SCORE:
        return None
    text = "\n".join(line.decode() if _is_utf8(line) else line.decode(encoding, "replace") for line in lines)
    warning = f"{len(other)} of its {len(lines)} lines are not UTF-8 and were taken for {encoding}; save the file as UTF-8 to be sure"
    return Decoded(text, f"utf-8 and {encoding}", round(min(1.0, score), 3), (warning,))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _score(sample: bytes, encoding: str) -> float:
    """At most 1: how typical the characters are that `sample` gives in `encoding`."""
    wide = encoding.startswith("utf-16")
    if wide and (len(sample) % 2 or (b"\x00" in sample and not _looks_wide(sample))):
        return -1.0
    text = sample.decode(encoding, "replace")
    foreign = text if wide else re.sub("[\x00-\x7f]+", "", text)
    if not foreign:
        return -1.0
    total = sum(_weight(character) for character in foreign) / len(foreign)
    if encoding in ("gb18030", "big5hkscs"):
        total -= 0.4 * len(_KANA.findall(foreign)) / len(foreign)
    return total * _PRIOR.get(encoding, 1.0)


def _weight(character: str) -> float:
    weight = _WEIGHTS.get(character)
    if weight is not None:
        return weight
    if character < "\x80":
        return 0.6 if character.isprintable() or character in "\t\r\n" else -2.0
    if "\u4e00" <= character <= "\u9fff":
        return 0.15 if _is_everyday(character) else -0.4
    return -2.0 if character == "\ufffd" or not character.isprintable() else -0.2


def _is_everyday(character: str) -> bool:
    """Whether GB 2312 or Big5 counts it among their commoner characters (level 1)."""
    simplified = character.encode("gb2312", "ignore")
    if simplified and simplified[0] < 0xD8:
        return True
    traditional = character.encode("big5", "ignore")
    return bool(traditional) and traditional[0] < 0xC7


def _looks_wide(content: bytes) -> bool:
    """Whether every other byte of the beginning tends to be zero, as in UTF-16 text with Latin letters."""
    head = content[:4096]
    nuls = head.count(0)
    even = head[::2].count(0)
    return nuls > len(head) // 5 and (even > 9 * (nuls - even) or nuls - even > 9 * even)


def _refuse_binary(content: bytes) -> None:
    head = content[:_SAMPLE_BYTES]
    if len(_CONTROL.findall(head)) + head.count(0) // 8 > _BINARY_SHARE * len(head) + 1:
        raise ReadError("it is binary, not text, whatever its name says; upload text, Markdown or PDF")
