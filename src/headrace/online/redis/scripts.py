"""What runs inside Redis: each script is one atomic step on one node. docs/decisions/0006 has the layout that they keep.

Lua's numbers are doubles, and its order of strings is the server's locale. So no script reads an offset as one number, or
compares strings by order: 64 bits are compared as two halves, each exact.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

__all__ = [
    "BEGIN",
    "BUILD",
    "CLAIM",
    "COMMIT",
    "DROP",
    "FLIP",
    "FORGET",
    "MOST_FRAMES",
    "RECORD",
    "SCRIPTS",
    "STATUS",
    "SWAP",
    "WRITE",
    "Script",
]


MOST_FRAMES = 8
"""A state and changes to it: with more than so many, whoever wrote the last one merges them."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the name that Redis gives it."""

    text: bytes
    sha: bytes

    @classmethod
    def of(cls, text: str) -> Script:
        """The script of this text."""
        code = text.encode()
        return cls(code, hashlib.sha1(code, usedforsecurity=False).hexdigest().encode())


_BELOW = """
local function below(a, b) -- decimal texts of whole numbers, none negative
  if #a ~= #b then return #a < #b end
  local cut = math.max(#a - 9, 0)
  local high_a, high_b = tonumber(a:sub(1, cut)) or 0, tonumber(b:sub(1, cut)) or 0
  if high_a ~= high_b then return high_a < high_b end
  return tonumber(a:sub(-9)) < tonumber(b:sub(-9))
end
"""

_FORGET = """
local function forget(hash, generation) -- all that is known of a generation, but that its keys have to be removed
  local fields, start = redis.call('HKEYS', hash), generation .. ':'
  for _, field in ipairs(fields) do
    if field:sub(1, #start) == start then redis.call('HDEL', hash, field) end
  end
  redis.call('HSET', hash, start .. 'dead', '1')
end
"""

BEGIN = Script.of(
    _BELOW
    + """
-- KEYS: hash, pointer. ARGV: generation or '', a name for a new one, partition, first, last, and the offset before the first.
local generation, partition, first, last = ARGV[1], ARGV[3], ARGV[4], ARGV[5]
if generation ~= '' then
  if redis.call('HGET', KEYS[1], 'building') ~= generation then return {'overlaps', '', '0'} end
else
  generation = redis.call('GET', KEYS[2])
  if not generation then
    if ARGV[6] ~= '-1' then return {'overlaps', '', '0'} end -- what came before has been forgotten
    generation = ARGV[2]
    redis.call('SET', KEYS[2], generation)
    redis.call('HSET', KEYS[1], generation .. ':count', '0')
  end
end
local field, range = generation .. ':begun:' .. partition, first .. ':' .. last
local applied = redis.call('HGET', KEYS[1], generation .. ':applied:' .. partition)
local begun = redis.call('HGET', KEYS[1], field)
if applied and not below(applied, last) then return {'skipped', generation, '0'} end
if begun and begun ~= range or (applied or '-1') ~= ARGV[6] then return {'overlaps', generation, '0'} end
redis.call('HSET', KEYS[1], field, range)
return {'begun', generation, redis.call('HGET', KEYS[1], generation .. ':count') or '0'}
"""
)

COMMIT = Script.of(
    _BELOW
    + """
-- KEYS: hash. ARGV: generation, partition, first:last, last, newest or '', late, new keys.
local start = ARGV[1] .. ':'
local begun, applied = start .. 'begun:' .. ARGV[2], start .. 'applied:' .. ARGV[2]
if redis.call('HGET', KEYS[1], begun) ~= ARGV[3] then
  local reached = redis.call('HGET', KEYS[1], applied)
  return (reached and not below(reached, ARGV[4])) and 'skipped' or 'gone'
end
redis.call('HDEL', KEYS[1], begun)
redis.call('HSET', KEYS[1], applied, ARGV[4])
if ARGV[5] ~= '' then
  local newest = redis.call('HGET', KEYS[1], start .. 'newest')
  if not newest or below(newest, ARGV[5]) then redis.call('HSET', KEYS[1], start .. 'newest', ARGV[5]) end
end
if ARGV[6] ~= '0' then redis.call('HINCRBY', KEYS[1], start .. 'late', ARGV[6]) end
if ARGV[7] ~= '0' then redis.call('HINCRBY', KEYS[1], start .. 'count', ARGV[7]) end
return 'applied'
"""
)

_PARTS = """
local function parts(value) -- the first byte, where the partitions begin, and where the frames do
  local kind, high, low = string.byte(value, 1, 3)
  if not kind then return 0, 2, 2 end
  if kind % 128 >= 64 then return kind, 2, 14 end
  return kind, 4, 4 + 12 * (low and high * 256 + low or 0)
end
"""

