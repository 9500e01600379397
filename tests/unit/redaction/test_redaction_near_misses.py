"""What speaks of passwords, logins and phrases without telling one, in many languages. A false alarm destroys knowledge for good."""

from __future__ import annotations

import pytest

from app.redaction import redact

PROSE = """
the password is required
The password is hashed with bcrypt before it is stored.
password is hashed with argon2id
the password is AES-256 encrypted
The password is base64-encoded, not encrypted.
the password is stored as SHA-256 digest
the password field is empty
The password for the database is in Vault
password for the database is stored in 1Password
the password for the staging server is kept in 1Password, under "infra"
the password of the admin account is rotated every 90 days
The password must be 8-20 characters long and contain 1 digit.
the password should be at least 12 characters
password is too short (min 8)
The password is wrong.
Is the password correct?
the password you entered is incorrect
your password will expire in 14 days
your password has been changed
The password was changed from plain text to argon2id in v2.3
the password column was renamed from pass_word1 to pass_word2
password hashing moved from sha1 to sha256
We changed the password policy from 8 to 12 characters
set the password to null for OAuth2 users
set the password to expire after 30d
set the password to the value of $DB_PASSWORD
reset the password to default
change the password to something longer
add the password to user_v2 and drop the old column
use bcrypt2 as the password hasher
use argon2id as the password hashing algorithm
use field2 as the password
treat node2 as the password server
Argon2id is the password hash we use
PBKDF2-SHA256 is the password scheme of Django 4.2
the first line is the password, the second the host
that is the password
what is the password?
The passphrase is optional.
The passphrase is read from stdin.
a passphrase of 4 words is stronger than 8 characters
passwords are case-sensitive
The password is user-defined-and-stored-encrypted-at-rest
the password is read-from-the-environment-variable
password reset for user1234 is done
the password for user42 is not set
The password for node-3.example.org is missing
password-protected zip2 files
the password input2 component
Passwords for v1 and v2 are incompatible
the pw is needed twice
pass for the second test is fine
the pass is at 10:30 on gate B12
This pass is O(n2)
the first pass is mark2sweep
"""

LOGINS = """
connect as reader with password policy2
run it as admin, password in Vault2
user/password: required / optional
user/pass: see docs/setup2
credentials: include
credentials: 'same-origin'
credentials: true, origin2: x
fetch(url, { credentials: "include", cache: "no-store" })
credentials: omit / include
Credentials are required / optional
credentials: see docs/setup2.md
credentials: none and unset
credentials are read from ~/.aws/credentials2
credentials (OAuth2 / OIDC)
credentials for s3 / ec2 are rotated
credentials/oauth2.py: parse the header
The credentials are invalid or expired
invalid credentials: user not found / wrong password
aws credentials: profile / region
cred: str, ttl2: int
login with GitHub
login with GitHub / Google
login with OAuth: see docs
login with SAML2 / OIDC
login with SSO: contact it2support
log in with your work account or MFA
log in as admin, then open step2
login as admin/viewer
login as root and run step2
log in with example.com:443
login with localhost:8080
login at 10:30
login at 10:30: bob was late
logged in as bob / on node-3
login: function, logout2: function
login: async (user) => user2
Login: success, 200ms
login: bob, role: admin2
sign in with Apple / Passkey
authenticate with mTLS / OAuth2
authenticate with tokens: see RFC6749
connect with wss://node2/ws
connect as reader: port 5432
account: shop / region: eu2
account: repo/image2x
accounts: alice, bob and carol3
user: bob, role: admin
user: bob / role: admin2
user: User, password: Password
user: string, password: string
user: bob, password: required
user: bob, password: encrypted
user: "Benutzer", password: "Passwort"
{ "username": "Benutzername", "password": "Passwort" }
{ username: form.username, password: form.password }
const { user: u1, pass: p1 } = config
{ user: req.body.user, pass: hashedPass }
username: str, password: SecretStr
username: z.string(), password: z.string()
username=username password=password
username bob, no password set
user bob has no password on db2
user bob and password are in Vault
user: root; group: wheel2
basic auth: enabled / disabled
basic auth is used by proxy2
ratio 3:4
aspect-ratio: 16:9
at 10:30 and 11:45
"""

