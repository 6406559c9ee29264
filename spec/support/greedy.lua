-- A helper of busted: the collector never rests, so that whatever is kept by luck is lost.

collectgarbage("setpause", 0)
collectgarbage("setstepmul", 1000)
if _VERSION == "Lua 5.4" and os.getenv "GENERATIONAL" then collectgarbage("generational", 1, 1) end
