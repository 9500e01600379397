"""Lua scripts that Redis (6.2 and later) runs atomically: take messages, and delete abandoned consumers."""

from __future__ import annotations

NO_ROOM = "CAIRN_NO_ROOM"

TAKE = """
local stream, dead, looked = KEYS[1], KEYS[2], KEYS[3]
local group, consumer, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local visibility, most, look_ms = ARGV[4], tonumber(ARGV[5]), ARGV[6]
local oldest, groups, dead_most, dead_ms = ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10]
local LOOK, SEEN = 100, 1000

local function value(fields, name)
  for place = 1, #fields, 2 do
    if fields[place] == name then return fields[place + 1] end
  end
end

redis.call('XTRIM', stream, 'MINID', oldest)
if redis.call('EXISTS', stream) == 0 then return {0, 0, {}} end
local joined = redis.pcall('XGROUP', 'CREATECONSUMER', stream, group, consumer)
if type(joined) == 'table' and joined.err then
  if #redis.call('XINFO', 'GROUPS', stream) >= groups then return redis.error_reply('CAIRN_NO_ROOM') end
  redis.call('XGROUP', 'CREATE', stream, group, '0')
  redis.call('XGROUP', 'CREATECONSUMER', stream, group, consumer)
end

local taken, buried = {}, 0
-- All that is pending is read to find the silent: so once in a while is enough, whoever takes.
if redis.call('SET', looked, '1', 'NX', 'PX', look_ms) then
  local silent = redis.call('XPENDING', stream, group, 'IDLE', visibility, '-', '+', LOOK)
  for _, each in ipairs(silent) do
    local id, times = each[1], each[4]
    if times >= most then
      local found = redis.call('XRANGE', stream, id, id)
      if found[1] then
        redis.call('XADD', dead, 'MAXLEN', dead_most, '*', 'of', id, 'group', group, 'consumer', each[2], 'deliveries', times,
                   unpack(found[1][2]))
        redis.call('PEXPIRE', dead, dead_ms)
        buried = buried + 1
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
  if #silent == LOOK or #taken == limit then redis.call('DEL', looked) end
end

local seen = 0
while #taken < limit and seen < SEEN do
  local wanted = limit - #taken
  local found = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', wanted, 'STREAMS', stream, '>')
  if not found then break end
  local entries = found[1][2]
  for _, each in ipairs(entries) do
    seen = seen + 1
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
if #taken >= limit or seen >= SEEN then more = 1 end
return {more, buried, taken}
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
    -- Whatever is kept is younger than its last visit: coming back, it begins with the same messages.
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
