"""Pairs that differ in one thing that changes what is said, made of templates and words: none of them may be merged.

Most words stand in no list of `app/likeness/languages`; the guard must keep them apart all the same.
"""

from __future__ import annotations

from collections.abc import Iterator

SLOTS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    # kind, templates (the word stands for {}), pairs of words
    ("number word", ("The scheduler keeps {} nightly backups.", "Each shard has {} replicas in the cluster."),
     "fifteen/thirty|twelve/twenty|forty/fourteen|sixty-one/sixty-two|ninety/nineteen|two hundred/three hundred|six/sixteen|eleven/seven"),
    ("digits", ("The gateway drops clients after {} failed handshakes.", "Rotate the signing key every {} days."),
     "3/4|15/50|90/900|1.5/2.5|12/21|7/70"),
    ("ordinal", ("The report is sent on the {} Tuesday of the month.", "Only the {} attempt is logged."),
     "first/second|third/fourth|fifth/fifteenth|1st/2nd|seventh/eleventh|second/last|tenth/twentieth"),
    ("fraction", ("Sample {} of the traces.", "At least {} of the reviewers must agree."),
     "half/a third|a quarter/a fifth|two thirds/three quarters|a tenth/a hundredth|half/all|an eighth/a sixth"),
    ("quantifier", ("{} services expose a health endpoint.", "The linter reports {} warnings."),
     "all/some|most/few|many/several|no/all|every/hardly any|both/neither|some/none of the|most/all"),
    ("bound", ("The pool keeps {} one idle worker.", "Uploads of {} ten files are queued."),
     "at least/at most|more than/fewer than|exactly/roughly|at least/fewer than|no more than/no fewer than"),
    ("role", ("Only {} may publish drafts.", "Invoices are approved by {}."),
     "editors/authors|owners/guests|auditors/accountants|maintainers/contributors|tutors/pupils|nurses/surgeons|landlords/tenants|captains/pilots"),
    ("place", ("The archive is stored in {}.", "Customers from {} see the new checkout."),
     "Dublin/Frankfurt|Oregon/Ohio|Osaka/Kyoto|the basement/the attic|Norway/Sweden|the lobby/the corridor"),
    ("currency", ("Prices are shown in {}.", "Refunds are paid in {} only."),
     "euros/dollars|yen/won|rupees/francs|zloty/forint|pesos/reais|pounds/kroner"),
    ("amount", ("A seat costs {} a month.",), "$5/€5|£9/¥9|5 USD/5 EUR|€10/€100|10 %/10 €"),
    ("direction", ("Data flows {} the warehouse.", "The shutter moves {} the sensor."),
     "into/out of|from/to|above/below|towards/away from|over/under|through/around|behind/in front of"),
    ("time", ("The index is rebuilt {}.", "Deployments are frozen {}."),
     ("on weekdays only/on weekends only|at dawn/at dusk|in spring/in autumn|before lunch/after lunch|on Mondays/on Thursdays|weekly/fortnightly"
     "|by day/by night|during term/during holidays|until Easter/after Easter")),
    ("negating prefix", ("The channel is {}.", "Treat the payload as {}."),
     ("opt-in/opt-out|encrypted/unencrypted|typed/untyped|reversible/irreversible|compliant/noncompliant|blocking/non-blocking|ordered/unordered"
     "|buffered/unbuffered|complete/incomplete|legal/illegal|balanced/imbalanced|connected/disconnected")),
    ("antonym", ("The retry budget is {}.", "We want the menu to be {}."),
     "generous/stingy|shallow/deep|narrow/wide|bright/dim|sparse/dense|loud/quiet|rigid/flexible|thick/thin|ancient/modern|tight/loose|ripe/raw"),
    ("verb", ("The nightly job {} the ledger.", "Admins can {} a workspace."),
     "freeze/thaw|hire/fire|inflate/deflate|lend/borrow|attach/detach|mount/unmount|mute/unmute|archive/restore|lengthen/shorten|fold/unfold|admit/expel"),
    ("object", ("Warm the {} before the benchmark.", "The plugin ships with a {}."),
     "kettle/oven|parser/lexer|sprocket/gasket|ferret/weasel|queue/stack|mutex/semaphore|lantern/candle|compass/sextant"),
    ("modality", ("Reviewers {} sign the form.",), "must/may|must/need not|should/must not|can/must|may/may not"),
    ("unit", ("The lease lasts 30 {}.",), "seconds/minutes|days/weeks|ms/s|hours/months|MB/GB"),
    ("frequency", ("The probe runs {}.",), "hourly/daily|twice a day/three times a day|every minute/every other minute|once/repeatedly|yearly/quarterly"),
)  # fmt: skip
ELSEWHERE: dict[str, str] = {
    "de": "Wir behalten fünfzehn nächtliche Sicherungen./Wir behalten dreißig nächtliche Sicherungen.|Nur Redakteure dürfen veröffentlichen./Nur Autoren dürfen veröffentlichen."
    "|Der Export läuft nur an Werktagen./Der Export läuft nur an Wochenenden.|Mindestens ein Arbeiter bleibt frei./Höchstens ein Arbeiter bleibt frei."
    "|Die Messung ist freiwillig./Die Messung ist verpflichtend.|Die Rechnung wird in Franken gestellt./Die Rechnung wird in Kronen gestellt."
    "|Der Schalter steht links./Der Schalter steht rechts.|Die Antwort ist vollständig./Die Antwort ist unvollständig.|Das dritte Los gewinnt./Das vierte Los gewinnt."
    "|Die Hälfte der Tests läuft nachts./Ein Drittel der Tests läuft nachts.|Die Daten liegen in Köln./Die Daten liegen in Bremen.|Die meisten Dienste sind bereit./Wenige Dienste sind bereit."
    "|Prüfer müssen unterschreiben./Prüfer dürfen unterschreiben.|Der Kunde zahlt vor der Lieferung./Der Kunde zahlt nach der Lieferung.|Der Dienst ruft den Speicher./Der Speicher ruft den Dienst.",
    "fr": "On garde quinze sauvegardes par nuit./On garde trente sauvegardes par nuit.|Seuls les rédacteurs peuvent publier./Seuls les auteurs peuvent publier."
    "|L'export tourne en semaine./L'export tourne le week-end.|Il reste au moins un ouvrier libre./Il reste au plus un ouvrier libre.|Le suivi est facultatif./Le suivi est obligatoire."
    "|Les prix sont en francs./Les prix sont en couronnes.|Le bouton est à gauche./Le bouton est à droite.|La réponse est complète./La réponse est incomplète."
    "|Le troisième essai compte./Le quatrième essai compte.|La moitié des tests échoue./Le tiers des tests échoue.|Les données sont à Lyon./Les données sont à Nantes."
    "|Les relecteurs doivent signer./Les relecteurs peuvent signer.|Le client paie avant la livraison./Le client paie après la livraison.|Le service appelle le cache./Le cache appelle le service.",
    "pt": "Guardamos quinze cópias por noite./Guardamos trinta cópias por noite.|Só editores podem publicar./Só autores podem publicar.|A exportação roda em dias úteis./A exportação roda em fins de semana."
    "|Fica pelo menos um operário livre./Fica no máximo um operário livre.|A medição é opcional./A medição é obrigatória.|Os preços estão em francos./Os preços estão em coroas."
    "|O botão fica à esquerda./O botão fica à direita.|A resposta é completa./A resposta é incompleta.|A terceira tentativa conta./A quarta tentativa conta.|Metade dos testes falha./Um terço dos testes falha."
    "|Os dados ficam em Braga./Os dados ficam em Faro.|Revisores devem assinar./Revisores podem assinar.|O cliente paga antes da entrega./O cliente paga depois da entrega.|O serviço chama o cache./O cache chama o serviço.",
    "es": "Guardamos quince copias por noche./Guardamos treinta copias por noche.|Solo los editores pueden publicar./Solo los autores pueden publicar.|La exportación corre en días laborables./La exportación corre en fines de semana."
    "|Queda al menos un obrero libre./Queda como máximo un obrero libre.|El botón está a la izquierda./El botón está a la derecha.|Los precios están en francos./Los precios están en coronas."
    "|La mitad de las pruebas falla./Un tercio de las pruebas falla.|Los datos están en Vigo./Los datos están en Gijón.|El servicio llama a la caché./La caché llama al servicio.",
    "zh": "每晚保留十五份备份。/每晚保留五十份备份。|只有编辑可以发布。/只有作者可以发布。|导出只在工作日运行。/导出只在周末运行。|至少保留一个空闲进程。/最多保留一个空闲进程。|统计是自愿的。/统计是强制的。"
    "|价格以欧元显示。/价格以日元显示。|按钮在左边。/按钮在右边。|答案完整。/答案不完整。|第三次尝试有效。/第四次尝试有效。|一半的测试失败。/三分之一的测试失败。|数据放在杭州。/数据放在成都。"
    "|审核者必须签字。/审核者可以签字。|客户在发货前付款。/客户在发货后付款。|服务调用缓存。/缓存调用服务。|多数服务已就绪。/少数服务已就绪。",
    "it": "Teniamo quindici copie per notte./Teniamo trenta copie per notte.|Solo i redattori possono pubblicare./Solo gli autori possono pubblicare.|Il pulsante è a sinistra./Il pulsante è a destra."
    "|La risposta è completa./La risposta è incompleta.|Il servizio chiama la cache./La cache chiama il servizio.",
    "nl": "We bewaren vijftien kopieën per nacht./We bewaren dertig kopieën per nacht.|Alleen redacteuren mogen publiceren./Alleen auteurs mogen publiceren.|De export draait op werkdagen./De export draait in het weekend."
    "|De knop zit links./De knop zit rechts.",
    "ru": "Храним пятнадцать копий за ночь./Храним тридцать копий за ночь.|Только редакторы могут публиковать./Только авторы могут публиковать.|Кнопка находится слева./Кнопка находится справа.|Сервис вызывает кэш./Кэш вызывает сервис.",
    "ja": "毎晩十五個のバックアップを保存する。/毎晩五十個のバックアップを保存する。|編集者だけが公開できる。/著者だけが公開できる。|平日だけ実行する。/週末だけ実行する。|ボタンは左にある。/ボタンは右にある。",
    "ko": "매일 밤 열다섯 개의 백업을 보관한다./매일 밤 서른 개의 백업을 보관한다.|편집자만 게시할 수 있다./저자만 게시할 수 있다.|평일에만 실행한다./주말에만 실행한다.",
    "pl": "Trzymamy piętnaście kopii./Trzymamy trzydzieści kopii.|Tylko redaktorzy mogą publikować./Tylko autorzy mogą publikować.|Przycisk jest po lewej./Przycisk jest po prawej.",
}  # fmt: skip
EXCHANGED = (
    "The importer calls the worker.|The worker calls the importer.",
    "The importer calls the worker.|The importer is called by the worker.",
    "Move the rows from the ledger to the journal.|Move the rows from the journal to the ledger.",
    "We switched from Jenkins to Travis.|We switched from Travis to Jenkins.",
    "Deploy weekly.|Deploy in a week.",
    "We moved from Jenkins.|We moved to Jenkins.",
    "Don't use the mirror.|Use the mirror.",
    "Prefer polling to webhooks.|Prefer webhooks to polling.",
    "Idle workers restart importers.|Workers restart idle importers.",
    "Only editors may publish drafts.|Editors may publish only drafts.",
    "Editors may only publish drafts.|Only editors may publish drafts.",
    "All tenants see their own invoices.|Tenants see all their own invoices.",
    "Three shards serve five tenants.|Five shards serve three tenants.",
    "The lexer feeds the parser before the linter runs.|The linter feeds the parser before the lexer runs.",
    "Delete the test user.|Delete the user test.",
    "Lint, then format.|Format, then lint.",
    "Alice reviews what Bob writes.|Bob reviews what Alice writes.",
    "The cache is filled by the warmer.|The warmer is filled by the cache.",
    "Staging gets 2 replicas and production 4.|Staging gets 4 replicas and production 2.",
    "Editors and authors approve the layout.|Editors or authors approve the layout.",
    "We rotate the keys.|They rotate the keys.",
    "The flag was removed.|The flag will be removed.",
    "Sign the bundle for the vendor.|Sign the bundle by the vendor.",
    "Not every tenant is billed.|Every tenant is not billed.",
)


