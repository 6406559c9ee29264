-- Writes the vectors of the specs to a folder, one file each, as seeds for the fuzzer.
-- Usage: lua spec/fuzz/seeds.lua FOLDER

package.path = "./?.lua;" .. package.path

local files = require "spec.support.files"
local vectors = require "spec.support.json_vectors"

local folder = assert(arg[1], "seeds: name a folder")
assert(os.execute(("mkdir -p '%s'"):format(folder)))

local count = 0
local function seed(text)
  count = count + 1
  files.write(("%s/seed-%03d"):format(folder, count), text)
end

for _, text in ipairs(vectors.texts) do
  seed(text)
end
for _, vector in ipairs(vectors.bad_texts) do
  seed(vector[1])
end
for _, vector in ipairs(vectors.strings) do
  seed('["a' .. vector[1] .. '"]')
end
for _, vector in ipairs(vectors.bad_strings) do
  seed('{"' .. vector[1] .. '":1}')
end
-- larger than the first buffers, frames and window
seed(('{"a":['):rep(70) .. ("]}"):rep(70))
seed('["' .. ("\\n\\u00e9" .. ("x"):rep(40)):rep(20) .. '"]')
seed("[" .. ("1,"):rep(2040) .. "1]")
print(count .. " seeds")
