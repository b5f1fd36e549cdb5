-- wrk sends the requests of a file, each once or repeatedly, then prints the results as one line of JSON.
-- Arguments: the file (each request after a line with its length), how many calls, how many connections.
local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, micros; } timeval; int gettimeofday(timeval *, void *);")

local requests, calls, connections = {}, 0, 0
local sent, parked, is_checked = 0, 0, false
local worker
-- Read from another state, so they are global.
first_us, last_us = 0, 0

local function now_us()
  local time = ffi.new("timeval[1]")
  ffi.C.gettimeofday(time, nil)
  return tonumber(time[0].seconds) * 1e6 + tonumber(time[0].micros)
end

function setup(thread)
  worker = thread
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  calls, connections = tonumber(arguments[2]), tonumber(arguments[3])
  for length in function() return file:read("*l") end do
    requests[#requests + 1] = file:read(tonumber(length))
  end
end

function request()
  -- The very first is not sent: wrk only looks whether it is one.
  if not is_checked then
    is_checked = true
    return requests[1]
  end
  if sent == 0 then first_us = now_us() end
  if sent < calls then
    sent = sent + 1
    return requests[(sent - 1) % #requests + 1]
  end
  -- A connection that is given nothing to send stays idle. With the last one so, every answer is there.
  parked = parked + 1
  if parked == connections then
    last_us = now_us()
    io.write("parked\n")
    io.flush()
  end
  return ""
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"calls":%d,"faults":%d,"seconds":%.6f,"p50Ms":%.4f,"p99Ms":%.4f}\n',
    summary.requests,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status,
    (worker:get("last_us") - worker:get("first_us")) / 1e6,
    latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3))
end
