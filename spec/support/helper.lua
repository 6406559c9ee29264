-- busted gives each spec file fresh modules, but luv bears being loaded only once in a process: it
-- goes on using the loop of the first time, which is closed when that was collected.
pcall(require, "luv")
