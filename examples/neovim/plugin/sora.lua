-- :Sora {id} [file]

if vim.g.loaded_sora then return end
vim.g.loaded_sora = true

vim.api.nvim_create_user_command("Sora", function(command)
  require("sora_nvim").follow(unpack(command.fargs))
end, { nargs = "+", complete = "file", desc = "Follow a video task to its end" })
