--- Where things are found in an answer: lists of paths, the preferred one first.
--
-- A path is written "detail.pending_info.progress_pct". Each name stands for its spellings, too:
-- videoUrl, VideoUrl, videoURL for video_url. "videos.1" is the first element of a list, and with
-- "[]" at its end a path leads to a list alone.
--
-- `null` is what a service's nulls have become, nil where they are absent.

local text = require "sora.answers.text"

local M = {}

--- All spellings of a name.
local function spellings(name)
  if tonumber(name) then return { tonumber(name) } end
  local camel = text.camel(name)
  local list, seen = {}, {}
  for _, spelling in ipairs {
    name, camel, text.capital(camel), (camel:gsub("Url", "URL")), (camel:gsub("Id$", "ID")),
    name == "url" and "URL" or name, name == "id" and "ID" or name,
  } do
    if not seen[spelling] then
      seen[spelling] = true
      list[#list + 1] = spelling
    end
  end
  return list
end

--- Compiles "a b.c" into paths, each a list of steps, each a list of spellings.
---@param list string
---@return table paths
function M.compile(list)
  local paths = {}
  for place in list:gmatch("%S+") do
    local names, only_lists = place:match("^(.-)(%[?%]?)$")
    local path = { only_lists = only_lists == "[]", name = names:match("[^.]*$") }
    for name in names:gmatch("[^.]+") do path[#path + 1] = spellings(name) end
    paths[#paths + 1] = path
  end
  return paths
end

--- The field of a table by the first of its spellings that is there.
local function step(object, names, null)
  for i = 1, #names do
    local value = object[names[i]]
    if value ~= nil and (null == nil or not rawequal(value, null)) then return value end
  end
  return nil
end

local function follow(object, path, null)
  for i = 1, #path do
    if type(object) ~= "table" then return nil end
    object = step(object, path[i], null)
  end
  if path.only_lists and not text.is_list(object) then return nil end
  return object
end

--- The first value in one table that is accepted.
---@param object table
---@param paths table  compiled
---@param accept fun(value: any, null: any, name: string): any  nil: go on; `name` is the last of
---   the path
---@param null any
---@return any  what `accept` has returned
---@return any ...
function M.find_in(object, paths, accept, null)
  for i = 1, #paths do
    local found = follow(object, paths[i], null)
    if found ~= nil then
      local value, more = accept(found, null, paths[i].name)
      if value ~= nil then return value, more end
    end
  end
  return nil
end

--- The same in several tables, one after the other.
---@param layers table  a list, with the field `null`
function M.find(layers, paths, accept)
  for i = 1, #layers do
    local value, more = M.find_in(layers[i], paths, accept, layers.null)
    if value ~= nil then return value, more end
  end
  return nil
end

return M
