"""Finds passwords among a command's arguments: an option's value, or a positional argument (`net user bob …`).

Each rule names programs and where their password stands; `-p` of other programs is ignored. `commands.py` has the programs whose
password is piped in, or attached to an option that others use too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.redaction import names
from app.redaction.finding import Finding
from app.redaction.gate import Find, RedactionRule
from app.redaction.typed import is_clearly_password, may_be_password_argument, secret_at

_MAX_LINE = 300
_MAX_ARGUMENTS = 24
_ARGUMENT = re.compile(
    r"(?:[ \t]|\\\r?\n|`\r?\n|\^\r?\n){1,40}+(?P<lead>[-/+]{0,2}[A-Za-z0-9_.$-]{0,30}[:=]|-[A-Za-z]{1,2}(?=[\"']))?"
    r"(?P<quote>\\?[\"'])?(?P<value>(?(quote)[^\"'\n\\]{0,200}|[^\s\"'|;&<>()`]{1,200}))(?(quote)\\?[\"']|)"
)
Accepts = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument. `name`: the option as written, with its `=` or `:`; empty for a positional argument."""

    name: str
    value: str
    start: int
    begin: int

    @property
    def whole(self) -> str:
        return self.name + self.value

    @property
    def in_one(self) -> bool:
        """True if no quote stands between name and value: `whole` is then the text from `begin` on."""
        return self.start - self.begin == len(self.name)


def arguments(text: str, place: int) -> Iterator[Argument]:
    """Yield a command line's arguments, over continued lines, up to a pipe, a `;` or the line's end."""
    end = min(len(text), place + _MAX_LINE)
    for _ in range(_MAX_ARGUMENTS):
        if not (match := _ARGUMENT.match(text, place, end)) or match.end() == place:
            return
        yield Argument(
            match["lead"] or "", match["value"], match.start("value"), match.start("lead") if match["lead"] else match.start("value")
        )
        place = match.end()


def option(*spelled: str, accepts: Accepts = may_be_password_argument, attached: bool = False, split: str = "") -> Find:
    """Build a matcher for an option's value: the next argument, or what follows `=` or `:` (`attached`: directly after the option).

    `split`: the password is the part of the value after this separator, as in `bob%…`.
    """
    known = frozenset(spelled)

    def find(text: str, at: int) -> Iterator[Finding]:
        if not (begin := _after_program(text, at)):
            return
        wanted = False
        for each in arguments(text, begin):
            if attached and wanted:
                pass
            elif wanted and each.in_one:
                yield from _found(each.whole, each.begin, split, accepts)
            elif wanted or each.name.rstrip(":=") in known:
                yield from _found(each.value, each.start, split, accepts)
            elif attached and (name := next((name for name in known if each.whole.startswith(name)), None)) and len(each.whole) > len(name):
                skipped = len(name) - len(each.name)
                if skipped >= 0:
                    yield from _found(each.value[skipped:], each.start + skipped, split, accepts)
            wanted = each.whole in known

    return find


def positional(*before: str, number: int, accepts: Accepts = may_be_password_argument) -> Find:
    """Build a matcher for the positional argument `number` (from 0) after the words of `before`; options don't count."""

    def find(text: str, at: int) -> Iterator[Finding]:
        if not (begin := _after_program(text, at)):
            return
        plain = [each for each in arguments(text, begin) if not each.whole.startswith(("-", "/"))]
        said = [each.value for each in plain]
        place = next((place for place in range(len(said)) if said[place : place + len(before)] == list(before)), None)
        if place is not None and len(plain) > place + len(before) + number and (chosen := plain[place + len(before) + number]).in_one:
            yield from _found(chosen.whole, chosen.begin, "", accepts)

    return find


def _after_program(text: str, at: int) -> int | None:
    """Return the start of the arguments; None if the program's name is part of another word."""
    if at and (text[at - 1].isalnum() or text[at - 1] in "_-"):
        return None
    end = at
    while end < len(text) and (text[end].isalnum() or text[end] in "_-.") and end - at < 40:
        end += 1
    return end


def _found(value: str, start: int, split: str, accepts: Accepts) -> Iterator[Finding]:
    if split:
        user, sign, value = value.partition(split)
        if not sign or not user:
            return
        start += len(user) + len(split)
    if value and accepts(value):
        yield Finding("password", start, start + len(value))


_BASIC_HTPASSWD = re.compile(r"-[a-zA-Z0-9]*b")


