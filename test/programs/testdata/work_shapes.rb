module Shape
  include Comparable
  def <=>(other) = area <=> other.area
  def to_s = "#{self.class.name}(#{area.round(2)})"
end
Square = Struct.new(:side) do
  include Shape
  def area = side * side
end
Circle = Struct.new(:radius) do
  include Shape
  def area = Math::PI * radius**2
end
