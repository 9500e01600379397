"""SQL of the PostgreSQL bus. `team`, `channel` and `name` identify a group; `lock` is the name of the channel's advisory lock."""

from __future__ import annotations

from sqlalchemy import text

LOCK_SHARED = text("select pg_advisory_xact_lock_shared(hashtextextended(:lock, 0))")
"""Run before PUBLISH, as a statement of its own: the snapshot of PUBLISH then includes every group created before."""

PUBLISH = text(
    """
    with made as (
      insert into messages (team_id, channel, sender, type, recipient, payload)
      values (:team, :channel, :sender, :type, cast(:recipient as text), :payload) returning id
    ), deliveries as (
      insert into message_deliveries (group_id, message_id)
      select g.id, made.id from made, message_groups g
      where g.team_id = :team and g.channel = :channel and (cast(:recipient as text) is null or g.name = cast(:recipient as text))
    )
    select id from made
    """
)

TRIM = text(
    """
    delete from messages where team_id = :team and channel = :channel and id <= (
      select id from messages where team_id = :team and channel = :channel order by id desc offset :max limit 1)
    """
)

TAKE = text(
    """
    with mine as (
      select id from message_groups where team_id = :team and channel = :channel and name = :name
    ), due as (
      select group_id, message_id, deliveries from message_deliveries
      where group_id = (select id from mine) and visible_at <= now() order by visible_at, message_id limit :limit for update skip locked
    ), taken as (
      update message_deliveries d
      set consumer = :consumer, visible_at = now() + cast(:visibility as interval), deliveries = d.deliveries + 1
      from due where d.group_id = due.group_id and d.message_id = due.message_id and due.deliveries < :max
      returning d.message_id, d.deliveries
    ), exhausted as (
      delete from message_deliveries d using due
      where d.group_id = due.group_id and d.message_id = due.message_id and due.deliveries >= :max
      returning d.message_id, d.consumer, d.deliveries
    ), dead_lettered as (
      insert into message_dead_letters (message_id, team_id, channel, group_name, consumer, deliveries,
                                        sender, type, recipient, payload, at)
      select m.id, m.team_id, m.channel, :name, exhausted.consumer, exhausted.deliveries, m.sender, m.type, m.recipient, m.payload, m.at
      from exhausted join messages m on m.id = exhausted.message_id
    ), seen as (
      update message_groups set seen_at = now()
      where id = (select id from mine) and seen_at < now() - cast(:seen_every as interval)
    )
    select set_config('synchronous_commit', 'off', true), exists(select 1 from mine) as known, (select count(*) from exhausted) as dead,
           m.id, m.sender, m.type, m.recipient, m.payload, m.at, m.deliveries
    from (values (1)) one left join (
      select m.*, taken.deliveries from taken join messages m on m.id = taken.message_id) m on true
    order by m.id
    """
)
"""In one round trip: leases due deliveries to this consumer, oldest first; dead-letters those delivered `max` times already.

Commits asynchronously: after a crash, a lost lease only means a redelivery.
"""

HAS_ANY = text(
    """
    select exists(select 1 from messages where team_id = :team and channel = :channel and (recipient is null or recipient = :name))
    """
)
LOCK = text("select pg_advisory_xact_lock(hashtextextended(:lock, 0))")
COUNT_GROUPS = text("select count(*) from message_groups where team_id = :team and channel = :channel and name <> :name")
ADD_GROUP = text("insert into message_groups (team_id, channel, name) values (:team, :channel, :name) on conflict do nothing returning id")
FILL_GROUP = text(
    """
    insert into message_deliveries (group_id, message_id, visible_at)
    select :group, id, at from messages
    where team_id = :team and channel = :channel and (recipient is null or recipient = :name)
    """
)
"""Run under the channel's exclusive lock, so that nothing is published meanwhile: a new group starts with all kept messages."""

ACKNOWLEDGE = text(
    """
    delete from message_deliveries d using message_groups g
    where g.team_id = :team and g.channel = :channel and g.name = :name
      and d.group_id = g.id and d.message_id = any(cast(:ids as bigint[])) and d.consumer is not null
    """
)
HAS_GROUP = text("select exists(select 1 from message_groups where team_id = :team and channel = :channel and name = :name)")
_DEAD_LETTERS = """
    select id, message_id, sender, type, recipient, payload, at, deliveries, group_name, consumer, died_at
    from message_dead_letters where team_id = :team and channel = :channel
      and (cast(:after as bigint) is null or id {beyond} :after)
      and (cast(:since as timestamptz) is null or died_at >= :since)
      and (cast(:until as timestamptz) is null or died_at < :until)
    order by id {order} limit :limit
    """
DEAD_LETTERS = {
    "newest": text(_DEAD_LETTERS.format(beyond="<", order="desc")),
    "oldest": text(_DEAD_LETTERS.format(beyond=">", order="asc")),
}
"""A page of dead letters, by its order."""

WAITING = text("select count(*) from (select 1 from message_deliveries limit 100000) as counted")
SWEEP_OLD = text("delete from messages where at < now() - cast(:age as interval)")
SWEEP_GROUPS = text("delete from message_groups where seen_at < now() - cast(:age as interval)")
"""Every kept message is younger than the group's last visit, so a returning group starts with the same messages."""
SWEEP_CHANNELS = text(
    """
    delete from messages where id in (
      select id from (select id, row_number() over (partition by team_id, channel order by id desc) as place from messages) placed
      where place > :max)
    """
)
SWEEP_DEAD = text(
    """
    delete from message_dead_letters where died_at < now() - cast(:age as interval) or id in (
      select id from (
        select id, row_number() over (partition by team_id, channel order by id desc) as place from message_dead_letters) placed
      where place > :max)
    """
)