def _htpasswd(text: str, at: int) -> Iterator[Finding]:
    """Find htpasswd's password: the last argument with `-b`; with `-n` there is no file."""
    found = list(arguments(text, at + len("htpasswd")))
    options = [each.whole for each in found if each.whole.startswith("-")]
    if not any(_BASIC_HTPASSWD.match(each) for each in options):
        return
    plain = [each for each in found if not each.whole.startswith("-") and not each.whole.isdigit()]
    place = 1 if any("n" in each for each in options) else 2
    if len(plain) > place and may_be_password_argument(plain[place].whole):
        yield Finding("password", plain[place].begin, plain[place].start + len(plain[place].value))


def _net_user(text: str, at: int) -> Iterator[Finding]:
    """Find `net user bob … /add` and `net use Z: \\\\host\\share … /user:bob`."""
    plain = [each for each in arguments(text, at + len("net")) if not each.whole.startswith("/")]
    if not plain:
        return
    for each in plain[2 if plain[0].value.lower() == "user" else 1 :]:
        network = "\\" in each.whole or each.whole.endswith(":") or each.name
        if not network and (may_be_password_argument if plain[0].value.lower() == "user" else is_clearly_password)(each.value):
            yield Finding("password", each.start, each.start + len(each.value))
            return


def _variable(text: str, at: int) -> Iterator[Finding]:
    """Find `setx DB_PASSWORD …`."""
    plain = [each for each in arguments(text, at + len("setx")) if not each.whole.startswith("/")]
    if len(plain) > 1 and names.announces(plain[0].value) and re.search("pass|pwd|secret|token|key", plain[0].value, re.IGNORECASE):
        value = plain[1].whole
        if names.fits(plain[0].value, value, quoted=True):
            yield Finding(names.kind(plain[0].value), plain[1].begin, plain[1].start + len(plain[1].value))


_QUOTED = r"[\"'](?P<secret>[^\"'\n]{3,200})[\"']"
_SECURE_STRING = re.compile(
    r"(?i:convertto-securestring)(?:[ \t]+-(?i:asplaintext|force|string))*[ \t]+(?:[\"'](?P<secret>[^\"'\n$]{3,200})[\"']|(?P<bare>[^\s\"'$()|;-][^\s\"'$()|;]{3,200}))"
)
_INTO_SECURE_STRING = re.compile(r"[\"'](?P<secret>[^\"'\n$]{3,200})[\"'][ \t]*\|[ \t]*\Z")
_CREDENTIAL = re.compile(rf"(?i:pscredential|networkcredential)\]?(?i:::new)?[ ]?\([ ]?[\"'][^\"'\n]{{1,80}}[\"'][ ]?,[ ]?{_QUOTED}")
_IDENTIFIED = re.compile(
    r"(?i:identified(?:[ ]with[ ]['\"]?\w{1,40}['\"]?)?[ ](?:by|as)[ ](?:password[ ])?)['\"](?P<secret>[^'\"\n]{3,200})['\"]"
)
_NATIVE = re.compile(r"(?i:mysql_native_password|caching_sha2_password)['\"]?[ ](?i:by)[ ]['\"](?P<secret>[^'\"\n]{3,200})['\"]")
_TARGET = re.compile(r"[^\s/\"']{1,60}/\"?(?P<secret>[^\s\"']{3,100})\"?@[\w./:-]{1,100}\Z")
_SENT = re.compile(r"send(?:_user)?[ ](?:--[ ])?\\?\"(?P<secret>[^\s\"\\$]{3,100})\\{1,2}r")


def _secure_string(text: str, at: int) -> Iterator[Finding]:
    match = _SECURE_STRING.match(text, at) or _INTO_SECURE_STRING.search(text, max(0, at - 250), at)
    if match:
        name = "secret" if match["secret"] is not None else "bare"
        if may_be_password_argument(match[name]):
            yield Finding("password", *match.span(name))


def _sent(text: str, at: int) -> Iterator[Finding]:
    """Find what an `expect` script sends after a password prompt."""
    if "assword" in text[max(0, at - 250) : at].lower() and (match := _SENT.match(text, at)) and may_be_password_argument(match["secret"]):
        yield Finding("password", *match.span("secret"))


def _oracle(text: str, at: int) -> Iterator[Finding]:
    if not (begin := _after_program(text, at)):
        return
    for each in arguments(text, begin):
        if each.in_one and (match := _TARGET.match(each.whole)) and may_be_password_argument(match["secret"]):
            start = each.begin + match.start("secret")
            yield Finding("password", start, start + len(match["secret"]))


