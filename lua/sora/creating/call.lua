--- Any other function of a service: remix, extend, upload, quota …

local bodies = require "sora.creating.body"
local core = require "sora.core"
local create = require "sora.creating.create"
local inboxes = require "sora.hosts.inbox"

local M = {}

--- Methods that change nothing (RFC 9110, 9.2.1).
local SAFE = { GET = true, HEAD = true, OPTIONS = true }

local function percent_encode(text)
  return (text:gsub("[^A-Za-z0-9._~-]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

--- The query of a URL, names in order; a list is one pair for each of its values.
---@param query table<string, any>
---@return string? text
---@return sora.fault?
local function query_text(query)
  local pairs_ = {}
  local function add(name, value)
    local kind = type(value)
    if kind == "number" or kind == "boolean" then value = core.encode(value) end
    if type(value) ~= "string" then return false end
    pairs_[#pairs_ + 1] = percent_encode(name) .. "=" .. percent_encode(value)
    return true
  end
  local names = {}
  for name in pairs(query) do
    if type(name) ~= "string" then
      return nil, { kind = "decode", message = "query: names expected" }
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = query[name]
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      if not add(name, one) then
        return nil, { kind = "decode", message = ("query.%s: cannot be a %s"):format(name,
          type(one)) }
      end
    end
  end
  return table.concat(pairs_, "&")
end

local function with_query(path, query)
  if not query then return path end
  local text, wrong = query_text(query)
  if not text then return nil, wrong end
  if text == "" then return path end
  return path .. (path:find("?", 1, true) and "&" or "?") .. text
end

local function call(inbox, method, path, policy, given)
  local client = inbox.client
  local target, wrong = with_query(path, policy.query)
  if not target then return nil, create.error(client, wrong) end
  local payload
  payload, wrong = bodies.of(policy.body, policy.files)
  if not payload then return nil, create.error(client, wrong) end
  local safe = SAFE[method] == true
  local repeatable = safe or (given ~= nil and given.retries ~= nil)
  local answer, err = create.perform(inbox, {
    method = method, path = target, body = payload.body, fields = payload.fields,
    files = payload.files, once = not safe,
    key = policy.idempotency_key or (not safe and create.key() or nil),
  }, policy, given, function(err)
    return repeatable and err.retryable or create.is_harmless(err)
  end)
  if answer == nil then return nil, err end
  return answer
end

--- client:call(method, path, opts), its arguments checked.
---@return any? answer
---@return sora.error? err
function M.call(client, method, policy, given, path)
  local inbox = inboxes.new(client, given)
  return inboxes.guard(inbox, call, inbox, method, path, policy, given)
end

return M
