"""Pairs that differ in a sign, a place, a modality, a tense, a sense or a preposition, a kind each: none of them may be merged.

They were written after a review found such pairs merged. `tests/contrast_pairs.py` has those that differ in a word.
"""

from __future__ import annotations

from collections.abc import Iterator

PAIRS: dict[str, str] = {
    "sign": """
Retry if status != 200. ≠ Retry if status == 200.
Install numpy!=2.4.0. ≠ Install numpy==2.4.0.
Retry while attempts < 3. ≠ Retry while attempts <= 3.
Pin left-pad to ~1.2.0. ≠ Pin left-pad to ^1.2.0.
The key is user * tenant. ≠ The key is user / tenant.
An empty query returns {}. ≠ An empty query returns [].
Separate with ; ≠ Separate with ,
Separate the fields with `;`. ≠ Separate the fields with `,`.
Separate the fields with ";". ≠ Separate the fields with ",".
Join the flags with a && b. ≠ Join the flags with a || b.
Wait until x >= 3. ≠ Wait until x > 3.
Pin it to ~1.2.0. ≠ Pin it to 1.2.0.
The pattern is `\\d+`. ≠ The pattern is `\\d*`.
The pattern is `^a{2,3}$`. ≠ The pattern is `^a{2,}$`.
The pattern is `colou?r`. ≠ The pattern is `colou+r`.
The binding is written in C#. ≠ The binding is written in C.
The delay is .5 s. ≠ The delay is 5 s.
Sample 1/2 of it. ≠ Sample 1-2 of it.
The range is 1..5. ≠ The range is 1.5.
The type is string[]. ≠ The type is string.
Use a ** b. ≠ Use a * b.
Enable it when !ready. ≠ Enable it when ready.
The separator is `user-id`. ≠ The separator is `user_id`.
Comments begin with # here. ≠ Comments begin with % here.
The tag is app@3. ≠ The tag is app 3.
Assign with x += y. ≠ Assign with x = y.
Compare with a === b. ≠ Compare with a == b.
x << 2 ≠ x >> 2
Pin to >=3.1,<4. ≠ Pin to >3.1,<=4.
Count with i++ here. ≠ Count with i-- here.
Glob *.py files. ≠ Glob **.py files.
Read user?.name first. ≠ Read user!.name first.
Names with _ are private. ≠ Names with - are private.
Use ' for strings. ≠ Use " for strings.
The link has 5 Mbps. ≠ The link has 5 MBps.
Trenne die Felder mit `;`. ≠ Trenne die Felder mit `,`.
Séparez les champs avec `;`. ≠ Séparez les champs avec `,`.
用 `;` 分隔字段。 ≠ 用 `,` 分隔字段。
""",
    "place of a short clause": """
ledger (port 3000), importer (port 5000) ≠ ledger (port 5000), importer (port 3000)
Retries: ledger: 3, importer: 5. ≠ Retries: ledger: 5, importer: 3.
ledger: 30\\nimporter: 60 ≠ ledger: 60\\nimporter: 30
Keep: the cache. Delete: the index. ≠ Keep: the index. Delete: the cache.
Do: mock the clock. Don't: mock the database. ≠ Do: mock the database. Don't: mock the clock.
端口：账本（3000），导入（5000）。 ≠ 端口：账本（5000），导入（3000）。
Owners: billing (Maria), search (Tom). ≠ Owners: billing (Tom), search (Maria).
If idle, restart the worker process. If busy, ping the admin team. ≠ If idle, ping the admin team. If busy, restart the worker process.
Ports: Kasse: 3000; Lager: 5000. ≠ Ports: Kasse: 5000; Lager: 3000.
staging = 2; production = 4 ≠ staging = 4; production = 2
Alice: review. Bob: deploy. ≠ Alice: deploy. Bob: review.
Alice 3, Bob 5, Carol 3, Dan 5 ≠ Alice 3, Bob 3, Carol 5, Dan 5
Alice: 3. Bob: 5. Carol: 3. Dan: 5. ≠ Alice: 3. Bob: 3. Carol: 5. Dan: 5.
port=3000 pool=50 ≠ port=50 pool=3000
| port | 3000 |\\n| pool | 50 | ≠ | port | 50 |\\n| pool | 3000 |
- Red: stop\\n- Amber: wait ≠ - Red: wait\\n- Amber: stop
""",
    "order of a list": """
Deploy order: database, api, worker. ≠ Deploy order: worker, api, database.
Deploy order: database, api, worker. ≠ Deploy order: api, database, worker.
Run the linter, build the image, push the tag. ≠ Build the image, run the linter, push the tag.
Reihenfolge: Datenbank, Server, Arbeiter. ≠ Reihenfolge: Arbeiter, Server, Datenbank.
Ordre : base, serveur, ouvrier. ≠ Ordre : serveur, base, ouvrier.
顺序：数据库、接口、进程。 ≠ 顺序：进程、接口、数据库。
lint -> build -> push ≠ build -> lint -> push
cold < warm < hot ≠ cold < hot < warm
min(width, height) ≠ min(height, width)
Layers: web, core, storage. ≠ Layers: storage, core, web.
- lint\\n- build\\n- push ≠ - build\\n- lint\\n- push
First drain the node, then cordon it, finally reboot. ≠ First cordon the node, then drain it, finally reboot.
Stop the importer; then migrate. ≠ Then migrate; stop the importer.
""",
    "negated modality": """
Der Dienst muss nicht neu starten. ≠ Der Dienst darf nicht neu starten.
Guests can't write. ≠ Guests must not write.
The worker doesn't retry. ≠ The worker must not retry.
Workers do not retry. ≠ Workers must not retry.
Guests should not delete drafts. ≠ Guests cannot delete drafts.
Guests should not delete drafts. ≠ Guests must not delete drafts.
L'ouvrier ne doit pas redémarrer. ≠ L'ouvrier ne peut pas redémarrer.
O operário não precisa reiniciar. ≠ O operário não deve reiniciar.
El obrero no tiene que reiniciar. ≠ El obrero no debe reiniciar.
El obrero no puede reiniciar. ≠ El obrero no debe reiniciar.
进程不需要重启。 ≠ 进程不要重启。
进程不会重启。 ≠ 进程不能重启。
The service is not restarted. ≠ The service must not be restarted.
Der Dienst wird nicht neu gestartet. ≠ Der Dienst darf nicht neu gestartet werden.
Le service n'est pas redémarré. ≠ Le service ne doit pas être redémarré.
Tokens will not expire. ≠ Tokens must not expire.
Der Job soll nicht laufen. ≠ Der Job darf nicht laufen.
Gäste können nicht lesen. ≠ Gäste dürfen nicht lesen.
Les invités ne devraient pas lire. ≠ Les invités ne doivent pas lire.
Invitados no deberían leer. ≠ Invitados no deben leer.
Convidados não podem ler. ≠ Convidados não leem.
访客不应该读。 ≠ 访客不能读。
Rows are never deleted. ≠ Rows can never be deleted.
Guests may not comment. ≠ Guests could not comment.
The worker never retries. ≠ The worker must never retry.
""",
    "tense, modality, voice": """
The pool was limited to ten. ≠ The pool is limited to ten.
The gateway will support cursors. ≠ The gateway supports cursors.
The janitor may delete drafts. ≠ The janitor deletes drafts.
We had to restart the broker. ≠ We have to restart the broker.
The writer is blocked. ≠ The writer is blocking.
The client is authenticated before the call. ≠ The client authenticates before the call.
The worker retried the upload. ≠ The worker retries the upload.
The worker sent two mails. ≠ The worker sends two mails.
The linter must pass. ≠ The linter passes.
Guests can read drafts. ≠ Guests read drafts.
The queue was empty and the disk is full. ≠ The queue is empty and the disk was full.
Der Speicher war voll. ≠ Der Speicher ist voll.
Le cache était vide. ≠ Le cache est vide.
O cache era vazio. ≠ O cache é vazio.
El índice fue lento. ≠ El índice es lento.
网关将支持游标。 ≠ 网关支持游标。
The server is monitored. ≠ The server is monitoring.
The build is cached after the release. ≠ The build caches after the release.
The gateway would drop cursors. ≠ The gateway drops cursors.
It'll rotate the keys. ≠ It rotates the keys.
Guests could read drafts. ≠ Guests can read drafts.
The janitor wrote a report. ≠ The janitor writes a report.
Tenants must encrypt backups. ≠ Tenants encrypt backups.
The team should sign the form. ≠ The team signs the form.
The shards are rebalancing. ≠ The shards are rebalanced.
The mirror is updated on Fridays. ≠ The mirror updates on Fridays.
Der Dienst musste warten. ≠ Der Dienst muss warten.
Le service sera lent. ≠ Le service est lent.
El servicio debe reiniciar. ≠ El servicio reinicia.
Keys have been rotated. ≠ Keys are rotated.
Keys are to be rotated. ≠ Keys are rotated.
The bot used to delete it. ≠ The bot deletes it.
The key has expired. ≠ The key expires.
Der Bot hat es gelöscht. ≠ Der Bot löscht es.
Der Bot löschte es. ≠ Der Bot löscht es.
Le bot a supprimé la ligne. ≠ Le bot supprime la ligne.
Le bot supprimait la ligne. ≠ Le bot supprime la ligne.
El bot borró la fila. ≠ El bot borra la fila.
O bot apagou a linha. ≠ O bot apaga a linha.
机器人删除了文件。 ≠ 机器人删除文件。
Der Dienst kann Entwürfe löschen. ≠ Der Dienst löscht Entwürfe.
Le service peut supprimer les brouillons. ≠ Le service supprime les brouillons.
""",
    "sense": """
Fix the seed. ≠ Correct the seed.
Store the present value. ≠ Store the current value.
Show the latest build. ≠ Show the recent build.
Kill the worker. ≠ Stop the worker.
Deploy to the staging cluster. ≠ Deploy to the step cluster.
The largely cached pages are slow. ≠ The large cached pages are slow.
The commonly used key is short. ≠ The widespread used key is short.
It is shortly cached. ≠ It is short cached.
A small cache is left. ≠ A little cache is left.
Fire the alarm. ≠ Trigger the alarm.
Compile the docs. ≠ Build the docs.
Spot errors. ≠ Notice errors.
Show the recent builds. ≠ Show the newest builds.
Idle workers are stopped. ≠ Unused workers are stopped.
Refresh the token. ≠ Update the token.
Deployments freeze in May. ≠ Deployments hang in May.
La valeur par défaut est zéro. ≠ La valeur par erreur est zéro.
Las pruebas pasan en Linux. ≠ Las pruebas ocurren en Linux.
发布草稿。 ≠ 部署草稿。
Mehrere Tests sind rot. ≠ Einige Tests sind rot.
""",
    "preposition, numeral": """
Answer within 30 seconds. ≠ Answer in 30 seconds.
The backup to the replica is slow. ≠ The backup of the replica is slow.
Run it as root. ≠ Run it to root.
Store the id in the cookie. ≠ Store the id with the cookie.
Keep two dozen backups. ≠ Keep fourteen backups.
The job starts at two thirty. ≠ The job starts at twelve twenty.
The door code is one five. ≠ The door code is six.
The code is zero seven. ≠ The code is seven.
Order three dozen. ≠ Order fifteen.
Version one two is out. ≠ Version three is out.
It is written by Tom. ≠ It is written with Tom.
Keep the rows of a tenant. ≠ Keep the rows for a tenant.
Reply by Friday. ≠ Reply on Friday.
Answer at 30 seconds. ≠ Answer in 30 seconds.
Antworte innerhalb von 30 Sekunden. ≠ Antworte in 30 Sekunden.
Keep half a dozen backups. ≠ Keep six dozen backups.
The year was twenty twelve. ≠ The year was thirty two.
Ship it for the vendor. ≠ Ship it to the vendor.
等两三天。 ≠ 等二十三天。
""",
    "of other kinds": """
The disk holds 5 GB. ≠ The disk holds 5 Gb.
The disk holds 5 GiB. ≠ The disk holds 5 GB.
The lease costs 5 USD. ≠ The lease costs 5 CAD.
Clear it before the deploy. ≠ Clear it after the deploy.
Keep it since Monday. ≠ Keep it until Monday.
The first row is a header. ≠ The last row is a header.
Include hidden files. ≠ Exclude hidden files.
The cap is 10 per worker. ≠ The cap is 10 in total.
The client closes the socket. ≠ The server closes the socket.
Copy it from source to target. ≠ Copy it from target to source.
The handler is sync. ≠ The handler is async.
Put the host on the allow list. ≠ Put the host on the deny list.
One worker drains the queue. ≠ Two workers drain the queue.
Coverage is 80 %. ≠ Coverage is 80.
The job runs at 09:00 UTC. ≠ The job runs at 09:00 CET.
The job runs at 09:00. ≠ The job runs at 21:00.
Listen on IPv4. ≠ Listen on IPv6.
Set `APP_TOKEN`. ≠ Set `API_TOKEN`.
Set APP_ENV to test. ≠ Set APP_ENV to dev.
Round the price up. ≠ Round the price down.
Sort by name. ≠ Sort by date.
Index from zero. ≠ Index from one.
The id is a UUIDv4. ≠ The id is a UUIDv7.
The lock is held for reads. ≠ The lock is held for writes.
The hash is SHA-1. ≠ The hash is SHA-256.
Use port 80 inside. ≠ Use port 80 outside.
Write big-endian floats. ≠ Write little-endian floats.
The ratio is 1:2. ≠ The ratio is 2:1.
Cache the GET responses. ≠ Cache the POST responses.
Answer with a 301. ≠ Answer with a 302.
The cron line is 0 3 * * *. ≠ The cron line is 0 * * * 3.
The interval is [0, 1). ≠ The interval is [0, 1].
Merge it on the main branch. ≠ Merge it on the dev branch.
Names are case sensitive. ≠ Names are case insensitive.
The pool grows by 5. ≠ The pool grows to 5.
Wait for any reply. ≠ Wait for all replies.
Backups are kept for 7 days. ≠ Backups are kept for 7 nights.
Retry on timeout. ≠ Retry on refusal.
Read through the cache. ≠ Read around the cache.
Log to stdout. ≠ Log to stderr.
The mask is /24. ≠ The mask is /16.
The column is nullable. ≠ The column is not nullable.
The offset is +2. ≠ The offset is -2.
The date is 03/04. ≠ The date is 04/03.
Escape it twice. ≠ Escape it once.
Tag v1.2 is signed. ≠ Tag v1.2-rc1 is signed.
""",
}


def minimal_pairs() -> Iterator[tuple[str, str, str]]:
    """Yield (kind, one text, the other). A `\\n` in them stands for the end of a line."""
    for kind, lines in PAIRS.items():
        for line in lines.strip().splitlines():
            one, other = line.replace("\\n", "\n").split(" ≠ ")
            yield kind, one, other
