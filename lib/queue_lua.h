/*
 * The scripts of lib/queue.c and lib/queue_worker.c, which alone include this.
 * Redis runs each one whole and alone, so what a script has checked stays true
 * to its end.
 *
 * Rules they keep: a write that Redis refuses when it is out of memory comes
 * before any that it allows, so a refused script has changed nothing.  Each
 * can be run twice, since an answer may be lost on its way.  They answer with
 * "ok", "missing" (no such record), a state ("the record is in it, so no"),
 * or with what their comment says.
 */
#ifndef DAVIT_LIB_QUEUE_LUA_H
#define DAVIT_LIB_QUEUE_LUA_H

/* Goes before every script. */
#define LUA_COMMON \
	"local call = redis.call\n" \
	"local final = {deployed = true, failed = true, canceled = true}\n" \
	"local stages = {'fetch', 'queue', 'prepare', 'install', 'build',\n" \
	"    'publish'}\n" \
	"local function record(id) return 'davit:deployment:' .. id end\n" \
	"local function taken(worker) return 'davit:taken:' .. worker end\n" \
	"local function get(id, field)\n" \
	"  return call('HGET', record(id), field)\n" \
	"end\n" \
	"local function set_argv(id, from)\n" \
	"  for i = from, #ARGV, 2 do\n" \
	"    call('HSET', record(id), ARGV[i], ARGV[i + 1])\n" \
	"  end\n" \
	"end\n" \
	"local function count(list, id)\n" \
	"  return #call('LPOS', list, id, 'COUNT', 0)\n" \
	"end\n" \
	"local function is_deleted(id)\n" \
	"  return (get(id, 'deleted') or '0') ~= '0'\n" \
	"end\n" \
	/* nil where the attempt may change the record, else the answer */ \
	"local function lost(id, attempt)\n" \
	"  local state = get(id, 'state')\n" \
	"  if not state then return 'missing' end\n" \
	"  if final[state] then return state end\n" \
	"  if get(id, 'attempt') ~= attempt then return 'another attempt' end\n" \
	"end\n" \
	"local function settle(id, state, now)\n" \
	"  for _, stage in ipairs(stages) do\n" \
	"    if get(id, stage .. '.started') and\n" \
	"        not get(id, stage .. '.ended') then\n" \
	"      call('HSET', record(id), stage .. '.ended', now)\n" \
	"      if state ~= 'deployed' then\n" \
	"        call('HSET', record(id), stage .. '.failed', 1)\n" \
	"      end\n" \
	"    end\n" \
	"  end\n" \
	"  call('HSET', record(id), 'state', state, 'updated', now)\n" \
	"  call('SADD', 'davit:settling', id)\n" \
	"  call('HDEL', record(id), 'env')\n" \
	"  call('DEL', 'davit:cancel:' .. id)\n" \
	"end\n" \
	/* back to where it is taken next, as if it had never been taken */ \
	"local function requeue(id, now)\n" \
	"  call('HSET', record(id), 'state', 'queued', 'updated', now,\n" \
	"      'queue.started', now)\n" \
	"  call('RPUSH', 'build-queue', id)\n" \
	"  call('HDEL', record(id), 'queue.ended', 'plan')\n" \
	"  for i = 3, #stages do\n" \
	"    call('HDEL', record(id), stages[i] .. '.started',\n" \
	"        stages[i] .. '.ended', stages[i] .. '.failed')\n" \
	"  end\n" \
	"end\n" \
	/* to where it is taken last.  "pushed" is how many had been pushed by \
	 * then: LUA_POSITION's hint. */ \
	"local function push(id)\n" \
	"  call('HSET', record(id), 'pushed', call('INCR', 'davit:pushed'))\n" \
	"  call('LPUSH', 'build-queue', id)\n" \
	"end\n" \
	/* out of a worker's list: next is '1' where its build has died */ \
	"local function give_back(worker, id, next, now, max, code, why)\n" \
	"  local state = get(id, 'state')\n" \
	"  if state and not final[state] then\n" \
	"    local attempt = tonumber(get(id, 'attempt')) or 1\n" \
	"    if next ~= '1' then\n" \
	"      requeue(id, now)\n" \
	"    elseif attempt < tonumber(max) then\n" \
	"      call('HSET', record(id), 'attempt', attempt + 1)\n" \
	"      requeue(id, now)\n" \
	"    else\n" \
	"      call('HSET', record(id), 'error', code, 'message', why)\n" \
	"      settle(id, 'failed', now)\n" \
	"    end\n" \
	"  end\n" \
	"  call('LREM', taken(worker), 0, id)\n" \
	"end\n"

