# Methods of many sizes, each called three times: Ruby's MJIT compiles them, and what it generates on the way is a test's input.

# One method for each size; what the block returns is its source.
def family(sizes = 1..8)
  sizes.each { |size| eval(yield(size), TOPLEVEL_BINDING) }
end

def repeat(size, joint)
  (1..size).map { |i| yield i }.join(joint)
end

family { |n| "def polynomial_#{n}(x) = #{repeat(n, ' + ') { |i| "#{i} * x ** #{i % 3}" }}" }
family { |n| "def branches_#{n}(x)\n#{repeat(n, "\n") { |i| "return #{i * i} if x < #{i}" }}\nx\nend" }
family { |n| "def text_#{n}(x) = \"#{repeat(n, ',') { |i| "\#{x + #{i}}" }}\"" }
family { |n| "def list_#{n}(x)\nlist = [#{repeat(n, ', ') { 'x' }}]\nlist[0] = list[-1] + #{n}\nlist.first\nend" }
family { |n| "def table_#{n}(x)\ntable = {#{repeat(n, ', ') { |i| "k#{i}: x + #{i}" }}}\ntable[:k1] + table.size\nend" }
family do |n|
  "def loop_#{n}(x)\ni = sum = 0\nwhile i < x\n#{repeat(n, "\n") { |i| "sum += i * #{i}" }}\ni += 1\nend\nsum\nend"
end
family(1..3) { |n| "def block_#{n}(x)\nsum = 0\n#{n}.times { |i| sum += x * i }\nsum\nend" }
family(1..3) { |n| "def rescued_#{n}(x)\nInteger('#{n}', 10) + x\nrescue ArgumentError\n-x\nensure\n$last = x\nend" }

Point = Struct.new(:x, :y)

class Account
  attr_reader :balance

  def initialize(balance) = @balance = balance

  def deposit(amount)
    raise ArgumentError, 'negative' if amount.negative?

    @balance += amount
    self
  end
end

def fib(n) = n < 2 ? n : fib(n - 1) + fib(n - 2)

def gcd(a, b)
  a, b = b, a % b until b.zero?
  a
end

def keywords(x:, y: 2, **rest) = x + y + rest.size

def matching(value)
  case value
  when Integer then :integer
  when /\Aa/ then :text
  else :other
  end
end

def reach(point) = point.x + point.y

3.times do |round|
  private_methods(false).grep(/_\d\z/).each { |name| send(name, round + 1) }
  fib(5)
  gcd(48, 36)
  keywords(x: 1, z: 3)
  [1, 'ab', nil].each { |value| matching(value) }
  reach(Point.new(1, 2))
  Account.new(1).deposit(2).balance
end