CODE = """
password: string
password: "string"
password: str = Field(min_length=8)
password: VARCHAR(255)
password String? @db.VarChar(255)
password TEXT NOT NULL
password varchar2(64)
password = models.CharField(max_length=128)
password = StringField("Password", validators=[Length(8, 72)])
password = forms.CharField(widget=forms.PasswordInput2)
password = prompt("New password 2")
password = "" + suffix
password = "%s" % value
password = f"{prefix}{n}"
password = ["required", "min:8"]
'password' => 'required|min:8|confirmed'
'password' => ['required', 'string', 'min:8'],
password: ["required", "minLength8"].join("|")
message = "The password " + "is required"
message = "Your password is" + " too short"
message = ("The password for the "
           "database is missing")
log("password: " + mask)
"password": "your " + "password"
print("the password is " "hashed")
label = "Password " + "(8-20 characters)"
class="password-input2"
.password-field2 { width: 16em; }
#password1:focus { color: #1a73e8 }
<label for="password2">Password</label>
<input type="password" placeholder="Password1">
<PasswordInput2 label="Password" />
aria-label="Password field 2"
data-test="login-password2"
it("rejects password2 without a digit", ...)
test_login_with_password2_fails
def test_password_for_user2_is_required(): ...
describe('password reset v2', () => {
expect(login("bob:")).toFail()
"auth.password.tooShort": "At least 8 characters"
"password_hint2": "8-20 characters"
"password": "Mot de passe"
"password": "Contraseña"
"password": "パスワード"
password: <password>
password: ${DB_PASSWORD}
password: $DB_PASSWORD
the password is $DB_PASSWORD2
the password is {{ password2 }}
the password is <your-password-2>
the password for the db is {{ vault_db_password2 }}
the password is xxxxxxxx1
the password is changeme
the password is ********
the password is [REDACTED]
credentials: <user> / <password>
credentials: ${USER}:${PASS2}
credentials: user / password
credentials: admin / ********
login with $USER:$PASS2
login with user:pass
Zugangsdaten: <Benutzer> / <Passwort>
TOKEN_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" "abcdefghijklmnopqrstuvwxyz"
enum Password { Weak1, Strong2 }
password.length >= 8 && /[0-9]/.test(password)
password !== confirmPassword2
if (password == oldPassword2) return
password_1 = password_2
secret = "a" + "b"
key = "user:" + "id2"
const url = "https://" + "example.org/v2"
sql = "SELECT password " \\
      "FROM users2"
"""

COMMANDS = """
ConvertTo-SecureString $password -AsPlainText -Force
ConvertTo-SecureString '$env:PASS2' -AsPlainText -Force
ConvertTo-SecureString -String $env:DB_PASSWORD2 -AsPlainText -Force
Read-Host -AsSecureString "Password 2"
net user bob /delete
net user bob * /add
net user bob %PASSWORD% /add
net use Z: \\\\srv2\\share
net use Z: /delete
net start svc2
cmdkey /list
cmdkey /add:srv2 /user:bob /pass:%PASS%
htpasswd -c file2 bob
htpasswd -b file bob $PASS2
htpasswd -nb bob password
mysql -u root -p shop2
mysqladmin -u root password "$NEW2"
sshpass -p $PASS2 ssh bob@h
sshpass -p password ssh bob@h
sshpass -e ssh bob@node2
sshpass -f ~/.pw2 ssh bob@node2
ldapsearch -x -W -b dc=example2
smbclient -U bob //srv2/share
smbclient -L //srv2 -U DOMAIN2/bob
zip -r a2.zip src2
zip -P "$PASS2" a.zip f
7z a -p a2.7z f
7z x a2.7z -pass2
unzip -p a2.zip file2
docker run -p 8080:80 img2
docker login -u bob registry2.example.org
docker login -u bob --password-stdin < pw2
useradd -m -s /bin/bash user2
rabbitmqctl list_users2
rabbitmqctl set_permissions -p vhost2 bob ".*" ".*" ".*"
openssl req -passout env:PASS2
openssl rsa -passin file:pw2.txt
openssl enc -k $KEY2
curl -u $USER:$PASS2 http://h
http -a $USER:$PASS2 h
http GET localhost:8000/v2 -v
plink -pw %PASS2% bob@h
sqlcmd -S srv2 -E
sqlplus / as sysdba
sqlplus bob@db2
az login --identity2
setx PATH "C:\\tools2"
setx DB_PASSWORD_FILE C:\\pw2.txt
setx DB_PASSWORD %PW2%
CREATE USER bob IDENTIFIED BY '<password>'
CREATE USER bob IDENTIFIED WITH auth_socket2
CREATE USER bob PASSWORD NULL
ALTER USER bob WITH PASSWORD :'pw2'
echo $PASS2 | passwd --stdin bob
echo "done2" | tee log2
mount -t cifs //h/s /m -o username=bob,password=$PASS2
ssh-keygen -t ed25519 -N "" -f id2
mkdir -p src/2024
cp -p a2 b2
ps -p 1234x
"""

