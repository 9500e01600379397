"""What must be left alone: placeholders, digests, code, prose. A false alarm destroys knowledge for good."""

from __future__ import annotations

import pytest

from app.redaction import redact

PLACEHOLDERS = """
OPENAI_API_KEY=your-api-key-here
OPENAI_API_KEY=sk-your-key-here
OPENAI_API_KEY=sk-...
OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
ANTHROPIC_API_KEY=sk-ant-your-anthropic-api-key-goes-here
GITHUB_TOKEN=ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
GITHUB_TOKEN=<YOUR_GITHUB_TOKEN>
GITHUB_TOKEN=${GITHUB_TOKEN}
GITHUB_TOKEN=$GITHUB_TOKEN
GITHUB_TOKEN=$(gh auth token)
GITHUB_TOKEN: ${{ secrets.GITHUB_TOKEN }}
token: "{{ vault_token }}"
password: ****
password: ********************
password=[REDACTED:password]
password = "[REDACTED]"
password=changeme
password: "changeme123"
password=change-me-please-1
DB_PASSWORD=password
DB_PASSWORD="password123"
api_key = "YOUR_API_KEY"
api_key = "<your api key>"
api_key = "example-api-key-1234567890"
api_key: "..."
secret = "replace_me_with_a_secret_1"
client_secret: xxxxxxxxxxxxxxxxxxxxxxxx
Authorization: Bearer YOUR_TOKEN_HERE
Authorization: Bearer ${TOKEN}
Authorization: Bearer <token>
"Authorization": f"Bearer {token}"
curl -H "Authorization: Bearer $TOKEN" https://example.org
postgres://user:password@localhost/db
postgres://USER:${DB_PASSWORD}@host/db
postgresql://{user}:{password}@{host}/{name}
postgres://<user>:<password>@host/db
redis://localhost:6379/0
-----BEGIN PRIVATE KEY-----\\n...\\n-----END PRIVATE KEY-----
if "-----BEGIN RSA PRIVATE KEY-----" in text: raise ValueError
-----BEGIN CERTIFICATE-----
-----BEGIN PUBLIC KEY-----
"""

DIGESTS = """
commit 9fceb02d0ae598e95dc970b74767f19372d61af8
HEAD is now at 3f2a91c Fix the token refresh
git checkout da39a3ee5e6b4b0d3255bfef95601890afd80709
session_id: 550e8400-e29b-41d4-a716-446655440000
"sessionId": "0c1f8f5e-5b1a-4b5e-9c43-2f8a4be1d2aa"
token 550e8400-e29b-41d4-a716-446655440000
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
"integrity": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="
--hash=sha256:1b4f0e9851971998e732078544c96b36c3d01cedf7caa332359d6f1d83567014
md5: d41d8cd98f00b204e9800998ecf8427e
password_hash = "$2b$12$KIXQ4S0Q3o8mW1kq3mQm8eJ0v0nQ2Z8YFz3cV7b1m5xq5Y7qkF3pW"
image: data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==
"signature": "EqQBCgIYAhIkMmE5ZjQ4NzctYjE0Yi00YjY5LWE3ZDEtOTM2YzRmOTU4ZTIy"
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJhZGtleWJhZGtleWJhZGtleWJhZGtleWJhZGtl ada@host
yarn.lock: resolved "https://registry.example.org/a/-/a-1.2.3.tgz#9fceb02d0ae598e95dc970b74767f19372d61af8"
Fingerprint: SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8
etag: "33a64df551425fcc55e4d42a148795d9f25f89d4"
"private_key_id": "9fceb02d0ae598e95dc970b74767f19372d61af8"
"""

