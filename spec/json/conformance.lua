-- Runs the decoder over a JSON test suite: y_… must be accepted, n_… rejected, i_… are free.
-- What is accepted must be the same again when it was encoded and decoded.
-- Usage: lua spec/json/conformance.lua FOLDER. The exit status is 0 when all went as it must.

package.path = "./?.lua;" .. package.path

local core = require "sora.core"
local equal = require("spec.support.random_json").equal

local decode = core.decode

local folder = arg[1]
if not folder or folder == "" then
  io.stderr:write "conformance: name the suite's folder of .json files (make conformance SUITE=…)\n"
  os.exit(2)
end

local pipe = assert(io.popen(("ls '%s'"):format((folder:gsub("'", "'\\''")))))
local count = { y = 0, n = 0, i = 0 }
local accepted = { y = 0, n = 0, i = 0 }
local wrong = 0
for name in pipe:lines() do
  local kind = name:match "^([yni])_.*%.json$"
  if kind then
    local file = assert(io.open(folder .. "/" .. name, "rb"))
    local value, err = decode(file:read "*a", { null = core.null })
    file:close()
    count[kind] = count[kind] + 1
    local good = err == nil
    if good then
      assert(equal(value, decode(assert(core.encode(value)), { null = core.null })), name)
    end
    accepted[kind] = accepted[kind] + (good and 1 or 0)
    if kind == (good and "n" or "y") then
      wrong = wrong + 1
      print(("%s: %s"):format(name, good and "accepted as " .. tostring(value) or tostring(err)))
    end
  end
end
pipe:close()

print(("%s: accepted %d of %d y_, rejected %d of %d n_, accepted %d of %d i_"):format(
  jit and jit.version or _VERSION, accepted.y, count.y, count.n - accepted.n, count.n, accepted.i,
  count.i))
os.exit((wrong == 0 and count.y > 0 and count.n > 0) and 0 or 1)
