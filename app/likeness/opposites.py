"""Word groups that must not be confused: opposites (enable, disable) and alternatives (staging, production).

A vocabulary with its inflections. Knows no texts.
"""

from __future__ import annotations

from collections.abc import Iterator

# One group per line: members separated by spaces, synonyms of a member joined by `/`.
_GROUPS = """
enable/activate disable/deactivate
allow/permit deny/forbid/reject/prohibit/block
accept reject
increase/raise/grow/bump decrease/reduce/lower/shrink/cut
before after
earlier later
first last
max/maximum min/minimum
true false
always never
add/insert/append/introduce remove/delete/drop
create delete/destroy/drop
prepend append
sync/synchronous/synchronously async/asynchronous/asynchronously
left right
top bottom
up down
upper lower
above below
start/launch stop/kill
open close
begin/beginning end
include exclude
internal external
public private
local remote
client server
frontend backend
read write
input output
request response
send receive
push pull
upload download
import export
encode decode
encrypt decrypt
serialize deserialize
compress decompress
install uninstall
lock unlock
show/visible hide/hidden
pass/succeed/success/successful fail/failure/failing
hit miss
cold warm/hot
old/legacy/previous new
oldest latest/newest
fast/faster/quick/quicker slow/slower
more less/fewer
higher lower
larger/bigger smaller
longer shorter
better worse
best worst
ascending/asc descending/desc
horizontal/horizontally vertical/vertically
row column
width height
parent child
source target/destination
primary/master secondary/replica/standby
leader follower
producer/publisher consumer/subscriber
encouraged/recommended discouraged
required/mandatory optional
mutable immutable
static dynamic
blocking nonblocking
strict lenient
eager/eagerly lazy/lazily
valid invalid
safe unsafe
stable unstable
supported unsupported
online offline
inner outer
even odd
positive negative
success error
login/signin logout/signout
subscribe unsubscribe
upgrade downgrade
forward/forwards backward/backwards
ingress/inbound/incoming egress/outbound/outgoing
stdin stdout stderr
debug release
commit rollback
merge rebase squash
prefix suffix
singular plural
staging production/prod development/dev
unit integration
linux windows macos
postgres/postgresql mysql sqlite mongodb mariadb
redis memcached
npm yarn pnpm bun
pip poetry uv conda
python javascript/js typescript/ts java rust golang ruby php kotlin swift
react vue angular svelte
flask django fastapi
pytest unittest
jest vitest mocha
aws gcp azure
docker podman
kafka rabbitmq
rest graphql grpc
xml json yaml/yml toml csv
monday tuesday wednesday thursday friday saturday sunday
january february march april june july august september october november december
red green blue yellow black white
chrome firefox safari
info warning critical
hourly daily weekly monthly yearly
north south east west
tabs spaces
http https
启用/开启/打开 禁用/停用/关闭
启动 停止
增加/增大/提高 减少/减小/降低
之前/以前 之后/以后
最大 最小
同步 异步
允许 禁止/拒绝
添加/新增/增加 删除/移除
左 右
上传 下载
总是/始终 从不
客户端 服务器/服务端
生产环境 测试环境 开发环境
输入 输出
成功 失败
升序 降序
升级 降级
必须 可选
前端 后端
公开 私有
本地 远程
"""


def forms(word: str) -> Iterator[str]:
    """Yield a word's inflections, generously: a form that doesn't exist does no harm."""
    yield word
    if not word.isascii() or len(word) < 3:
        return
    stem = word.removesuffix("e")
    yield from (word + "s", word + "es", stem + "ed", stem + "ing", word + word[-1] + "ed", word + word[-1] + "ing")
    if word.endswith("y"):
        yield from (word[:-1] + "ies", word[:-1] + "ied")


def _read() -> dict[str, tuple[tuple[int, str], ...]]:
    found: dict[str, tuple[tuple[int, str], ...]] = {}
    for number, line in enumerate(_GROUPS.split("\n")):
        for member in line.split():
            names = member.split("/")
            for form in {form for name in names for form in forms(name)}:
                found[form] = (*found.get(form, ()), (number, names[0]))
    return found


GROUPS_BY_WORD = _read()
"""Maps a word form to its groups, each with the member that it stands for."""
IDEOGRAPHIC = tuple(sorted((form for form in GROUPS_BY_WORD if not form.isascii()), key=len, reverse=True))
"""Forms in scripts without spaces, to be searched for within a text, longest first."""
