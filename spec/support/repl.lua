-- The interpreter's prompt, for transcripts: reads lines from standard input, runs each as lua5.4
-- does, and prints what came of it, followed by a line that holds one byte 1.
-- Usage: lua spec/support/repl.lua <LINES

local unpack = table.unpack or unpack
local compile = loadstring or load

local function pack(...)
  return { n = select("#", ...), ... }
end

local function show(ok, ...)
  if not ok then
    print((tostring(...)))
  elseif select("#", ...) > 0 then
    print(...)
  end
end

io.stdout:setvbuf("no")
for line in io.lines() do
  local chunk, message = compile("return " .. line, "=stdin")
  if not chunk then
    chunk, message = compile(line, "=stdin")
  end
  local results = chunk and pack(pcall(chunk)) or pack(false, message)
  show(unpack(results, 1, results.n))
  print("\1")
end
