# Many methods of several shapes and sizes, each called three times, so that Ruby's MJIT generates a unit for each: `many_methods.rb
# FIRST COUNT`.
first, count = ARGV.map { |arg| Integer(arg) }

def repeat(size, joint) = (1..size).map { |i| yield i }.join(joint)

SHAPES = [
  ->(n, size) { "def polynomial_#{n}(x) = #{repeat(size, ' + ') { |i| "#{i * n} * x ** #{i % 3}" }}" },
  ->(n, size) { "def branches_#{n}(x)\n#{repeat(size, "\n") { |i| "return #{i * n} if x < #{i}" }}\nx\nend" },
  ->(n, size) { "def text_#{n}(x) = \"#{n},#{repeat(size, ',') { |i| "\#{x + #{i}}" }}\"" },
  ->(n, size) { "def list_#{n}(x)\nlist = [#{repeat(size, ', ') { 'x' }}]\nlist[0] = list[-1] + #{n}\nlist.first\nend" },
  lambda do |n, size|
    "def table_#{n}(x)\ntable = {#{repeat(size, ', ') { |i| "k#{i}: x + #{i}" }}}\ntable[:k1] + table.size + #{n}\nend"
  end,
  lambda do |n, size|
    "def loop_#{n}(x)\ni = sum = #{n}\nwhile i < x + #{n}\n#{repeat(size, "\n") { |i| "sum += i * #{i}" }}\ni += 1\nend\nsum\nend"
  end,
  ->(n, _) { "def variables_#{n}(x)\n@a#{n % 7} = x\n@b#{n % 5} ||= @a#{n % 7} + #{n}\nend" },
  ->(n, _) { "def rescued_#{n}(x)\nInteger('#{n}', 10) + x\nrescue ArgumentError\n-x\nensure\n$last = x\nend" }
].freeze

names = (first...first + count).map { |n| eval(SHAPES[n % SHAPES.size].(n, 1 + n / SHAPES.size % 9), TOPLEVEL_BINDING) }
3.times { |round| names.each { |name| send(name, round + 1) } }
