-- Runs the program of threads.c against a service of its own: lua threads_check.lua PROGRAM

package.path = "./?.lua;" .. package.path

local service = require("spec.support.standin").start()
local command = ("%s 8 spec/support/threads.lua %s %s %s"):format(arg[1], service.base_url,
  service.http_url, service.ca_file)
local ok = os.execute(command)
service:stop()
os.exit((ok == true or ok == 0) and 0 or 1)