LANGUAGES = """
Passwort ist falsch
Das Passwort ist zu kurz (mind. 8 Zeichen)
Das Passwort ist verschlüsselt (AES-256)
Passwort für die Datenbank liegt in 1Password
Das Passwort für die Datenbank ist im Vault
Passwort vergessen?
Passwort: mindestens 8 Zeichen
Das Passwort wurde auf dem Server2 geändert
Passwort von Benutzer2 zurückgesetzt
Bitte das Passwort als sha256 speichern
Zugangsdaten: siehe docs/setup2.md
Zugangsdaten liegen in 1Password
Melde dich mit GitHub / Google an
Benutzer: bob, Rolle: admin2
le mot de passe est obligatoire
Le mot de passe est trop court (8 caractères)
Le mot de passe est chiffré en AES-256
mot de passe oublié
le mot de passe de la base est dans 1Password
le mot de passe pour node2 a expiré
identifiants : voir docs/acces2.md
identifiants invalides / compte bloqué
utilisateur : bob, rôle : admin2
la contraseña es incorrecta
La contraseña es obligatoria y debe tener 8 caracteres
contraseña de la base de datos: en Vault
la contraseña se guarda con bcrypt2
la contraseña debe incluir 1 número
la clave es única
clave: valor
la clave primaria es id2
clave foránea: usuario_id2
clave del objeto: nombre2
credenciales: ver docs/acceso2.md
a senha é obrigatória
a senha do banco está no 1Password
senha: mínimo 8 caracteres
Esqueceu a senha?
palavra-passe inválida
la password è obbligatoria
la password del database è in 1Password
password: almeno 8 caratteri
la parola chiave è async2
parola: significato
hasło jest wymagane
hasło do bazy jest w 1Password
hasło: co najmniej 8 znaków
Nieprawidłowe hasło
şifre gerekli
şifre en az 8 karakter olmalı
Şifrenizi mi unuttunuz?
şifreleme: AES-256
parola gerekli
heslo je povinné
heslo k databázi je v 1Password
Heslo musí mít alespoň 8 znaků
lösenord krävs
lösenordet är för kort (8 tecken)
lösenordet till databasen finns i 1Password
wachtwoord is verplicht
het wachtwoord voor de database staat in 1Password
Wachtwoord vergeten?
パスワードを忘れた
パスワードは必須です
パスワードはbcryptでハッシュ化します
パスワードが間違っています
パスワードは8文字以上、20文字以下
パスワードを変更する
パスワード：8〜20文字
ログイン情報: docs/setup2.md を参照
認証情報が無効です
密码错误
密码是必填项
密码长度为8-20位
忘记密码
密码使用bcrypt加密
密码：8到20个字符
数据库的密码在1Password里
账号或密码错误
账号：必填，密码：必填
用户名：bob，角色：admin2
口令不能为空
пароль обязателен
Пароль должен содержать 8 символов
пароль от базы лежит в 1Password
Забыли пароль?
неверный логин или пароль
비밀번호를 잊으셨나요?
비밀번호는 8자 이상
salasana vaaditaan
adgangskode er påkrævet
passord er for kort (8 tegn)
"""

PHRASES = """
seed phrase: write it down and keep it safe, never share it with anybody at all please
The seed phrase is 12 or 24 words long and must never be stored on a server.
recovery phrase: <your recovery phrase>
mnemonic: $MNEMONIC
mnemonic = generate_mnemonic(strength=128)
const mnemonic = "test test test test test test test test test test test junk"
mnemonic: abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about
random seed: 42
seed: 1234567890
The recovery phrase is shown once when the wallet gets created and then deleted forever
seed words are picked from a list of 2048 short common english words by chance
BIP39: entropy, checksum, wordlist, passphrase
Wiederherstellungsphrase: bitte auf Papier notieren und sicher verwahren
助记词：请抄写在纸上
"""

OTHER = """
commit 9fceb02d0ae598e95dc970b74767f19372d61af8 changes the password form
password form, v2.3.1-rc.1
see https://example.org/docs/password-reset?step=2
see https://example.org/login?next=/app/v2
GET /login/oauth2/code/github 302
POST /api/v2/passwords/reset
src/auth/password2.ts:12:34 error TS2304
PASS src/password.test.ts (12.3 s)
PASS: 12 tests, 3 skipped
FAIL password > rejects abc123
pass: 12, fail: 3
Pass 2: collect2
password manager: 1Password 8.10
login page v2: /login2
login latency p95: 120ms
credentials provider chain: env, profile, ec2
"""


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


ALL = [*map(lines, (PROSE, LOGINS, CODE, COMMANDS, LANGUAGES, PHRASES, OTHER))]


@pytest.mark.parametrize("line", [line for part in ALL for line in part], ids=ascii)
def test_what_only_speaks_of_a_secret_is_left_alone(line: str) -> None:
    assert redact(line).text == line


@pytest.mark.parametrize(
    "text",
    [PROSE, LOGINS, CODE, COMMANDS, LANGUAGES, PHRASES, OTHER],
    ids=["prose", "logins", "code", "commands", "languages", "phrases", "other"],
)
def test_lines_that_speak_of_secrets_make_none_of_each_other(text: str) -> None:
    assert redact(text).text == text