/* id now field value … */
#define LUA_SUBMIT \
	"local id, now = ARGV[1], ARGV[2]\n" \
	"if call('EXISTS', record(id)) == 1 then return get(id, 'state') end\n" \
	"set_argv(id, 3)\n" \
	"call('HSET', record(id), 'state', 'queued', 'updated', now,\n" \
	"    'queue.started', now)\n" \
	"call('ZADD', 'davit:deployments', get(id, 'created'), id)\n" \
	"push(id)\n" \
	"return 'ok'\n"

/* id now field value …: a record that Redis has lost.  "known" where it has
 * not.  What waited waits again, as the next attempt: who built it may not
 * have noticed.  What was deleted may not be gone yet. */
#define LUA_RESTORE \
	"local id, now = ARGV[1], ARGV[2]\n" \
	"if call('EXISTS', record(id)) == 1 then return 'known' end\n" \
	"set_argv(id, 3)\n" \
	"if is_deleted(id) then\n" \
	"  call('SADD', 'davit:settling', id)\n" \
	"  return 'ok'\n" \
	"end\n" \
	"call('ZADD', 'davit:deployments', get(id, 'created') or now, id)\n" \
	"if not final[get(id, 'state')] then\n" \
	"  call('HINCRBY', record(id), 'attempt', 1)\n" \
	"  call('HSET', record(id), 'state', 'queued', 'updated', now,\n" \
	"      'queue.started', now)\n" \
	"  push(id)\n" \
	"end\n" \
	"return 'ok'\n"

/* id: 0 where it is certain that Redis has never heard of it */
#define LUA_KNOWS \
	"if call('EXISTS', 'davit:filled') == 0 then return 1 end\n" \
	"return call('EXISTS', record(ARGV[1]))\n"

/* before limit: hashes, newest first */
#define LUA_LIST \
	"local all = {}\n" \
	"for _, id in ipairs(call('ZREVRANGEBYSCORE', 'davit:deployments',\n" \
	"    ARGV[1], '-inf', 'LIMIT', 0, ARGV[2])) do\n" \
	"  local fields = call('HGETALL', record(id))\n" \
	"  if #fields > 0 then table.insert(all, fields) end\n" \
	"end\n" \
	"return all\n"

/* id: its place from the end where ids are taken, 0 where it is not in.  As
 * many as were pushed since stand before it, but for those that were canceled
 * or that others pushed: it is sought there first, then everywhere. */
#define LUA_POSITION \
	"local list, id = 'build-queue', ARGV[1]\n" \
	"local pushed = tonumber(get(id, 'pushed') or nil)\n" \
	"local now = tonumber(call('GET', 'davit:pushed') or nil)\n" \
	"if pushed and now and now >= pushed then\n" \
	"  local from = math.max(now - pushed - 16, 0)\n" \
	"  for i, near in ipairs(call('LRANGE', list, from, from + 32)) do\n" \
	"    if near == id then return call('LLEN', list) - from - i + 1 end\n" \
	"  end\n" \
	"end\n" \
	"local at = call('LPOS', list, id, 'RANK', -1)\n" \
	"return at and call('LLEN', list) - at or 0\n"

/* worker ms */
#define LUA_LEASE \
	"call('SET', 'davit:lease:' .. ARGV[1], '1', 'PX', ARGV[2])\n" \
	"call('SADD', 'davit:workers', ARGV[1])\n" \
	"return 'ok'\n"

