-- :Sora {id} [file]
-- :Sora create {prompt}

if vim.g.loaded_sora then return end
vim.g.loaded_sora = true

vim.api.nvim_create_user_command("Sora", function(command)
  local prompt = command.args:match "^create[ \t]+(.*)$"
  if prompt then return require("sora_nvim").create(prompt) end
  require("sora_nvim").follow(unpack(command.fargs))
end, { nargs = "+", complete = "file", desc = "Follow a video task to its end" })