WRITE = Script.of(
    _PARTS
    + """
-- KEYS: [hash,] keys. ARGV: field or '', begun, partition and last as in a header, milliseconds to keep or '', now or '',
-- '1' if most keys are likely to be new, then a change for each key.
-- Returns a letter for each key: n new, o old, g old and grown, x not ours; false if the delta isn't begun (any more).
local call, pcall, keys, given = redis.call, redis.pcall, KEYS, ARGV
local sub, byte, char, number = string.sub, string.byte, string.char, struct.unpack
local fenced = given[1] ~= ''
if fenced and call('HGET', keys[1], given[1]) ~= given[2] then return false end
local skip = fenced and 1 or 0
local partition, last, keep, now, fresh = sub(given[3], 1, 4), sub(given[3], 5), given[4], given[5], given[6] == '1'
local last_high, last_low = number('>I4I4', last)
local now_high, now_low
if now ~= '' then now_high, now_low = number('>i4I4', now) end
local own = given[3] -- the header of a key that no other partition has reached
local created = '\\193' .. own
local MOST = {most}

local function set(key, value)
  if keep == '' then call('SET', key, value) else call('SET', key, value, 'PX', keep) end
end

local function set_new(key, value)
  if keep == '' then return call('SET', key, value, 'NX') end
  return call('SET', key, value, 'NX', 'PX', keep)
end

local function compare(a, at_a, b, at_b) -- signed 64 bits
  local high_a, low_a = number('>i4I4', a, at_a)
  local high_b, low_b = number('>i4I4', b, at_b)
  if high_a ~= high_b then return high_a < high_b and -1 or 1 end
  if low_a ~= low_b then return low_a < low_b and -1 or 1 end
  return 0
end

-- One of two records after a header, with the lower of both oldest, by timestamp, arrival, partition; nil unless both hold by now
-- and each is alone in its state. Their heads are of fixed width.
local function newer(header, change, stored, at)
  if byte(stored, at + 35) ~= 192 or byte(change, 36) ~= 192 then return nil end
  local high, low = number('>i4I4', change, 14)
  local other_high, other_low = number('>i4I4', stored, at + 13)
  if high > now_high or high == now_high and low > now_low then return nil end
  if other_high > now_high or other_high == now_high and other_low > now_low then return nil end
  local order = high - other_high
  if order == 0 then order = low - other_low end
  if order == 0 then order = compare(change, 23, stored, at + 22) end
  if order == 0 then order = number('>i4', change, 32) - number('>i4', stored, at + 31) end
  local older = compare(change, 5, stored, at + 4) < 0 and sub(change, 5, 12) or sub(stored, at + 4, at + 11)
  if order > 0 then return header .. sub(change, 1, 4) .. older .. sub(change, 13) end
  return header .. sub(stored, at, at + 3) .. older .. sub(stored, at + 12)
end

local function framed(text)
  return struct.pack('>I4', #text) .. text
end

local function write(key, change)
  local stored = pcall('GET', key)
  if type(stored) == 'table' then return 'x' end
  if not stored then
    set(key, created .. change)
    return 'n'
  end
  local kind, first, body = parts(stored)
  local frames = kind % 64
  if first == body or frames == 0 or #stored < body then return 'x' end
  local entry
  for at = first, body - 12, 12 do
    if sub(stored, at, at + 3) == partition then entry = at; break end
  end
  local header, alone = own, 64
  if entry then
    local high, low = number('>I4I4', stored, entry + 4)
    if high > last_high or high == last_high and low >= last_low then
      return (kind >= 128 and high == last_high and low == last_low) and 'n' or 'o'
    end
    if first ~= 2 then
      header, alone = sub(stored, 2, entry + 3) .. last .. sub(stored, entry + 12, body - 1), 0
    end
  else
    alone = 0
    header = struct.pack('>I2', (body - first) / 12 + 1) .. sub(stored, first, body - 1) .. partition .. last
  end
  local record = frames == 1 and now_high and newer(char(alone + 1) .. header, change, stored, body)
  if record then
    set(key, record)
    return 'o'
  end
  local rest = sub(stored, body)
  if frames == 1 then rest = framed(rest) end
  if frames < 63 then frames = frames + 1 end
  set(key, char(alone + frames) .. header .. rest .. framed(change))
  return frames > MOST and 'g' or 'o'
end

local out = {}
for i = 1, #keys - skip do
  local key, change = keys[skip + i], given[6 + i]
  if fresh and set_new(key, created .. change) then out[i] = 'n' else out[i] = write(key, change) end
end
return table.concat(out)
""".replace("{most}", str(MOST_FRAMES))
)

