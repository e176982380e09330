-- What an interpreter must get right: closures, errors that unwind C frames, coroutines, garbage, numbers, patterns.
local report = {}
local function add(...) report[#report + 1] = table.concat({...}, " ") end

local function counter()
  local count = 0
  return function() count = count + 1; return count end
end
local first, second = counter(), counter()
first(); first(); second()
add("closures", first(), second())

local ok, message = pcall(function() error({ code = 42 }) end)
add("errors", tostring(ok), message.code, select("#", pcall(string.rep)))

local squares = coroutine.wrap(function() for i = 1, 5 do coroutine.yield(i * i) end end)
add("coroutines", squares(), squares(), squares())

local vector = setmetatable({ 3, 4 }, { __index = { norm = function(v) return math.sqrt(v[1] ^ 2 + v[2] ^ 2) end } })
add("metatables", vector:norm())

local weak = setmetatable({}, { __mode = "v" })
for i = 1, 1000 do weak[i] = { i } end
collectgarbage()
add("garbage", #weak)

add("numbers", string.format("%.4f %d %x", math.sin(1), 7 // 2, 1 << 40), math.maxinteger, 2 ^ 53)
add("patterns", (string.gsub("one two", "(%w+) (%w+)", "%2 %1")))
local sorted = { 5, 2, 9, 1 }
table.sort(sorted, function(a, b) return a > b end)
add("sorting", table.concat(sorted, ","))
add("libraries", type(os.time()), type(io.write), utf8.char(228), _VERSION)
return table.concat(report, "\n")
