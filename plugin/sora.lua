-- :Sora {id} [file]
-- :Sora create {prompt}
-- :Sora cancel [id]

if vim.g.loaded_sora then return end
vim.g.loaded_sora = true

vim.api.nvim_create_user_command("Sora", function(command)
  require("sora_nvim.command").run(command.args, command.fargs)
end, {
  nargs = "+",
  complete = function(lead, line, column)
    return require("sora_nvim.command").complete(lead, line:sub(1, column))
  end,
  desc = "Follow a video task to its end, start one, or stop following it",
})