_LDAP = ("ldapsearch ", "ldapadd ", "ldapmodify ", "ldapwhoami ", "ldapdelete ", "ldappasswd ", "ldapcompare ")
_SMB = ("smbclient ", "rpcclient ", "smbmap ", "net rpc ", "net ads ", "smbget ", "wmiexec ")
_PENTEST = (
    "hydra ",
    "crackmapexec ",
    "netexec ",
    "nxc ",
    "evil-winrm ",
    "psexec ",
    "psexec64 ",
    "cqlsh ",
    "rdesktop ",
    "medusa ",
    "mongoimport ",
)
_IMPACKET = re.compile(
    r"(?i:impacket-\w{1,20}|\w{3,12}exec\.py|secretsdump\.py)[ ][^\n]{0,80}?[\w./-]{1,60}:['\"]?(?P<secret>[^\s'\"]{3,100})['\"]?@(?=[\w.-])"
)
RULES = (
    RedactionRule(("htpasswd ",), _htpasswd),
    RedactionRule(_LDAP, option("-w", "-s")),
    RedactionRule(_SMB, option("-U", "--user", "-N", split="%")),
    RedactionRule(_PENTEST, option("-p", accepts=is_clearly_password)),
    RedactionRule(("impacket-", "exec.py ", "secretsdump.py "), secret_at("password", _IMPACKET, may_be_password_argument)),
    RedactionRule(("az login",), option("-p", "--password", accepts=is_clearly_password)),
    RedactionRule(("skopeo ", "buildah login", "crane auth"), option("-p", "--password", accepts=is_clearly_password)),
    RedactionRule(("skopeo ", "buildah "), option("--creds", "--src-creds", "--dest-creds", split=":")),
    RedactionRule(("zip ", "unzip ", "ipmitool ", "sqlcmd ", "bcp ", "ssh-keygen "), option("-P", "-N", accepts=is_clearly_password)),
    RedactionRule(
        ("mosquitto_pub ", "mosquitto_sub ", "snmpget ", "snmpwalk ", "snmpset "), option("-P", "-A", "-X", accepts=is_clearly_password)
    ),
    RedactionRule(("7z ", "7za ", "7zz ", "unrar ", "rar "), option("-p", "-hp", accepts=is_clearly_password, attached=True)),
    RedactionRule(("useradd ", "usermod "), option("-p", "--password")),
    RedactionRule(("plink ", "pscp ", "psftp ", "putty ", "plink.exe ", "pscp.exe "), option("-pw")),
    RedactionRule(("winrs ",), option("-p", "-password", "/p")),
    RedactionRule(("xfreerdp ", "wlfreerdp ", "mstsc "), option("/p")),
    RedactionRule(("cmdkey ",), option("/pass", "/p")),
    RedactionRule(("schtasks ",), option("/rp", "/p", "/RP", "/P")),
    RedactionRule(("lftp ",), option("-u", "--user", split=",", accepts=is_clearly_password)),
    RedactionRule(("http ", "https ", "xh "), option("-a", "--auth", split=":", accepts=is_clearly_password)),
    RedactionRule(("rabbitmqctl ",), positional("add_user", number=1)),
    RedactionRule(("rabbitmqctl ",), positional("change_password", number=1)),
    RedactionRule(("wpa_passphrase ",), positional(number=1)),
    RedactionRule(("mc alias",), positional("alias", "set", number=3, accepts=is_clearly_password)),
    RedactionRule(("mysqladmin ", "nmcli "), positional("password", number=0)),
    RedactionRule(("net user ", "net use ", "net.exe user ", "net1 user "), _net_user),
    RedactionRule(("setx ",), _variable),
    RedactionRule(("sqlplus ", "impdp ", "expdp ", "rman ", "sqlldr "), _oracle),
    RedactionRule(("convertto-securestring",), _secure_string),
    RedactionRule(("pscredential", "networkcredential"), secret_at("password", _CREDENTIAL, may_be_password_argument)),
    RedactionRule(("identified by", "identified with", "identified as"), secret_at("password", _IDENTIFIED, may_be_password_argument)),
    RedactionRule(("mysql_native_password", "caching_sha2_password"), secret_at("password", _NATIVE, may_be_password_argument)),
    RedactionRule(('send "', 'send \\"', 'send -- "'), _sent),
    RedactionRule(
        ("input_pw ", "owner_pw ", "user_pw "),
        secret_at("password", re.compile(r"\w{4,5}_pw[ ][\"']?(?P<secret>[^\s\"']{3,100})", re.IGNORECASE), may_be_password_argument),
    ),
)
