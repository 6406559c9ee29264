std = "lua51+lua53+lua54+luajit"
max_line_length = 100
codes = true

files["spec"].std = "+busted"
files[".busted"].std = "min"