CODE = """
password = get_password()
password = getpass.getpass("Password: ")
password: str
password: str | None = None
password: SecretStr = Field(min_length=12)
def login(username: str, password: str) -> Token: ...
token: str = os.environ["API_TOKEN"]
token = os.environ.get("GITHUB_TOKEN", "")
token = request.headers["Authorization"].removeprefix("Bearer ")
const token = await getToken({ template: "integration_fallback" })
const { data: session, token } = useSession()
self.token = token
self._secret = settings.secret_key.get_secret_value()
api_key=settings.providers.openai2.api_key
client = OpenAI(api_key=api_key)
secret = hmac.new(key, msg, hashlib.sha256).hexdigest()
if password != confirm_password2: raise PasswordMismatch
password=user1.password
password = password_v2
hashed = bcrypt.hashpw(password.encode("utf8"), salt)
tokens = tokenizer.encode(text)
tokenizer = "cl100k_base_tokenizer_v2"
max_tokens=4096
{"input_tokens": 12345, "cache_read_input_tokens": 18277}
token_type = "bearer_token_type_1234"
token_url = "https://auth.example.org/oauth2/token12345678"
PASSWORD_FILE=/run/secrets/db_password_2024
secret_name: my-app-secret-7f9c4
name: default-token-x7k2p
NEXT_PUBLIC_TOKEN_ADDRESS_FIELD = "tokenAddressField2"
<input type="password" id="password1" name="password" placeholder="Password">
input[type="password"]:focus { outline: 2px solid #1a73e8; }
--token-color-primary: #1f6feb;
.sk-fading-circle .sk-circle12 { transform: rotate(330deg) }
"password": "Please enter at least 8 characters!"
password: 'Password must contain 1 digit',
"forgotPassword": "Forgot password?"
type TokenKind = "access_token" | "refresh_token_v2"
router.post('/reset-password', resetPassword)
raise InvalidInput("password", "auth/wrong-password-2")
import { getServerSession } from "next-auth/next"
expect(screen.getByLabelText("Password2")).toBeInTheDocument()
test_password_is_hashed_with_argon2id PASSED
--- PASS: TestClassifyToken/#00 (0.00s)
PASS: TestExtractSlugFromBlobs/User_message_with_more_than_4_words
nextPageToken = "CAUQAAoWMTIzNDU2Nzg5MGFiY2RlZg"
password = password.encode("latin1")
MovedAttribute("HTTPPasswordMgr", "urllib2", "urllib.request")
model = PassForCausalLM.from_pretrained("ada/c4ai-command-r-v01")
uint64_t __security_cookie = 0x00002B992DDFA232ULL;
<assemblyIdentity publicKeyToken="1fc8b3b9a1e18e3b" />
fsspec.open("gist://user:TOKEN@id/file.txt")
mkdir -p src/components2
docker run -p 8080:80 -u 1000:1000 nginx
chown -R app:app2024 /srv
git push -u origin feature/login-2
ssh -p 2222 ada@example.org
primary_key=True, foreign_key="users.id2"
cache_key = f"user:{user_id}:v2"
access_key_pattern = re.compile("[A-Z0-9]{20}")
cookies = request.cookies.get("session")
document.cookie = "theme=dark; path=/"
Authorization: Bearer authentication is required
Basic understanding of authorization: tokens and roles
The bearer of this token123 may enter.
"author": "ada"
npm_config_registry=https://registry.example.org
hf_hub_download(repo_id="sentence-transformers/all-MiniLM-L6-v2")
pip install git+https://example.org/ada/tool.git@v1.2.3
http://localhost:3000/@vite/client
https://example.org:8443/a@b
scp file ada@example.org:/srv/backup2024
from app.tokens import count2
CAIRN_ADMIN_KEY, CAIRN_SECRET_KEY and CAIRN_DATA_DIR
cairn_http_request_duration_seconds_bucket{le="0.5"}
cairn_knowledge_items_total 42
export PATH=/usr/local/bin:$PATH
PWD=/home/ada/projects/shop2
OLDPWD=/home/ada/projects/v2
"""

PROSE = """
The tokens were counted with tiktoken 0.7.0, which says 8192 tokens at most.
Store the password hash, never the password.
A secret is a value that only 2 people know.
Use a passphrase: four random words will do.
Passed 128 tests, token bucket at 50/s, secret santa on 2024-12-24.
密码不能为空,请输入8到20个字符。
"""


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


@pytest.mark.parametrize("line", [*lines(PLACEHOLDERS), *lines(DIGESTS), *lines(CODE), *lines(PROSE)])
def test_it_is_no_secret(line: str) -> None:
    assert redact(line).findings == (), line


def test_no_line_makes_a_secret_of_its_neighbours() -> None:
    text = PLACEHOLDERS + DIGESTS + CODE + PROSE
    assert redact(text).text == text
