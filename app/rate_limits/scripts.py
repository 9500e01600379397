"""The Lua scripts that do `window.py` in Redis atomically: usage of the last minute, and whether one more request fits."""

from __future__ import annotations

NOW = """
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end
local second = math.floor(now)
"""
REDIS_TIME = ""
"""Time argument for Redis's own clock, shared by all servers. Tests pass a time."""

TAKE = (
    NOW
    + """
-- KEYS: a window each: a hash of second -> amount. ARGV, behind the time: of each its limit, and what a request adds to it at once.
local windows, granted = {}, 1
for place, key in ipairs(KEYS) do
  local limit, used, last, seconds = tonumber(ARGV[2 * place]), 0, 0, {}
  local all = redis.pcall('HGETALL', key)
  if all.err then
    if not string.find(all.err, 'WRONGTYPE') then return all end
    redis.call('DEL', key)  -- something else stands there: counts are begun anew
    all = {}
  end
  for each = 1, #all, 2 do
    local at, amount = tonumber(all[each]), tonumber(all[each + 1])
    if not at or not amount or at < second - 60 or at > second + 60 then  -- beyond: the clock was set back
      redis.call('HDEL', key, all[each])
    else
      used = used + amount
      last = math.max(last, at)
      table.insert(seconds, {at, amount})
    end
  end
  if used >= limit then granted = 0 end
  windows[place] = {limit = limit, used = used, last = last, seconds = seconds}
end
local found = {granted}
for place, window in ipairs(windows) do
  local adds = granted * tonumber(ARGV[2 * place + 1])
  if adds > 0 then
    redis.call('HINCRBY', KEYS[place], second, adds)
    redis.call('EXPIRE', KEYS[place], 62)
    window.used = window.used + adds
    window.last = math.max(window.last, second)
    table.insert(window.seconds, {second, adds})
  end
  local still, free_at = window.used, now
  if still >= window.limit then
    table.sort(window.seconds, function(one, other) return one[1] < other[1] end)
    for _, each in ipairs(window.seconds) do
      if still < window.limit then break end
      still = still - each[2]
      free_at = each[1] + 61
    end
  end
  local back_at = window.used > 0 and window.last + 61 or now
  table.insert(found, window.used)
  table.insert(found, math.ceil((free_at - now) * 1000))
  table.insert(found, math.ceil((back_at - now) * 1000))
end
return found
"""
)

USE = (
    NOW
    + """
local done = redis.pcall('HINCRBY', KEYS[1], second, ARGV[2])
if type(done) == 'table' then
  if not string.find(done.err, 'WRONGTYPE') and not string.find(done.err, 'not an integer') then return done end
  redis.call('DEL', KEYS[1])  -- something else stands there
  redis.call('HINCRBY', KEYS[1], second, ARGV[2])
end
redis.call('EXPIRE', KEYS[1], 62)
"""
)
