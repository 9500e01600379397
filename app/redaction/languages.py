"""Words for password, credentials and user in many languages, in each spelling of their accents, and their anchors for the gate.

Words only: `announced.py` and `pairs.py` know what stands between them and a secret.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import product

PASSWORDS = (
    *("password", "passphrase", "passcode", "passwd"),  # en
    *("passwort", "paßwort", "kennwort", "zugangscode"),  # de
    *("mot de passe", "phrase de passe"),  # fr
    *("contraseña", "contrasenya", "clave"),  # es
    *("senha", "palavra-passe", "palavra passe"),  # pt
    *("parola d'ordine", "parola d’ordine"),  # it
    *("hasło", "hasła", "hasłem", "heslo", "heslem", "hesla", "lösenet"),  # pl, cs, sk, sv
    *("mật khẩu", "kata sandi", "κωδικός", "סיסמה", "كلمة المرور", "كلمة السر", "पासवर्ड", "รหัสผ่าน"),  # vi, id, el, he, ar, hi, th
    *("пароль", "пароля", "паролем"),  # ru, uk
    *("密码", "密碼", "口令", "パスワード", "ﾊﾟｽﾜｰﾄﾞ", "비밀번호", "암호"),
)
INFLECTED_PASSWORDS = (
    *("şifre", "parola", "parolă", "lösenord", "passord", "adgangskode", "kodeord", "wachtwoord", "salasana", "jelszó", "lozinka"),
)
"""Words with inflections, such as an article or an owner: `şifresi`, `lösenordet` (tr, it, ro, sv, no, da, nl, fi, hu, hr)."""
SHORT_PASSWORDS = ("pw", "pwd", "pass", "mdp", "ww", "lösen", "パス")
"""Words so short that they occur anywhere: considered only before a sign or `is`."""

AMBIGUOUS_PASSWORDS = frozenset({"ww", "lösen", "lo\u0308sen", "losen", "loesen", "パス"})
"""Words with another common meaning (`lösen`: to solve; `パス`: path): their value must not look like a name."""
QUALIFIERS = (
    *("root", "admin", "administrator", "user", "postgres", "mysql", "sudo", "ssh", "ftp", "wifi", "vpn", "prod", "staging", "dev", "test"),
    *(
        "actuel",
        "nouveau",
        "ancien",
        "temporaire",
        "provisoire",
        "administrateur",
        "utilisateur",
        "nueva",
        "nuevo",
        "actual",
        "antigua",
        "vieja",
    ),
    *(
        "temporal",
        "provisional",
        "anterior",
        "nova",
        "atual",
        "antiga",
        "temporária",
        "provisória",
        "nuova",
        "attuale",
        "vecchia",
        "temporanea",
    ),
    *(
        "provvisoria",
        "roota",
        "admina",
        "administratora",
        "użytkownika",
        "serwera",
        "bazy",
        "tymczasowe",
        "nowe",
        "stare",
        "uživatele",
        "serveru",
    ),
    *(
        "databáze",
        "správce",
        "používateľa",
        "dočasné",
        "nové",
        "staré",
        "рута",
        "админа",
        "администратора",
        "пользователя",
        "сервера",
        "базы",
    ),
)
"""Words after the keyword that name its owner or kind: `mot de passe root`, `contraseña nueva`, `hasło roota`."""

CREDENTIALS = (
    *("credentials", "credential", "creds", "cred", "login details", "login data", "login info", "basic auth", "basicauth"),
    *("zugangsdaten", "anmeldedaten", "logindaten", "identifiants", "credenciales", "credenciais", "credenziali"),
    *("dane logowania", "dane dostępowe", "poświadczenia", "giriş bilgileri", "přihlašovací údaje", "prihlasovacie údaje"),
    *("inloggningsuppgifter", "inloggegevens", "adgangsoplysninger", "учетные данные", "учётные данные"),
    *("凭据", "凭证", "憑證", "登录信息", "登錄資訊", "账号密码", "帐号密码", "账户密码", "用户名密码"),
    *("ログイン情報", "認証情報", "アカウント情報"),
)
LOGINS = (
    *(
        "login",
        "account",
        "connexion",
        "connecte-toi",
        "connecte toi",
        "connectez-vous",
        "acceso",
        "conéctate",
        "inicia sesión",
        "konto",
        "log in",
        "sign in",
        "sign-in",
        "log-in",
        "logged in",
        "authenticate",
    ),
    *(
        "authenticated",
        "connect",
        "melde dich",
        "verbinde dich",
        "conecte-se",
        "collegati",
        "accedi",
        "zaloguj się",
        "połącz się",
        "přihlas se",
        "logga in",
        "anmelden",
        "einloggen",
        "логин",
        "账号",
        "帐号",
        "账户",
        "アカウント",
    ),
)
USERS = (
    *("username", "user name", "user", "login", "account"),
    *("benutzername", "benutzer", "nutzername", "utilisateur", "identifiant", "usuario", "usuário", "nombre de usuario"),
    *("utente", "nome utente", "użytkownik", "nazwa użytkownika", "kullanıcı adı", "kullanıcı", "uživatel", "uživatelské jméno"),
    *("användare", "användarnamn", "gebruiker", "gebruikersnaam", "bruker", "brugernavn", "käyttäjä", "felhasználó"),
    *("пользователь", "логин", "用户名", "用户", "账号", "帐号", "账户", "用戶名", "ユーザー名", "ユーザー", "アカウント", "사용자"),
)

_LATIN = 0x24F  # end of Latin Extended-B; Vietnamese goes beyond, but its words begin with a plain letter
_BARE = {"ł": "l", "ı": "i", "ø": "o", "đ": "d", "ß": "ss"}
_TURKISH = frozenset("ışğ")
"""Letters of Turkish, whose capital `i` has a dot and lies beyond Latin-1."""
_DIGRAPHS = {"ä": "ae", "ö": "oe", "ü": "ue"}


def pattern(words: Iterable[str]) -> str:
    """Build a regex alternation, longest first, that accepts each accent precomposed, decomposed or left out."""
    return "|".join("".join(map(_letter, word)) for word in sorted(words, key=len, reverse=True))


def anchors(words: Iterable[str], ends: Iterable[str] = ("",)) -> tuple[str, ...]:
    """Return the words' anchors for the gate (`gate.py`): lower-case ASCII with `?` beyond Latin-1, each with each of the `ends`.

    Words of other scripts are rare enough without `ends`.
    """
    found = (form + end for word in words for form in _forms(word) for end in (("",) if ord(max(form)) > _LATIN else ends))
    return tuple(dict.fromkeys(found))


def _letter(letter: str) -> str:
    base, marks = _decomposed(letter)
    if letter == " ":
        return "[ ]"
    if letter in _BARE:
        return f"(?:{letter}|{_BARE[letter]})"
    if not marks:
        return "\\" + letter if letter in "-'." else letter
    digraph = f"|{_DIGRAPHS[letter]}" if letter in _DIGRAPHS else ""
    return f"(?:{letter}{digraph}|{base}[{marks}]{{0,{len(marks)}}})"


def _decomposed(letter: str) -> tuple[str, str]:
    parts = unicodedata.normalize("NFD", letter)
    latin = ord(parts[0]) <= _LATIN
    return (parts[0], parts[1:]) if latin else (letter, "")


def _forms(word: str) -> Iterator[str]:
    if ord(word[0]) > _LATIN and word[0] != "ş":
        yield word
        return
    choices = [("i", "?") if letter == "i" and _TURKISH.intersection(word) else _spellings(letter) for letter in word]
    for spelled in product(*choices):
        yield "".join(spelled)


def _spellings(letter: str) -> tuple[str, ...]:
    if letter == " ":
        return (" ",)
    base, marks = _decomposed(letter)
    if letter.isascii():
        return (letter,)
    bare = _BARE.get(letter, base)
    alone = ("ß",) if letter == "ß" else (letter, letter.upper()) if ord(letter) <= 0xFF else ("?",)
    decomposed = (bare, bare + "?" * len(marks)) if bare.isascii() else ()
    return tuple(dict.fromkeys((*alone, *decomposed, _DIGRAPHS.get(letter, alone[0]))))
