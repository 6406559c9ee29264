--- JSON texts and what becomes of them: for the specs of the decoder, and the seeds of the fuzzer.

local M = {}

--- Strings: the text between the quotes, and the bytes it stands for.
M.strings = {
  { [[]], "" },
  { [[plain]], "plain" },
  { [[a\"b\\c\/d]], 'a"b\\c/d' },
  { [[\b\f\n\r\t]], "\b\f\n\r\t" },
  { [[\u0041\u00e9\u20AC]], "A\195\169\226\130\172" },
  { [[\u0000]], "\0" },
  { [[a\u0000b]], "a\0b" },
  { [[\uD83C\uDFAC]], "\240\159\142\172" },
  { [[\ud800\udc00]], "\240\144\128\128" },
  { [[\udbff\udfff]], "\244\143\191\191" },
  { [[\uffff\ufdd0]], "\239\191\191\239\183\144" },
  { [[\\u0041]], "\\u0041" },
  { "\127", "\127" },
  { "\194\128", "\194\128" }, -- the least of two bytes
  { "\223\191", "\223\191" },
  { "\224\160\128", "\224\160\128" }, -- the least of three
  { "\237\159\191", "\237\159\191" }, -- below the surrogates
  { "\238\128\128", "\238\128\128" }, -- above them
  { "\239\191\191", "\239\191\191" },
  { "\240\144\128\128", "\240\144\128\128" }, -- the least of four
  { "\244\143\191\191", "\244\143\191\191" }, -- the greatest
}

--- Between the quotes: what no string may hold, and at which of its bytes the fault is.
M.bad_strings = {
  { "\0", 0 },
  { "\n", 0 },
  { "ab\31", 2 },
  { "\t", 0 },
  { [[\x41]], 0 },
  { [[a\]] .. "\n", 1 },
  { [[\u12]], 0 },
  { [[\u12G4]], 0 },
  { [[\u+123]], 0 },
  { [[\U0041]], 0 },
  { [[\ud800]], 0 },
  { [[ab\ud800x]], 2 },
  { [[\ud800\n]], 0 },
  { [[\ud800\u0041]], 0 },
  { [[\ud800\ud800]], 0 },
  { [[\udc00]], 0 },
  { [[\udc00\ud800]], 0 },
  { "\128", 0 }, -- a continuation that continues nothing
  { "a\191", 1 },
  { "\194", 0 }, -- begun, but not continued
  { "\194a", 0 },
  { "\224\160", 0 },
  { "\224\160a", 0 },
  { "\240\144\128", 0 },
  { "\240\144\128a", 0 },
  { "\194\128\128", 2 },
  { "\192\128", 0 }, -- overlong
  { "\193\191", 0 },
  { "\224\159\191", 0 },
  { "\240\143\191\191", 0 },
  { "\237\160\128", 0 }, -- a surrogate
  { "\237\191\191", 0 },
  { "\244\144\128\128", 0 }, -- beyond U+10FFFF
  { "\245\128\128\128", 0 },
  { "\248\136\128\128\128", 0 },
  { "\254", 0 },
  { "\255", 0 },
}

--- Texts that are no JSON, the byte at which they cease to be, and what is expected there.
M.bad_texts = {
  { "", 0, "a value" },
  { " \n", 2, "a value" },
  { "\239\187\191{}", 0, "byte order mark" },
  { "[]x", 2, "nothing more" },
  { "{} {}", 3, "nothing more" },
  { "1\0", 1, "nothing more" },
  { "[1", 2, "',' or ']'" },
  { "[1}", 2, "',' or ']'" },
  { "[1 2]", 3, "',' or ']'" },
  { "[1,]", 3, "a value" },
  { "[,1]", 1, "a value" },
  { "]", 0, "a value" },
  { "{", 1, "a name" },
  { "{1:2}", 1, "a name" },
  { "{a:1}", 1, "a name" },
  { "{'a':1}", 1, "a name" },
  { '{"a"}', 4, "':'" },
  { '{"a",1}', 4, "':'" },
  { '{"a":}', 5, "a value" },
  { '{"a":1', 6, "',' or '}'" },
  { '{"a":1]', 6, "',' or '}'" },
  { '{"a":1,}', 7, "a name" },
  { '{"a":null,}', 10, "a name" },
  { '{"a":nul}', 5, "a value" },
  { '"a', 2, "a closing quote" },
  { '"a\\"', 4, "a closing quote" },
  { '"\\', 1, "escape" },
  { "'a'", 0, "a value" },
  { "// no\n1", 0, "a value" },
  { "[1/**/]", 2, "',' or ']'" },
  { "tru", 0, "a value" },
  { "truE", 0, "a value" },
  { "nullx", 4, "nothing more" },
  { "True", 0, "a value" },
  { "NaN", 0, "a value" },
  { "Infinity", 0, "a value" },
  { "-Infinity", 1, "a digit" },
  { "0x10", 1, "nothing more" },
  { "01", 1, "nothing more" },
  { "-01", 2, "nothing more" },
  { "+1", 0, "a value" },
  { ".5", 0, "a value" },
  { "-.5", 1, "a digit" },
  { "-", 1, "a digit" },
  { "--1", 1, "a digit" },
  { "1.", 2, "a digit" },
  { "1.e1", 2, "a digit" },
  { "1e", 2, "a digit" },
  { "1e+", 3, "a digit" },
  { "1e+-1", 3, "a digit" },
  { "1.5.5", 3, "nothing more" },
  { "1_000", 1, "nothing more" },
  { "1,000", 1, "nothing more" },
  { "\194\1601", 0, "a value" }, -- no-break space
  { "\0111", 0, "a value" }, -- vertical tab
}

--- Texts of values in all their nestings and spacings; what they mean, the specs say.
M.texts = {
  "null", "true", "false", "0", "-0", "-0.0", "1e3", "-1.5E-7", "9223372036854775807",
  "-9223372036854775808", "9223372036854775808", "5e-324", "1.7976931348623157e308",
  "0.1000000000000000055511151231257827021181583404541015625", "2.2250738585072011e-308",
  '""', '"a"', "[]", "{}", "[ ]", "{ }", "[[],{}]", '[null,1,null]', '{"a":null,"b":[null]}',
  '{"a":1,"a":2}', '{"a":1,"a":null}', '{"":{"":[]}}', '{"a":{"a":{"a":1}},"b":2}',
  ' [\r\n\t1 , 2 ]\n', '{ "a" : 1 ,\n "b" : [ true , false ] }',
  '{"a name of more than thirty-two bytes, kept in no cache":1}',
}

return M
