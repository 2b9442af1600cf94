"""Quotations, old headers and signatures as the common clients write them in each language."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from app.core.html import FOLD, html_to_text, text_to_html
from app.mail.html_quoting import shown_html
from app.mail.quoting import new_text

NEW = "Ça marche! 好的"


@dataclass(frozen=True)
class Tongue:
    """What clients write: Gmail, Thunderbird, Apple Mail or others; Outlook; phones; forwards."""

    introductions: tuple[str, ...]
    header: str
    separator: str
    signatures: tuple[str, ...]
    forwarded: str


TONGUES = {
    "en": Tongue(
        (
            "On Mon, Jan 1, 2024 at 10:00 AM Ann Lee <ann@x.example> wrote:",
            "On 1/1/24 10:00, Ann Lee wrote:",
            "On 1 Jan 2024, at 10:00, Ann Lee <ann@x.example> wrote:",
            "On Monday, January 1, 2024 at 10:00:00 AM GMT+1, Ann <ann@x.example> wrote:",
        ),
        "From: Ann\nSent: Monday\nTo: Bob\nSubject: Oven",
        "-----Original Message-----",
        (
            "Sent from my iPhone",
            "Get Outlook for iOS",
            "Get Outlook for iOS<https://aka.example/o0ukef>",
            "Sent with [Proton Mail](https://proton.example/mail/home) secure email.",
            "Sent from Mail for Windows",
            "Sent with Proton Mail secure email.",
            "Sent from Yahoo Mail on Android",
        ),
        "---------- Forwarded message ---------",
    ),
    "de": Tongue(
        (
            "Am Mo., 1. Jan. 2024 um 10:00 Uhr schrieb Ann Lee <ann@x.example>:",
            "Am 01.01.24 um 10:00 schrieb Ann Lee:",
        ),
        "Von: Ann\nGesendet: Montag\nAn: Bob\nBetreff: Ofen",
        "-----Ursprüngliche Nachricht-----",
        (
            "Von meinem iPhone gesendet",
            "Holen Sie sich Outlook für iOS",
            "Gesendet von Mail für Windows",
            "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.",
        ),
        "---------- Weitergeleitete Nachricht ----------",
    ),
    "fr": Tongue(
        (
            "Le lun. 1 janv. 2024 à 10:00, Ann Lee <ann@x.example> a écrit :",
            "Le 01/01/2024 à 10:00, Ann Lee a écrit :",
        ),
        "De : Ann\nEnvoyé : lundi\nÀ : Bob\nObjet : Four",
        "-----Message d'origine-----",
        ("Envoyé de mon iPhone", "Obtenir Outlook pour iOS", "Envoyé à partir de Courrier"),
        "---------- Message transféré ---------",
    ),
    "es": Tongue(
        (
            "El lun, 1 ene 2024 a las 10:00, Ann Lee (<ann@x.example>) escribió:",
            "El 1/1/24 a las 10:00, Ann Lee escribió:",
        ),
        "De: Ann\nEnviado el: lunes\nPara: Bob\nAsunto: Horno",
        "-----Mensaje original-----",
        ("Enviado desde mi iPhone", "Obtener Outlook para iOS"),
        "---------- Mensaje reenviado ---------",
    ),
    "it": Tongue(
        (
            "Il giorno lun 1 gen 2024 alle ore 10:00 Ann Lee <ann@x.example> ha scritto:",
            "Il 01/01/2024 10:00, Ann Lee ha scritto:",
        ),
        "Da: Ann\nInviato: lunedì\nA: Bob\nOggetto: Forno",
        "-----Messaggio originale-----",
        ("Inviato da iPhone", "Ottieni Outlook per iOS"),
        "---------- Messaggio inoltrato ---------",
    ),
    "pt": Tongue(
        (
            "Em seg., 1 de jan. de 2024 às 10:00, Ann Lee <ann@x.example> escreveu:",
            "Ann Lee <ann@x.example> escreveu no dia segunda, 1/01/2024 à(s) 10:00:",
        ),
        "De: Ann\nEnviada em: segunda-feira\nPara: Bob\nAssunto: Forno",
        "-----Mensagem original-----",
        ("Enviado do meu iPhone", "Obter o Outlook para iOS"),
        "---------- Mensagem encaminhada ---------",
    ),
    "nl": Tongue(
        (
            "Op ma 1 jan 2024 om 10:00 schreef Ann Lee <ann@x.example>:",
            "Op 1 jan. 2024 om 10:00 heeft Ann Lee <ann@x.example> het volgende geschreven:",
        ),
        "Van: Ann\nVerzonden: maandag\nAan: Bob\nOnderwerp: Oven",
        "-----Oorspronkelijk bericht-----",
        ("Verstuurd vanaf mijn iPhone", "Outlook voor iOS downloaden"),
        "---------- Doorgestuurd bericht ---------",
    ),
    "pl": Tongue(
        (
            "pon., 1 sty 2024 o 10:00 Ann Lee <ann@x.example> napisał(a):",
            "W dniu 1.01.2024 o 10:00, Ann Lee pisze:",
            "Wiadomość napisana przez Ann Lee <ann@x.example> w dniu 1 sty 2024, o godz. 10:00:",
        ),
        "Od: Ann\nWysłane: poniedziałek\nDo: Bob\nTemat: Piec",
        "-----Wiadomość oryginalna-----",
        ("Wysłane z iPhone'a", "Pobierz program Outlook dla systemu iOS"),
        "---------- Wiadomość przekazana ---------",
    ),
    "sv": Tongue(
        (
            "Den mån 1 jan. 2024 kl 10:00 skrev Ann Lee <ann@x.example>:",
            "1 jan. 2024 kl. 10:00 skrev Ann Lee <ann@x.example>:",
        ),
        "Från: Ann\nSkickat: måndag\nTill: Bob\nÄmne: Ugn",
        "-----Ursprungligt meddelande-----",
        ("Skickat från min iPhone", "Skaffa Outlook för iOS"),
        "---------- Vidarebefordrat meddelande ---------",
    ),
    "da": Tongue(
        (
            "Den man. 1. jan. 2024 kl. 10.00 skrev Ann Lee <ann@x.example>:",
            "Den 01-01-2024 kl. 10:00 skrev Ann Lee:",
        ),
        "Fra: Ann\nSendt: mandag\nTil: Bob\nEmne: Ovn",
        "-----Oprindelig meddelelse-----",
        ("Sendt fra min iPhone", "Hent Outlook til iOS"),
        "---------- Videresendt meddelelse ---------",
    ),
    "nb": Tongue(
        ("man. 1. jan. 2024 kl. 10:00 skrev Ann Lee <ann@x.example>:",),
        "Fra: Ann\nSendt: mandag\nTil: Bob\nEmne: Ovn",
        "-----Opprinnelig melding-----",
        ("Sendt fra min iPhone", "Skaff deg Outlook for iOS"),
        "---------- Videresendt melding ---------",
    ),
    "fi": Tongue(
        ("ma 1. tammik. 2024 klo 10.00 Ann Lee (ann@x.example) kirjoitti:",),
        "Lähettäjä: Ann\nLähetetty: maanantai\nVastaanottaja: Bob\nAihe: Uuni",
        "-----Alkuperäinen viesti-----",
        ("Lähetetty iPhonesta", "Hanki Outlook for iOS"),
        "---------- Edelleenlähetetty viesti ---------",
    ),
    "cs": Tongue(
        (
            "po 1. 1. 2024 v 10:00 odesílatel Ann Lee <ann@x.example> napsal:",
            "Dne 01.01.24 v 10:00 Ann Lee napsal(a):",
        ),
        "Od: Ann\nOdesláno: pondělí\nKomu: Bob\nPředmět: Trouba",
        "-----Původní zpráva-----",
        ("Odesláno z iPhonu", "Získat Outlook pro iOS"),
        "---------- Přeposlaná zpráva ---------",
    ),
    "ru": Tongue(
        (
            "пн, 1 янв. 2024 г. в 10:00, Ann Lee <ann@x.example>:",
            "01.01.2024 10:00, Ann Lee пишет:",
            "Понедельник, 1 января 2024, 10:00 +03:00 от Ann Lee <ann@x.example>:",
            "1 янв. 2024 г., в 10:00, Ann Lee <ann@x.example> написал(а):",
        ),
        "От: Ann\nОтправлено: понедельник\nКому: Bob\nТема: Печь",
        "-----Исходное сообщение-----",
        ("Отправлено с iPhone", "Отправлено из Почты для Windows"),
        "---------- Пересланное сообщение ---------",
    ),
    "ja": Tongue(
        (
            "2024年1月1日(月) 10:00 Ann Lee <ann@x.example>:",
            "2024/01/01 10:00、Ann Lee <ann@x.example>のメール:",
        ),
        "差出人: Ann\n送信日時: 月曜日\n宛先: Bob\n件名: オーブン",
        "-----元のメッセージ-----",
        ("iPhoneから送信", "Outlook for iOSを入手"),
        "---------- 転送メッセージ ---------",
    ),
    "zh": Tongue(
        (
            "Ann Lee <ann@x.example> 于2024年1月1日周一 10:00写道：",
            "在 2024/1/1 10:00, Ann Lee 写道:",
            "Ann Lee <ann@x.example> 於 2024年1月1日 週一 上午10:00寫道：",
        ),
        "发件人: Ann\n发送时间: 星期一\n收件人: Bob\n主题: 烤箱",
        "------------------&nbsp;原始邮件&nbsp;------------------",
        ("发自我的iPhone", "获取 Outlook for iOS", "從我的 iPhone 傳送"),
        "---------- 转发邮件 ---------",
    ),
    "zh-Hant": Tongue(
        (),
        "寄件者: Ann\n寄件日期: 星期一\n收件者: Bob\n主旨: 烤箱",
        "-----原始郵件-----",
        (),
        "---------- 转发邮件 ---------",
    ),
    "ko": Tongue(
        ("2024년 1월 1일 (월) 오전 10:00, Ann Lee <ann@x.example>님이 작성:",),
        "보낸 사람: Ann\n보낸 날짜: 2024년 1월 1일\n받는 사람: Bob\n제목: 오븐",
        "-----Original Message-----",
        ("나의 iPhone에서 보냄",),
        "---------- Forwarded message ---------",
    ),
    "tr": Tongue(
        ("Ann Lee <ann@x.example>, 1 Oca 2024 Pzt, 10:00 tarihinde şunu yazdı:",),
        "Gönderen: Ann\nGönderildi: 1 Ocak 2024\nKime: Bob\nKonu: Fırın",
        "-----Original Message-----",
        ("iPhone'umdan gönderildi",),
        "---------- Forwarded message ---------",
    ),
    "hu": Tongue(
        ("Ann Lee <ann@x.example> ezt írta (időpont: 2024. jan. 1., H, 10:00):",),
        "Feladó: Ann\nElküldve: 2024. január 1.\nCímzett: Bob\nTárgy: Sütő",
        "-----Original Message-----",
        (),
        "---------- Forwarded message ---------",
    ),
    "uk": Tongue(
        ("пн, 1 січ. 2024 р. о 10:00 Ann Lee <ann@x.example> пише:",),
        "От: Ann\nДата: понедельник\nКому: Bob\nТема: Печь",
        "-----Original Message-----",
        (),
        "---------- Forwarded message ---------",
    ),
}
QUOTE = "> OLD one\n> OLD two"


def each(field: str) -> list[object]:
    """One case for each thing that clients write."""
    cases = []
    for language, tongue in TONGUES.items():
        value = getattr(tongue, field)
        for number, one in enumerate(value if isinstance(value, tuple) else (value,)):
            cases.append(pytest.param(one, id=f"{language}{number or ''}"))
    return cases


def folded(text: str) -> str:
    """The new part of *text* as an HTML mail."""
    return html_to_text(shown_html(text_to_html(text)).partition(FOLD)[0])


@pytest.mark.parametrize("introduction", each("introductions"))
def test_introductions(introduction: str) -> None:
    for text in (
        f"{NEW}\n\n{introduction}\n{QUOTE}",
        f"{NEW}\n\n{introduction}\n\n{QUOTE}\n",
        f"{NEW}\n{introduction}\n\nOLD without marks",
    ):
        assert new_text(text) == NEW
        assert folded(text) == NEW


@pytest.mark.parametrize("header", each("header"))
def test_headers_of_old_mails(header: str) -> None:
    for text in (
        f"{NEW}\n\n{header}\n\nOLD",
        f"{NEW}\n\n________________________________\n{header}\nOLD",
        f"{NEW}\n\n" + "\n".join(f"*{line.replace(':', ':*', 1)}" for line in header.split("\n")),
    ):
        assert new_text(text) == NEW
        assert folded(text) == NEW


@pytest.mark.parametrize("separator", each("separator"))
def test_separators(separator: str) -> None:
    text = f"{NEW}\n\n{separator}\nAnn: OLD"
    assert new_text(text) == NEW
    assert folded(text) == NEW


@pytest.mark.parametrize("signature", each("signatures"))
def test_signatures_of_devices(signature: str) -> None:
    for text in (
        f"{NEW}\n\n{signature}",
        f"{NEW}\n\n{signature}\n\nOn 1 Jan 2024, Ann wrote:\n{QUOTE}",
    ):
        assert new_text(text) == NEW
        assert folded(text) == NEW


@pytest.mark.parametrize("forwarded", each("forwarded"))
def test_what_is_forwarded_is_read(forwarded: str) -> None:
    text = f"{NEW}\n\n{forwarded}\nFrom: Ann\nSubject: Oven\n\nOLD"
    assert new_text(text).endswith("OLD")
    assert folded(text).endswith("OLD")


@pytest.mark.parametrize(
    "text",
    [
        "On Monday I wrote:\nplease come.",
        "Get Outlook for iOS? I would rather not, what do you think of it?",
        "From: the oven\nTo: the fridge\nI carried it.",
        "Von: Haus\nAn: Garten\nDatum: 1. Mai",
        "Sent from here to there, the parcel is lost.",
        "Am 1. Mai hat er geschrieben, dass es geht.",
        "Le 1 mai, il a écrit une lettre.",
        "Den 1 maj skrev vi om kontraktet.",
        "He wrote 2 mails: one good, one bad.",
    ],
)
def test_what_people_write_stays(text: str) -> None:
    assert new_text(text) == text
