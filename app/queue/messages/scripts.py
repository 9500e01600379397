"""Lua scripts that Redis (6.2 and later) runs atomically: take messages, and delete abandoned consumers."""

from __future__ import annotations

TOO_MANY_GROUPS = "CAIRN_TOO_MANY_GROUPS"
"""Error of TAKE: the channel has as many groups as it may."""

TAKE = """
local stream, dead, scanned = KEYS[1], KEYS[2], KEYS[3]
local group, consumer, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local visibility, max_deliveries, scan_ms = ARGV[4], tonumber(ARGV[5]), ARGV[6]
local oldest, max_groups, max_dead, dead_ms = ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10]
local MAX_SCANNED, MAX_READ = 100, 1000

local function value(fields, name)
  for place = 1, #fields, 2 do
    if fields[place] == name then return fields[place + 1] end
  end
end

redis.call('XTRIM', stream, 'MINID', oldest)
if redis.call('EXISTS', stream) == 0 then return {0, 0, {}} end
local joined = redis.pcall('XGROUP', 'CREATECONSUMER', stream, group, consumer)
if type(joined) == 'table' and joined.err then
  if #redis.call('XINFO', 'GROUPS', stream) >= max_groups then return redis.error_reply('CAIRN_TOO_MANY_GROUPS') end
  redis.call('XGROUP', 'CREATE', stream, group, '0')
  redis.call('XGROUP', 'CREATECONSUMER', stream, group, consumer)
end

local taken, dead_count = {}, 0
-- Finding expired leases reads all pending entries, so it is done once per scan_ms, by whichever consumer takes next.
if redis.call('SET', scanned, '1', 'NX', 'PX', scan_ms) then
  local expired = redis.call('XPENDING', stream, group, 'IDLE', visibility, '-', '+', MAX_SCANNED)
  for _, each in ipairs(expired) do
    local id, times = each[1], each[4]
    if times >= max_deliveries then
      local found = redis.call('XRANGE', stream, id, id)
      if found[1] then
        redis.call('XADD', dead, 'MAXLEN', max_dead, '*', 'of', id, 'group', group, 'consumer', each[2], 'deliveries', times,
                   unpack(found[1][2]))
        redis.call('PEXPIRE', dead, dead_ms)
        dead_count = dead_count + 1
      end
      redis.call('XACK', stream, group, id)
    elseif #taken < limit then
      local got = redis.call('XCLAIM', stream, group, consumer, visibility, id)
      if got[1] then
        taken[#taken + 1] = {id, times + 1, got[1][2]}
      else
        redis.call('XACK', stream, group, id)  -- trimmed meanwhile
      end
    end
  end
  if #expired == MAX_SCANNED or #taken == limit then redis.call('DEL', scanned) end
end

local read = 0
while #taken < limit and read < MAX_READ do
  local wanted = limit - #taken
  local found = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', wanted, 'STREAMS', stream, '>')
  if not found then break end
  local entries = found[1][2]
  for _, each in ipairs(entries) do
    read = read + 1
    local to = value(each[2], 'to')
    if to and to ~= group then
      redis.call('XACK', stream, group, each[1])
    else
      taken[#taken + 1] = {each[1], 1, each[2]}
    end
  end
  if #entries < wanted then break end
end
local more = 0
if #taken >= limit or read >= MAX_READ then more = 1 end
return {more, dead_count, taken}
"""

SWEEP = """
local stream, oldest, idle_ms, gone_ms = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function named(flat)
  local found = {}
  for place = 1, #flat, 2 do found[flat[place]] = flat[place + 1] end
  return found
end

local trimmed = redis.call('XTRIM', stream, 'MINID', oldest)
if redis.call('EXISTS', stream) == 0 then return trimmed end
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local group, latest, members = named(flat).name, nil, {}
  for _, each in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    local member = named(each)
    members[#members + 1] = member
    if not latest or member.idle < latest.idle then latest = member end
  end
  if not latest or latest.idle > gone_ms then
    -- Every kept message is younger than the group's last visit, so a returning group starts with the same messages.
    redis.call('XGROUP', 'DESTROY', stream, group)
  else
    for _, member in ipairs(members) do
      if member.name ~= latest.name and member.pending == 0 and member.idle > idle_ms then
        redis.call('XGROUP', 'DELCONSUMER', stream, group, member.name)
      end
    end
  end
end
return trimmed
"""