/* nil where a worker lives that waits for nothing, or none lives */
#define LUA_WAITING_FOR \
	"local what = false\n" \
	"for _, worker in ipairs(call('SMEMBERS', 'davit:workers')) do\n" \
	"  if call('EXISTS', 'davit:lease:' .. worker) == 1 then\n" \
	"    what = call('GET', 'davit:waiting-for:' .. worker)\n" \
	"    if not what then return false end\n" \
	"  end\n" \
	"end\n" \
	"return what\n"

/* worker id now: the hash, or "missing", "held" or a final state.  One that
 * another worker holds, or this one twice, was queued twice.  A state other
 * than queued in nobody's hand is one that Redis has brought back. */
#define LUA_CLAIM \
	"local worker, id, now = ARGV[1], ARGV[2], ARGV[3]\n" \
	"local mine, state = count(taken(worker), id), get(id, 'state')\n" \
	"local holder = get(id, 'worker')\n" \
	"local why = nil\n" \
	"if not state then why = 'missing'\n" \
	"elseif final[state] then why = state\n" \
	"elseif mine ~= 1 then why = 'held'\n" \
	"elseif holder and holder ~= worker and\n" \
	"    count(taken(holder), id) > 0 then why = 'held'\n" \
	"end\n" \
	"if why then\n" \
	"  if mine > 0 then call('LREM', taken(worker), 1, id) end\n" \
	"  return why\n" \
	"end\n" \
	"call('HSET', record(id), 'id', id, 'worker', worker,\n" \
	"    'state', 'queued', 'updated', now, 'log_bytes', 0)\n" \
	"call('HSETNX', record(id), 'attempt', 1)\n" \
	"call('HSETNX', record(id), 'created', now)\n" \
	"call('DEL', 'davit:log:' .. id, 'davit:log-times:' .. id)\n" \
	"return call('HGETALL', record(id))\n"

/* id attempt now state field value … */
#define LUA_CHANGE \
	"local id, now, state = ARGV[1], ARGV[3], ARGV[4]\n" \
	"local no = lost(id, ARGV[2])\n" \
	"if no then return no end\n" \
	"if get(id, 'state') == 'queued' and state == 'building' then\n" \
	"  call('HSET', record(id), 'queue.ended', now)\n" \
	"end\n" \
	"call('HSET', record(id), 'state', state, 'updated', now)\n" \
	"set_argv(id, 5)\n" \
	"return 'ok'\n"

/* worker id attempt now state field value … */
#define LUA_FINISH \
	"local worker, id, now, state = ARGV[1], ARGV[2], ARGV[4], ARGV[5]\n" \
	"local no = lost(id, ARGV[3])\n" \
	"if not no then\n" \
	"  set_argv(id, 6)\n" \
	"  settle(id, state, now)\n" \
	"elseif no ~= state then\n" \
	"  return no\n" \
	"end\n" \
	"call('LREM', taken(worker), 0, id)\n" \
	"return 'ok'\n"

/* worker id next now max code why; "held" where it is not in the list */
#define LUA_RETURN \
	"if count(taken(ARGV[1]), ARGV[2]) == 0 then return 'held' end\n" \
	"give_back(unpack(ARGV))\n" \
	"return 'ok'\n"

/* worker own now max code why: how many ids.  A worker without a lease and
 * with an empty list is forgotten. */
#define LUA_RECLAIM \
	"local ids = 0\n" \
	"for _, worker in ipairs(call('SMEMBERS', 'davit:workers')) do\n" \
	"  local dead = call('EXISTS', 'davit:lease:' .. worker) == 0\n" \
	"  if worker == ARGV[1] then dead = ARGV[2] == '1' end\n" \
	"  if dead then\n" \
	"    for _, id in ipairs(call('LRANGE', taken(worker), 0, -1)) do\n" \
	"      give_back(worker, id, '1', ARGV[3], ARGV[4], ARGV[5], ARGV[6])\n" \
	"      ids = ids + 1\n" \
	"    end\n" \
	"    if worker ~= ARGV[1] then\n" \
	"      call('SREM', 'davit:workers', worker)\n" \
	"    end\n" \
	"  end\n" \
	"end\n" \
	"return ids\n"

