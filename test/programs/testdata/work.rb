# What people do with Ruby, checked by itself: this machine may have none.
require "json"
require "set"
require "digest"
require "stringio"
require_relative "work_shapes"

Dir.chdir(ARGV.fetch(0))

records = (0...100).map { |i| { "id" => i, "name" => format("n%03d", i), "tags" => ["é", "𝛑"], "ratio" => i / 7.0 } }
text = JSON.generate(records)
raise "json" unless JSON.parse(text) == records
puts "json #{text.bytesize} #{text.encoding} #{Digest::SHA256.hexdigest("abc")[0, 8]}"

shapes = [Square.new(2), Circle.new(1), Square.new(1)]
puts "class #{shapes.min} #{shapes.sort.map(&:to_s).join(" ")} #{shapes.sum(&:area).round(4)}"
puts "set #{Set.new([3, 1, 3]).add?(1).inspect} #{(Set[1, 2] | Set[2, 5]).to_a.inspect}"
puts "bignum #{2**100} #{Rational(1, 3) + Rational(1, 6)} #{10.pow(50, 97)}"

File.write("a.txt", "one\ntwo\nthree\n")
File.open("a.txt", "a") { |f| f.puts "four" }
Dir.mkdir("d")
File.rename("a.txt", "d/b.txt")
puts "file #{File.foreach("d/b.txt").map(&:chomp).inspect} #{Dir.glob("**/*").sort.inspect} #{File.size("d/b.txt")}"
begin
  File.read("absent")
rescue Errno::ENOENT => error
  puts "rescued #{error.class}"
ensure
  puts "ensured"
end

def deep(n) = deep(n + 1)
begin
  deep(0)
rescue SystemStackError => error
  puts "deep #{error.message}"
end

fiber = Fiber.new { 3.times { |i| Fiber.yield i * i }; :done }
puts "fiber #{4.times.map { fiber.resume }.inspect}"
words = Enumerator.new { |y| a, b = 0, 1; loop { y << a; a, b = b, a + b } }
puts "lazy #{words.lazy.select(&:even?).first(6).inspect} #{catch(:found) { 10.times { |i| throw :found, i if i > 6 } }}"
case { name: "x", at: [1, 2, 3] }
in { name: String => name, at: [first, *] } then puts "match #{name} #{first}"
end
puts "regex #{"2026-11".sub(/(?<y>\d+)-(?<m>\d+)/, '\k<m>/\k<y>')} #{"naïve".unicode_normalize(:nfd).length}"
puts "stdin #{$stdin.read.upcase}"
at_exit { puts "at exit" }
$stderr.puts "to standard error"
exit 7
