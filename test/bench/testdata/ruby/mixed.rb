require "json"

def fib(n) = n < 2 ? n : fib(n - 1) + fib(n - 2)

class Point
  attr_reader :x, :y

  def initialize(x, y)
    @x = x
    @y = y
  end

  def +(other) = Point.new(@x + other.x, @y + other.y)
end

total = 0
300_000.times { |i| total = (total * 31 + i) & 0xFFFFFF }
at = Point.new(0, 0)
seen = Hash.new(0)
60_000.times do |i|
  at += Point.new(i % 7 - 3, i % 5 - 2)
  seen["#{at.x} #{at.y % 100}"] += 1
end
rows = (0...1_500).map { |i| { "id" => i, "name" => "row #{i}", "value" => i / 7.0 } }
size = 0
3.times do
  text = JSON.generate(rows)
  rows = JSON.parse(text)
  size += text.size
end
puts [total, fib(20), at.x, at.y, seen.size, size, (1..40_000).sort_by { |n| n * 2_654_435_761 % 1_000_003 }.first(3)].inspect
$stdout.flush