SWAP = Script.of(
    _PARTS
    + """
-- KEYS: keys. ARGV: for each, the SHA-1 of the frames that were merged, their length, how many, and what they make.
-- Frames that came in meanwhile follow it.
for i = 1, #KEYS do
  local stored = redis.pcall('GET', KEYS[i])
  if type(stored) == 'string' then
    local a = 4 * (i - 1)
    local length, merged, state = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), ARGV[a + 4]
    local kind, _, body = parts(stored)
    local rest = string.sub(stored, body + length)
    if redis.sha1hex(string.sub(stored, body, body + length - 1)) == ARGV[a + 1] then
      local frames = math.max(kind % 64 - merged, 0) + 1
      if rest ~= '' then state = struct.pack('>I4', #state) .. state .. rest end
      if rest ~= '' and frames < 2 then frames = 2 end
      redis.call('SET', KEYS[i], string.char(kind - kind % 64 + frames) .. string.sub(stored, 2, body - 1) .. state, 'KEEPTTL')
    end
  end
end
return 1
"""
)

STATUS = Script.of(
    """
-- KEYS: hash, pointer.
return {redis.call('GET', KEYS[2]), redis.call('HGETALL', KEYS[1])}
"""
)

BUILD = Script.of(
    """
-- KEYS: hash. ARGV: a name for a new one.
local building = redis.call('HGET', KEYS[1], 'building')
if building then return building end
redis.call('HSET', KEYS[1], 'building', ARGV[1], ARGV[1] .. ':count', '0')
return ARGV[1]
"""
)

FLIP = Script.of(
    _BELOW
    + _FORGET
    + """
-- KEYS: hash, pointer. ARGV: the generation. Returns flipped, behind or gone.
local current, name = redis.call('GET', KEYS[2]), ARGV[1]
if current == name then return 'flipped' end
if redis.call('HGET', KEYS[1], 'building') ~= name then return 'gone' end
if current then
  local fields = redis.call('HGETALL', KEYS[1])
  for i = 1, #fields, 2 do
    local generation, kind, partition = fields[i]:match('^(%w+):(%a+):(.+)$')
    if generation == current then -- what was begun may be seen already
      local last = kind == 'begun' and fields[i + 1]:match(':(%d+)$') or fields[i + 1]
      local reached = redis.call('HGET', KEYS[1], name .. ':applied:' .. partition)
      if not reached or below(reached, last) then return 'behind' end
    end
  end
  forget(KEYS[1], current)
end
redis.call('SET', KEYS[2], name)
redis.call('HDEL', KEYS[1], 'building')
return 'flipped'
"""
)

DROP = Script.of(
    _FORGET
    + """
-- KEYS: hash, pointer.
local current, building = redis.call('GET', KEYS[2]), redis.call('HGET', KEYS[1], 'building')
redis.call('DEL', KEYS[2])
redis.call('HDEL', KEYS[1], 'building')
if current then forget(KEYS[1], current) end
if building then forget(KEYS[1], building) end
return 1
"""
)

RECORD = Script.of(
    _BELOW
    + """
-- KEYS: times by id, places by id, positions. ARGV: partition, last, '1' to move the position, then time, id, time, id, …
local reached = redis.call('HGET', KEYS[3], ARGV[1])
if reached and not below(reached, ARGV[2]) then return 0 end
for i = 4, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[2], ARGV[i + 1]) == 0 then redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
if ARGV[3] == '1' then redis.call('HSET', KEYS[3], ARGV[1], ARGV[2]) end
return 1
"""
)

CLAIM = Script.of(
    """
-- KEYS: times by id, places by id. ARGV: time, the oldest time that still counts, then id, place, id, place, …
-- Returns a digit for each id: 1 if it belongs to the place.
local out, oldest = {}, tonumber(ARGV[2])
for i = 3, #ARGV, 2 do
  local time = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if time and tonumber(time) >= oldest then
    out[#out + 1] = redis.call('HGET', KEYS[2], ARGV[i]) == ARGV[i + 1] and '1' or '0'
  else
    redis.call('ZADD', KEYS[1], ARGV[1], ARGV[i])
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    out[#out + 1] = '1'
  end
end
return table.concat(out)
"""
)

FORGET = Script.of(
    """
-- KEYS: times by id, places by id. ARGV: the time before which ids go, and how many at most. Returns how many went.
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
return #ids
"""
)

SCRIPTS = (BEGIN, BUILD, CLAIM, COMMIT, DROP, FLIP, FORGET, RECORD, STATUS, SWAP, WRITE)