/* id attempt offset bytes now step max.  Where there is more than offset, a
 * part of the bytes came before; where there is less, Redis has lost some.  The
 * time of a part is remembered where the last one is a step ago. */
#define LUA_LOG_APPEND \
	"local id, bytes, key = ARGV[1], ARGV[4], 'davit:log:' .. ARGV[1]\n" \
	"local no = lost(id, ARGV[2])\n" \
	"if no then return no end\n" \
	"local seen = call('STRLEN', key) - tonumber(ARGV[3])\n" \
	"if seen > 0 then bytes = string.sub(bytes, seen + 1) end\n" \
	"local times, now = 'davit:log-times:' .. id, ARGV[5]\n" \
	"local last = call('GETRANGE', times, -16, -1):match(' (%d+);$')\n" \
	"if #bytes > 0 and call('STRLEN', times) < tonumber(ARGV[7]) and\n" \
	"    (not last or now - last >= tonumber(ARGV[6])) then\n" \
	"  call('APPEND', times, call('STRLEN', key) .. ' ' .. now .. ';')\n" \
	"end\n" \
	"call('HSET', record(id), 'log_bytes', call('APPEND', key, bytes))\n" \
	"return 'ok'\n"

/* id first last: how many bytes there are, and those */
#define LUA_LOG_READ \
	"local key = 'davit:log:' .. ARGV[1]\n" \
	"return {call('STRLEN', key), call('GETRANGE', key, ARGV[2], ARGV[3])}\n"

/* id deleted: due once more where it was deleted since that was read; not
 * where there is nothing to read ("-1") */
#define LUA_SETTLE_DONE \
	"local id = ARGV[1]\n" \
	"if ARGV[2] == '-1' or (get(id, 'deleted') or '0') == ARGV[2] then\n" \
	"  call('SREM', 'davit:settling', id)\n" \
	"else\n" \
	"  call('SADD', 'davit:settling', id)\n" \
	"end\n" \
	"call('DEL', 'davit:log:' .. id, 'davit:log-times:' .. id)\n" \
	"return 'ok'\n"

/* id: what has ended is due once more */
#define LUA_SETTLE_AGAIN \
	"local id = ARGV[1]\n" \
	"local state = get(id, 'state')\n" \
	"if not state then return 'missing' end\n" \
	"if not final[state] then return state end\n" \
	"call('SADD', 'davit:settling', id)\n" \
	"return 'ok'\n"

/* id now expired: the record stays, and is no longer listed */
#define LUA_DELETE \
	"local id = ARGV[1]\n" \
	"local state = get(id, 'state')\n" \
	"if not state then return 'missing' end\n" \
	"if not final[state] then return state end\n" \
	"call('SADD', 'davit:settling', id)\n" \
	"if not is_deleted(id) then\n" \
	"  call('HSET', record(id), 'deleted', ARGV[2])\n" \
	"  if ARGV[3] == '1' then\n" \
	"    call('HSET', record(id), 'expired', '1')\n" \
	"  end\n" \
	"end\n" \
	"call('ZREM', 'davit:deployments', id)\n" \
	"return 'ok'\n"

/* id now ms code why: "canceled" at once, "marked" for its worker */
#define LUA_CANCEL \
	"local id, now = ARGV[1], ARGV[2]\n" \
	"local state = get(id, 'state')\n" \
	"if not state then return 'missing' end\n" \
	"if final[state] then return state end\n" \
	"if count('build-queue', id) > 0 then\n" \
	"  call('HSET', record(id), 'error', ARGV[4], 'message', ARGV[5])\n" \
	"  settle(id, 'canceled', now)\n" \
	"  call('LREM', 'build-queue', 0, id)\n" \
	"  return 'ok'\n" \
	"end\n" \
	"call('SET', 'davit:cancel:' .. id, '1', 'PX', ARGV[3])\n" \
	"return 'marked'\n"

#endif