HELD_OUT = """
The export runs before midnight.|The export runs after midnight.
Grant access to the whole team.|Grant access to half the team.
The limit applies per user.|The limit applies per team.
Keep the old index until the rebuild ends.|Drop the old index until the rebuild ends.
Invoices are sent in March.|Invoices are sent in May.
Every shard has a leader.|One shard has a leader.
Use tabs for indentation.|Use spaces for indentation.
The endpoint is deprecated.|The endpoint is not deprecated.
The cron job runs at 3 am.|The cron job runs at 3 pm.
Errors are logged at debug level.|Errors are logged at info level.
Ask Maria before a release.|Ask Marta before a release.
Scale up when the load is high.|Scale down when the load is high.
The button opens the menu.|The button closes the menu.
Payments settle within two days.|Payments settle within two weeks.
The left pane shows the tree.|The right pane shows the tree.
Allow traffic from the VPN.|Allow traffic except from the VPN.
Prefer readability over speed.|Prefer speed over readability.
The client polls the server.|The server polls the client.
Managers approve requests from interns.|Interns approve requests from managers.
The cache is warm.|The cache is cold.
The test is flaky on Linux.|The test is flaky on Windows.
The plugin is enabled by default.|The plugin is disabled by default.
Wait until the lock is free.|Wait while the lock is free.
The first migration is slow.|The last migration is slow.
Some tests need network access.|No tests need network access.
Two thirds of the budget is spent.|One third of the budget is spent.
Releases happen in odd weeks.|Releases happen in even weeks.
Deploy to us-east-1.|Deploy to us-west-1.
The fee is 5 dollars.|The fee is 5 euros.
Contractors cannot see salaries.|Contractors can see salaries.
The service is stateless.|The service is stateful.
Customers outside the EU pay VAT.|Customers inside the EU pay VAT.
The archive is read-only.|The archive is write-only.
Logs are kept for a month.|Logs are kept for a year.
The API is synchronous.|The API is asynchronous.
Names are sorted ascending.|Names are sorted descending.
Admins may delete comments.|Moderators may delete comments.
Start the worker before the web server.|Start the web server before the worker.
The token is valid for one use.|The token is valid for ten uses.
The upstream proxy adds the header.|The downstream proxy adds the header.
Import the data, then validate it.|Validate the data, then import it.
The form has more fields than the table.|The table has more fields than the form.
The replica follows the primary.|The primary follows the replica.
Run the linter with warnings as errors.|Run the linter without warnings as errors.
Tests are skipped if the database is up.|Tests are skipped if the database is down.
Tests are skipped if the database is up.|Tests are skipped unless the database is up.
The quota resets on Sunday night.|The quota resets on Monday night.
Buy at most nine licences.|Buy at most nineteen licences.
The second reviewer is optional.|The second reviewer is mandatory.
Use single quotes in Python.|Use double quotes in Python.
We pay suppliers in advance.|We pay suppliers in arrears.
The key rotates every other week.|The key rotates every week.
All but the last row are frozen.|All the rows are frozen.
Store it in the top drawer.|Store it in the bottom drawer.
Readers may comment on drafts.|Writers may comment on drafts.
Only images are cached, not scripts.|Only scripts are cached, not images.
Merge the feature branch into main.|Merge main into the feature branch.
The minimum is 8 characters.|The maximum is 8 characters.
Alert when latency exceeds 200 ms.|Alert when latency falls below 200 ms.
Requests are signed by the gateway for the backend.|Requests are signed by the backend for the gateway.
Der Export läuft vor Mitternacht.|Der Export läuft nach Mitternacht.
Nur der erste Versuch zählt.|Nur der letzte Versuch zählt.
Der Client fragt den Server ab.|Der Server fragt den Client ab.
Gäste dürfen kommentieren.|Gäste dürfen nicht kommentieren.
Die Gebühr beträgt fünf Euro.|Die Gebühr beträgt fünfzig Euro.
Wir zahlen monatlich.|Wir zahlen jährlich.
Das Fenster ist offen.|Das Fenster ist geschlossen.
Jeder Dienst hat einen Besitzer.|Kein Dienst hat einen Besitzer.
L'export tourne avant minuit.|L'export tourne après minuit.
Les invités peuvent commenter.|Les invités ne peuvent pas commenter.
Le client interroge le serveur.|Le serveur interroge le client.
Nous payons chaque mois.|Nous payons chaque année.
La fenêtre est ouverte.|La fenêtre est fermée.
A exportação roda antes da meia-noite.|A exportação roda depois da meia-noite.
Convidados podem comentar.|Convidados não podem comentar.
O cliente consulta o servidor.|O servidor consulta o cliente.
Pagamos por mês.|Pagamos por ano.
A janela está aberta.|A janela está fechada.
导出在午夜之前运行。|导出在午夜之后运行。
访客可以评论。|访客不可以评论。
客户端查询服务器。|服务器查询客户端。
我们按月付款。|我们按年付款。
窗户是开着的。|窗户是关着的。
每个服务都有负责人。|没有服务有负责人。
费用是五元。|费用是五十元。
Los invitados pueden comentar.|Los invitados no pueden comentar.
El cliente consulta al servidor.|El servidor consulta al cliente.
La ventana está abierta.|La ventana está cerrada.
Opening hours are from 9 to 5.|Opening hours are from 5 to 9.
One in three requests is sampled.|Two in three requests are sampled.
Few requests are sampled.|A few requests are sampled.
The job always retries.|The job sometimes retries.
Any reviewer can approve.|All reviewers must approve.
Either key opens the vault.|Both keys open the vault.
The first three rows are frozen.|The last three rows are frozen.
Log in before you upload.|Log out before you upload.
Sign the image before the push.|Sign the image after the push.
Turn the flag on for guests.|Turn the flag off for guests.
The lift goes up to the third floor.|The lift goes down to the third floor.
You need not restart the server.|You must not restart the server.
The cache holds half as many entries.|The cache holds twice as many entries.
The bill is due in 30 days.|The bill is due in 13 days.
The discount is 5 %.|The discount is 5 points.
The temperature is -5 degrees.|The temperature is 5 degrees.
Retry 3 times with a delay of 5 s.|Retry 5 times with a delay of 3 s.
Use the v1 endpoint.|Use the v2 endpoint.
The fix landed in 3.11.|The fix landed in 3.12.
Ship to Canada only.|Ship to Mexico only.
Doctors may read charts.|Nurses may read charts.
The price includes tax.|The price excludes tax.
The upload is synchronous and the download is asynchronous.|The upload is asynchronous and the download is synchronous.
Team A owns billing and team B owns search.|Team B owns billing and team A owns search.
The parent closes the child.|The child closes the parent.
Alice's key signs Bob's certificate.|Bob's key signs Alice's certificate.
Do not merge without a review.|Do not merge with a review.
Merge only after a review.|Merge only before a review.
We support IPv4.|We support IPv6.
The tests pass.|The tests fail.
The warranty is void.|The warranty is valid.
Nobody may delete logs.|Everybody may delete logs.
The queue is never empty.|The queue is empty.
It is rarely used.|It is often used.
Requests over 1 MB are refused.|Requests under 1 MB are refused.
The minority decides.|The majority decides.
The outer join is slow.|The inner join is slow.
The index is unique.|The index is not unique.
The tenant pays the landlord.|The landlord pays the tenant.
Replace npm with pnpm.|Replace pnpm with npm.
Convert JSON to YAML.|Convert YAML to JSON.
Redis is faster than Postgres.|Postgres is faster than Redis.
The report covers Q1.|The report covers Q2.
Answer in English.|Answer in German.
The owner is responsible, not the reviewer.|The reviewer is responsible, not the owner.
Only the owner may transfer the repository to a team.|The owner may transfer only the repository to a team.
The third retry waits longer.|The third retry waits shorter.
Charge the buyer.|Charge the seller.
Store dates in UTC.|Store dates in CET.
The feature is on for beta users.|The feature is on for all users but beta users.
The limit is 10 per minute.|The limit is 10 per second.
Check the input, not the output.|Check the output, not the input.
The lock is exclusive.|The lock is shared.
The south entrance is closed.|The north entrance is closed.
Rows are added at the end.|Rows are added at the beginning.
Start with the hardest test.|Start with the easiest test.
The vote needs a simple majority.|The vote needs a two-thirds majority.
A quarter of the seats is free.|Three quarters of the seats are free.
The deadline is this Friday.|The deadline is next Friday.
The deadline is today.|The deadline is tomorrow.
Die Prüfung ist nicht nötig.|Die Prüfung ist nötig.
Das Paket kommt aus Berlin.|Das Paket geht nach Berlin.
Der Preis ist ohne Steuer.|Der Preis ist mit Steuer.
Der zweite Versuch zählt.|Der dritte Versuch zählt.
Wir liefern nur nach Polen.|Wir liefern nur nach Ungarn.
Ein Viertel der Plätze ist frei.|Drei Viertel der Plätze sind frei.
Der Mieter zahlt den Vermieter.|Der Vermieter zahlt den Mieter.
Mehr als zehn Zeilen.|Weniger als zehn Zeilen.
Immer vor dem Test speichern.|Immer nach dem Test speichern.
Alle Tests sind grün.|Einige Tests sind grün.
Le prix est hors taxes.|Le prix est taxes comprises.
Le colis vient de Berlin.|Le colis va à Berlin.
Le deuxième essai compte.|Le troisième essai compte.
Plus de dix lignes.|Moins de dix lignes.
Tous les tests passent.|Certains tests passent.
Le vendeur paie l'acheteur.|L'acheteur paie le vendeur.
O preço inclui imposto.|O preço exclui imposto.
O segundo teste conta.|O terceiro teste conta.
Mais de dez linhas.|Menos de dez linhas.
O vendedor paga o comprador.|O comprador paga o vendedor.
Envie para Lisboa.|Envie de Lisboa.
El precio incluye impuestos.|El precio excluye impuestos.
Más de diez líneas.|Menos de diez líneas.
El vendedor paga al comprador.|El comprador paga al vendedor.
价格含税。|价格不含税。
从北京发货到上海。|从上海发货到北京。
第二次尝试有效。|第三次尝试有效。
超过十行。|少于十行。
卖家付钱给买家。|买家付钱给卖家。
所有测试通过。|部分测试通过。
今天截止。|明天截止。
左侧面板关闭。|右侧面板关闭。
"""
"""Pairs that were written after the guard stood, in two goes: at first none of 88 and one of 92 passed."""


def held_out_pairs() -> Iterator[tuple[str, str, str]]:
    """Yield (`held out`, one text, the other)."""
    for line in HELD_OUT.strip().splitlines():
        one, other = line.split("|")
        yield "held out", one, other


def contrast_pairs() -> Iterator[tuple[str, str, str]]:
    """Yield (kind, one text, the other)."""
    for kind, templates, words in SLOTS:
        for template in templates:
            for pair in words.split("|"):
                one, other = (template.format(word) for word in pair.split("/"))
                yield kind, one[0].upper() + one[1:], other[0].upper() + other[1:]
    for language, pairs in ELSEWHERE.items():
        for pair in pairs.split("|"):
            one, other = pair.split("/")
            yield language, one, other
    for pair in EXCHANGED:
        one, other = pair.split("|")
        yield "exchanged", one, other
