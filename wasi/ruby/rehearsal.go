package ruby

// A Rehearsal is a small program that shows, when an image is built, what programs
// of the interpreter run.
type Rehearsal struct {
	// Args follow the interpreter's name, and Stdin is its standard input.
	Args  []string
	Stdin string
	// Rare is set for what few programs do.
	Rare bool
}

// Rehearsals are what programs are likely to do, in each of the ways to run one.
func Rehearsals() []Rehearsal {
	const file = "/tmp/rehearsal.rb"
	return []Rehearsal{
		{Args: []string{"-e", `puts "hello, world"`}},
		{Args: []string{"-e", `File.write("` + file + `", ` + quote(script) + ")"}},
		{Args: []string{file, "an", "argument"}, Stdin: "one\ntwo\n"},
		{Args: []string{"-"}, Stdin: "puts 1\n"},
		{Args: []string{"-e", common}, Rare: true},
		{Args: []string{"-e", `def f(n) = n / 0; f(1)`}, Rare: true},
		{Args: []string{"-e", `puts undefined_name`}, Rare: true},
		{Args: []string{"-e", `puts (`}, Rare: true},
		{Args: []string{"-e", `at_exit { warn "end" }; exit 3`}, Rare: true},
		{Args: []string{"-e", `require "nothing_of_this_name"`}, Rare: true},
		{Args: []string{"/tmp/nothing.rb"}, Rare: true},
	}
}

const script = `# A script as people write them.
class Boat
  attr_reader :name
  def initialize(name, length: 7.5) = (@name, @length = name, length)
  def to_s = "#{name.capitalize} (#{@length.round(1)})"
end
boats = %w[thames albion].map { |w| Boat.new(w) }
boats.each_with_index { |b, i| puts "#{i + 1}. #{b}" }
lines = $stdin.each_line.map(&:chomp)
printf("%d lines, %s\n", lines.size, ARGV.join(" "))
begin
  Integer("x")
rescue ArgumentError => e
  warn "caught #{e.message}"
end
`

const common = `
h = { "a" => 1, b: [1, 2.5, nil, true] }
h.each { |k, v| p k, v }
puts h.map { |k, v| [k.to_s, v] }.sort_by(&:first).to_h.inspect, (1..10).select(&:even?).sum, 2**100 / 7, 7.0 / 3, 1e3.to_i
puts "Ahoy there".sub(/(\w+) (\w+)/, '\2 \1').upcase.tr("A-Y", "B-Z"), "a,b;c".split(/[,;]/).inspect, "%05.2f|%-5s|%x" % [3.14159, "ab", 255]
puts [3, 1, 2].sort.reverse.each_slice(2).to_a.inspect, %w[x y].zip([1, 2]).inspect, "ä€".bytes.size, :sym.to_proc.call("x") rescue p $!
S = Struct.new(:a, :b)
p S.new(1, 2), [1, [2, [3]]].flatten, (case 5 when 1..9 then "in" end), Time.now.year > 2000, rand(10).between?(0, 9), ENV["HOME"], $0
def each_pair_of(*list, &block) = list.each_cons(2, &block)
each_pair_of(1, 2, 3) { |a, b| print a, b, "\n" }
catch(:done) { loop { throw :done } }
File.open("/tmp/rehearsal.txt", "w") { |f| f.puts "one", "two" }
puts File.readlines("/tmp/rehearsal.txt", chomp: true).inspect, File.exist?("/tmp/none"), Dir.children("/tmp").size > 0
require "json"
puts JSON.generate({ "a" => [1, 2.5, nil] }), JSON.parse('{"x": [1, -2.5e3, "é", null, true]}').inspect
x = [*1..1000].map { |n| "#{n}" * 3 }; x = nil; GC.start
`
