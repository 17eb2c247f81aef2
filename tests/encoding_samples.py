"""Files in encodings that nobody declares, for the detection: `python -m tests.encoding_samples` prints how it does.

Each sample is a table of names and places in one language, in one encoding that people of the language use. The words
are no one's test data: well-known towns, first names, goods and words of trade.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from waybill.errors import JobFailed
from waybill.tabular.encodings import decode, text_format

SIZES = (1, 2, 5, 50, 1_000)
SEEDS = 3

#: words by language, and the encodings in which its files come
LANGUAGES: dict[str, tuple[str, str]] = {
    "German": (
        "Köln München Düsseldorf Nürnberg Jürgen Käthe "
        "Größe Straße Übergabe Bestätigung Öl Möbel schön",
        "cp1252 iso8859-15 cp850 mac-roman",
    ),
    "French": (
        "Orléans Besançon Nîmes Zoé Hélène François Benoît "
        "quantité reçu être société où dépôt forêt",
        "cp1252 iso8859-15 cp850 mac-roman",
    ),
    "Spanish": (
        "Málaga Cádiz Logroño Íñigo José Begoña "
        "año dirección teléfono España señal también niño",
        "cp1252 iso8859-15 cp850 mac-roman",
    ),
    "Portuguese": (
        "São Paulo Évora Guimarães João Conceição "
        "preço endereço número não ação Açores três",
        "cp1252 iso8859-15 cp850",
    ),
    "Italian": (
        "Forlì Cantù Niccolò Nicolò città quantità "
        "qualità perché società più già così è",
        "cp1252 cp850",
    ),
    "Swedish": (
        "Malmö Gävle Örebro Åke Björn Märta "
        "pris på köp försäljning kläder sjö vår",
        "cp1252 iso8859-15",
    ),
    "Danish": (
        "Aarhus Køge Næstved Søren Jørgen Åse "
        "beløb købt på størrelse værdi tilbagekøb",
        "cp1252 iso8859-15 cp850",
    ),
    "Polish": (
        "Łódź Kraków Rzeszów Gdańsk Świętochłowice "
        "Małgorzata Grażyna ilość zamówienie łączna część",
        "cp1250 iso8859-2 cp852",
    ),
    "Czech": (
        "Plzeň České Budějovice Třebíč Jiří Božena "
        "Šárka množství položka účet zboží příjem",
        "cp1250 iso8859-2 cp852",
    ),
    "Hungarian": (
        "Győr Székesfehérvár Szegő Zoltán Erzsébet Ödön "
        "mennyiség összeg ár fizetés előleg szállítás",
        "cp1250 iso8859-2 cp852",
    ),
    "Romanian": (
        "Iaşi Ploieşti Timişoara Ştefan Mădălina "
        "cantitate preţ plată înregistrare ţară mărfuri",
        "cp1250 iso8859-2",
    ),
    "Croatian": (
        "Šibenik Čakovec Đurđevac Željko Krešimir "
        "Anđela količina cijena račun plaćanje narudžba",
        "cp1250 iso8859-2",
    ),
    "Russian": (
        "Казань Самара Воронеж Алексей Наталья количество "
        "цена счёт товар поставка адрес Иванов",
        "cp1251 koi8-r cp866 iso8859-5",
    ),
    "Ukrainian": (
        "Київ Львів Чернівці Сергій Оксана "
        "кількість ціна рахунок їжа єдність ґанок",
        "cp1251 koi8-u",
    ),
    "Bulgarian": ("София Пловдив Варна Георги Мария количество цена фактура плащане стока", "cp1251"),
    "Greek": (
        "Αθήνα Θεσσαλονίκη Πάτρα Γιώργος Ελένη "
        "ποσότητα τιμή διεύθυνση παραγγελία σύνολο",
        "cp1253 iso8859-7",
    ),
    "Turkish": ("İzmir Eskişehir Muğla Şükrü Ayşe Gülşen miktar sipariş müşteri a\u011f\u0131rl\u0131k", "cp1254"),
    "Hebrew": ("ירושלים חיפה נתניה דוד שרה כמות מחיר כתובת הזמנה סכום", "cp1255"),
    "Arabic": ("القاهرة الرياض بغداد محمد فاطمة الكمية السعر العنوان الطلب المبلغ", "cp1256"),
    "Lithuanian": (
        "Šiauliai Panevėžys Mažeikiai Jūratė Žygimantas "
        "kiekis mokėjimas sąskaita prekė čekis",
        "cp1257",
    ),
    "Latvian": (
        "Rīga Liepāja Jūrmala Jānis Līga "
        "daudzums maksājums pasūtījums rēķins preču šķiņķis",
        "cp1257",
    ),
    "Thai": ("กรุงเทพ เชียงใหม่ ภูเก็ต สมชาย สมหญิง จำนวน ราคา ที่อยู่ คำสั่งซื้อ ยอดรวม", "cp874"),
    "Vietnamese": ("Hà Nội Đà Nẵng Nguyễn Trần", "utf-8"),
    "Japanese": ("東京 大阪府 札幌市 田中太郎 鈴木花子 数量 価格 住所 注文番号 合計 カタログ ひらがな", "cp932 euc_jp"),
    "Chinese, simplified": ("北京 上海市 广州 王小明 李华 数量 价格 地址 订单编号 合计 联系人", "gb18030"),
    "Chinese, traditional": ("臺北 高雄市 臺中 陳大文 林美玲 數量 價格 地址 訂單編號 合計", "big5hkscs"),
    "Korean": ("서울 부산광역시 대전 김철수 이영희 수량 가격 주소 주문번호 합계", "cp949"),
}  # fmt: skip


class Sample(NamedTuple):
    language: str
    encoding: str
    rows: int
    text: str


def samples(*sizes: int) -> Iterator[Sample]:
    """Tables of each language and encoding, of so many rows; the header is ASCII."""
    for language, (words, encodings) in LANGUAGES.items():
        for encoding in encodings.split():
            for rows in sizes:
                for seed in range(SEEDS):
                    dice = random.Random(f"{language} {rows} {seed}")
                    lines = [
                        f"{number};{' '.join(dice.choices(words.split(), k=dice.choice((1, 2, 3))))};{number * 7},50"
                        for number in range(1, rows + 1)
                    ]
                    yield Sample(language, encoding, rows, "\r\n".join(["id;name;amount", *lines, ""]))


def judged(sample: Sample) -> str:
    """`right`, `refused` or `wrong`: the text is another one."""
    data = sample.text.encode(sample.encoding, "replace")
    try:
        found = text_format(data, None)
        text = decode(data, found.encoding)
    except (JobFailed, UnicodeDecodeError):
        return "refused"
    return "right" if text == decode(data, sample.encoding) else "wrong"


def table() -> dict[int, Counter[str]]:
    """How many samples of each size are `right`, `refused` and `wrong`."""
    found: dict[int, Counter[str]] = {size: Counter() for size in SIZES}
    for sample in samples(*SIZES):
        found[sample.rows][judged(sample)] += 1
    return found


def main() -> None:
    print("| rows | samples | right | refused | wrong |\n|---|---|---|---|---|")
    for size, counts in table().items():
        print(f"| {size:,} | {counts.total()} | {counts['right']} | {counts['refused']} | {counts['wrong']} |")


if __name__ == "__main__":
    main()
