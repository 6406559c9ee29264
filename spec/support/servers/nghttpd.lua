-- nghttpd, the HTTP/2 server of nghttp2.

local M = { protocols = { "h2" }, requests = {} }

function M.command(setup)
  return ("-a 127.0.0.1 -d %s %d %s %s"):format(setup.site.www, setup.ports.h2, setup.site.key,
    setup.site.certificate)
end

return M
