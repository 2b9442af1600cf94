"""Is a reply to a solved ticket nothing but a thank-you? (pure)

Wrong in one direction only: every word has to be known as harmless, so "Thanks, but it is broken
again" opens the ticket, and so does what nobody thought of.
"""

from __future__ import annotations

import re

MAX_LENGTH = 300  # characters
MAX_WORDS = 30

_thanks = frozenset(
    "thanks thank thx ty cheers danke vielen dankeschön merci gracias grazie obrigado obrigada "
    "bedankt dank dankjewel tack tak takk dziękuję dzięki dziekuje děkuji díky спасибо благодарю "
    "kiitos köszönöm ありがとう ありがとうございます ありがとうございました 谢谢 謝謝 感谢 "
    "감사합니다".split()
)
_harmless = frozenset(
    # English
    "you so much very many a lot for the your quick fast great prompt kind help support reply "
    "answer response assistance works work working now it is all that this solved fixed fine good "
    "perfect perfectly excellent awesome wonderful brilliant super ok okay yes yep again to team "
    "and everyone hi hello dear best regards kind kindest warm wishes have nice day weekend well "
    "done appreciated appreciate i we got received sorted did trick everything resolved "
    "sincerely yours greetings from in advance worked like charm "
    # German
    "vielen herzlichen besten schönen für die den das ihre ihren deine deinen schnelle hilfe "
    "antwort unterstützung rasche es geht funktioniert jetzt wieder alles klar gut bestens prima "
    "toll perfekt passt hallo guten tag mit freundlichen grüßen gruß viele liebe grüße beste "
    "und schönes wochenende ihnen dir euch allen sehr "
    # French, Spanish, Italian, Portuguese
    "beaucoup pour votre aide réponse rapide ça marche maintenant tout est bon parfait bonjour "
    "cordialement bonne journée bien à vous muchas por su tu ayuda respuesta rápida ya funciona "
    "ahora todo perfecto hola un saludo saludos cordiales mille per il vostro aiuto tuo risposta "
    "adesso funziona tutto perfetto ciao saluti cordiali muito pela pelo sua ajuda resposta agora "
    "está funcionando tudo certo perfeito olá atenciosamente cumprimentos "
    # Dutch, Swedish, Danish, Norwegian, Polish, Czech
    "je jullie u wel heel erg voor de het snelle hulp antwoord werkt nu weer goed groeten met "
    "vriendelijke groet så mycket för hjälpen svaret snabba det fungerar nu hälsningar vänliga "
    "mange hjælpen hjelpen svaret virker nå hilsen med venlig vennlig bardzo za pomoc odpowiedź "
    "szybką działa już wszystko pozdrawiam moc mockrát pomoc odpověď funguje už pozdravem "
    # Russian
    "большое за помощь ответ всё все работает теперь уважением с".split()
)
_word = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_telling = re.compile(r"[?？¿\d@]|https?:|\.\.\.")


def is_mere_thanks(text: str, *, name: str = "") -> bool:
    """True where *text* says thank you and nothing else; *name* is the writer's, who may sign."""
    if len(text) > MAX_LENGTH or _telling.search(text):
        return False
    words = [word.lower().replace("’", "'") for word in _word.findall(text)]
    if not words or len(words) > MAX_WORDS or not _thanks.intersection(words):
        return False
    own = {word.lower() for word in _word.findall(name)}
    return all(word in _thanks or word in _harmless or word in own for word in words)
